/* The command line, the environment and the configuration file. One table says what there is: a row is
 * --max-body on the command line, GRADD_MAX_BODY in the environment, and max-body in the file. The
 * command line wins over the environment, and the environment over the file. */
#ifndef GRADD_SERVER_OPTIONS_H
#define GRADD_SERVER_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "api/service.h"
#include "server/listen.h"
#include "server/log.h"

/* Texts that an option lists, in memory of its own. */
enum { OPTION_LIST = 16, OPTION_LIST_TEXT = 1024 };
struct option_list {
    size_t n;
    const char *items[OPTION_LIST];
    char text[OPTION_LIST_TEXT];
};

/* kind, type of the field, whether what is said again is added, least and most where it is a number, and
 * what is expected where it is none. */
#define OPTION_KINDS(X)                                                                            \
    X(flag, bool, false, 0, 0, "1 or 0")                                                           \
    X(threads, int, false, 1, 256, NULL)                                                           \
    X(count, int64_t, false, 0, INT64_C(1000000000000000), NULL)                                   \
    X(bytes, int64_t, false, 1, INT64_C(1) << 40, NULL)                                            \
    X(seconds, int64_t, false, 0, 365 * 86400, NULL)                                               \
    X(file, const char *, false, 0, 0, "the name of a file")                                       \
    X(directory, const char *, false, 0, 0, "the name of a directory")                             \
    X(store, bool, false, 0, 0, "sqlite: or memory:")                                              \
    X(mode, mode_t, false, 0, 0, "permissions such as 0660")                                       \
    X(addresses, struct listen_list, true, 0, 0, listen_syntax)                                    \
    X(hosts, struct option_list, true, 0, 0,                                                       \
      "names such as gradd.example without ports, at most 16 with commas between them")            \
    X(origins, struct option_list, true, 0, 0,                                                     \
      "origins such as https://app.example, at most 16 with commas between them, or *")            \
    X(level, enum log_level, false, 0, 0, "error, warn, info or debug")                            \
    X(format, enum line_format, false, 0, 0, "logfmt or json")                                     \
    X(user, const char *, false, 0, 0, "the name of a user")                                       \
    X(on_off, bool, false, 0, 0, "on or off")

/* heading, field, kind, what its value looks like, preset, meaning. A preset in parentheses is no value
 * but says in words what an untouched field, all of whose bits are 0, stands for. */
#define OPTIONS(X)                                                                                 \
    X("Process", config, file, "FILE", "(none)",                                                   \
      "file of lines such as max-body = 64M, with the names of these options")                     \
    X("Process", threads, threads, "N", "(one a core)",                                            \
      "threads that read, answer, and compute what is small")                                      \
    X("Process", workers, threads, "N", "(one a core)",                                            \
      "threads that compute what is large, at low priority; one request may have them all")        \
    X("Process", log_level, level, "LEVEL", "info",                                                \
      "what goes to standard error: error, warn, info or debug")                                   \
    X("Process", log_format, format, "FORMAT", "logfmt", "its lines: logfmt or json")              \
    X("Process", access_log, on_off, "SWITCH", "on",                                               \
      "on or off: each request is a line of it, of the level info")                                \
    X("Process", server_timing, on_off, "SWITCH", "on",                                            \
      "on or off: answers tell by Server-Timing where their time went")                            \
    X("Process", user, user, "NAME", "(none)",                                                     \
      "user to become once the sockets are open, where root starts gradd")                         \
    X("Process", sandbox, on_off, "SWITCH", "on",                                                  \
      "on or off: gives up capabilities, files and system calls that serving does not take")       \
    X("State", data_dir, directory, "DIR", "(none: all is kept in memory)",                        \
      "directory of sessions, functions and operations, which outlive the process there")          \
    X("State", store, store, "STORE",                                                              \
      "sqlite:", "sqlite: keeps them in the data directory, memory: does as if there were none")   \
    X("Access", listen, addresses, "ADDRESS,...", "127.0.0.1:8080",                                \
      "where to listen: HOST:PORT, where port 0 takes a free one, or unix:/path")                  \
    X("Access", socket_mode, mode, "OCTAL", "0660", "permissions of the Unix sockets")             \
    X("Access", tls_cert, file, "FILE", "(none: ports speak plain HTTP)",                          \
      "certificate (PEM, with its chain) for TLS on the ports; SIGHUP reads it again")             \
    X("Access", tls_key, file, "FILE", "(none)", "its key")                                        \
    X("Access", tls_client_ca, file, "FILE", "(none)",                                             \
      "authority whose certificates clients must then have")                                       \
    X("Access", tokens, file, "FILE", "(none: nobody is asked for one)",                           \
      "file of those who may ask; \"gradd token\" makes a line of it, SIGHUP reads it again")      \
    X("Access", insecure, flag, "", "(not so)",                                                    \
      "whoever reaches the server may use it: listen beyond loopback without --tokens")            \
    X("Access", allowed_host, hosts, "NAME,...", "(none)",                                         \
      "names beside localhost by which clients may call a server that listens on loopback")        \
    X("Access", cors_origin, origins, "ORIGIN,...", "(none)",                                      \
      "web origins whose pages may ask and read, such as https://app.example; * is any")

#define OPTION_KIND(kind, type, adds, least, most, expected) OPTION_##kind,
enum option_kind { OPTION_KINDS(OPTION_KIND) OPTION_KIND_COUNT };
#undef OPTION_KIND

/* The rows, of which the limits are the last. */
#define OPTION_ONE(heading, field, kind, shape, preset, meaning) +1
#define OPTION_LIMIT(name, preset, least, most, text) +1
enum { OPTION_COUNT = 0 OPTIONS(OPTION_ONE) SERVICE_LIMITS(OPTION_LIMIT) };
#undef OPTION_ONE
#undef OPTION_LIMIT

enum { OPTION_MEMORY = 64 << 10 };

#define OPTION_KIND(kind, type, adds, least, most, expected) typedef type option_##kind##_type;
OPTION_KINDS(OPTION_KIND)
#undef OPTION_KIND

struct options {
#define OPTION_FIELD(heading, field, kind, shape, preset, meaning) option_##kind##_type field;
    OPTIONS(OPTION_FIELD)
#undef OPTION_FIELD
    struct service_limits limits;
    /* What was said of each row, and who said it. */
    struct option_said {
        const char *text; /* NULL: nothing */
        enum option_source { OPTION_PRESET, OPTION_FILE, OPTION_VARIABLE, OPTION_ARGUMENT } by;
        int line; /* of the file */
    } said[OPTION_COUNT];
    size_t used;
    char memory[OPTION_MEMORY]; /* of texts */
};

enum options_outcome { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_CHECK, OPTIONS_BAD };

/* Reads argv[1..argc), `variable` (such as getenv) for what is not on the command line, and the file for
 * what is in neither. The texts must outlive the options, which may not be copied. After OPTIONS_BAD
 * `problem` holds one sentence. */
enum options_outcome options_read(struct options *o, int argc, char *const *argv,
                                  char *(*variable)(const char *name), char *problem, size_t size);

/* Nobody is to find that the whole network may use a server of which they thought otherwise: false, with
 * one sentence, where one of these addresses can be reached from other machines and --insecure is not
 * given. options_read has asked this for o->listen. */
bool options_check_reach(const struct options *o, const struct listen_list *addresses,
                         char *problem, size_t size);

/* Whether limits that were said agree with each other, and with the bytes of memory that there are, or
 * with those that the process may have of them. */
bool options_check_limits(const struct options *o, int64_t memory, char *problem, size_t size);

/* Whether the files that are named can be read, and the directories used. */
bool options_check_files(const struct options *o, char *problem, size_t size);

/* Every option, its value, and who said so, as lines of a configuration file. */
void options_print(const struct options *o, FILE *out);
void options_help(FILE *out);

#endif

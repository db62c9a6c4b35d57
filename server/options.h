/* The command line and the environment. One table says what there is; the command line wins. */
#ifndef GRADD_SERVER_OPTIONS_H
#define GRADD_SERVER_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "server/listen.h"
#include "server/log.h"

/* name of the field, option, variable, what its value looks like, preset, meaning */
#define OPTIONS(X)                                                                                 \
    X(listen, "--listen", "GRADD_LISTEN", "ADDRESS,...", "127.0.0.1:8080",                         \
      "where to listen: HOST:PORT, where port 0 takes a free one, or unix:/path")                  \
    X(socket_mode, "--socket-mode", "GRADD_SOCKET_MODE", "OCTAL", "0660",                          \
      "permissions of the Unix sockets")                                                           \
    X(threads, "--threads", "GRADD_THREADS", "N", "one a core",                                    \
      "threads that read, answer, and compute what is small")                                      \
    X(workers, "--workers", "GRADD_WORKERS", "N", "one a core",                                    \
      "threads that compute what is large, at low priority; one request may have them all")        \
    X(max_body, "--max-body", "GRADD_MAX_BODY", "BYTES", "64M",                                    \
      "largest body of a request; k, M and G stand for 2^10, 2^20 and 2^30")                       \
    X(tokens, "--tokens", "GRADD_TOKENS", "FILE", "none: nobody is asked for one",                 \
      "file of those who may ask; \"gradd token\" makes a line of it, SIGHUP reads it again")      \
    X(insecure, "--insecure", "GRADD_INSECURE", "", "not so",                                      \
      "whoever reaches the server may use it: listen beyond loopback without --tokens")            \
    X(allowed_host, "--allowed-host", "GRADD_ALLOWED_HOST", "NAME,...", "none",                    \
      "names beside localhost by which clients may call a server that listens on loopback")        \
    X(cors_origin, "--cors-origin", "GRADD_CORS_ORIGIN", "ORIGIN,...", "none",                     \
      "web origins whose pages may ask and read, such as https://app.example; * is any")           \
    X(grace, "--grace", "GRADD_GRACE", "SECONDS", "30",                                            \
      "how long requests may go on after SIGTERM")                                                 \
    X(log_level, "--log-level", "GRADD_LOG_LEVEL", "LEVEL", "info",                                \
      "what goes to standard error: error, warn, info or debug")

/* Texts that an option lists, in memory of its own. */
enum { OPTION_LIST = 16, OPTION_LIST_TEXT = 1024 };
struct option_list {
    size_t n;
    const char *items[OPTION_LIST];
    char text[OPTION_LIST_TEXT];
};

struct options {
    struct listen_list listen;
    mode_t socket_mode;
    int threads, workers; /* 0: one a core */
    int64_t max_body;
    const char *tokens; /* NULL: none */
    bool insecure;
    struct option_list allowed_host, cors_origin;
    int grace; /* seconds */
    enum log_level log_level;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* Reads argv[1..argc), and `variable` (such as getenv) for what is not on the command line. After
 * OPTIONS_BAD `problem` holds one sentence. */
enum options_outcome options_read(struct options *o, int argc, char *const *argv,
                                  char *(*variable)(const char *name), char *problem, size_t size);

/* Nobody is to find that the whole network may use a server of which they thought otherwise: false, with
 * one sentence, where one of these addresses can be reached from other machines and --insecure is not
 * given. options_read has asked this for o->listen. */
bool options_check_reach(const struct options *o, const struct listen_list *addresses,
                         char *problem, size_t size);

void options_help(FILE *out);

#endif

/* Options: their texts become values here, or one sentence that says why not. What the values
 * do is not known here. */
#include "server/options.h"

#include <stdlib.h>
#include <string.h>

#include "core/op.h"
#include "server/web.h"

enum { MOST_THREADS = 256, MOST_GRACE = 86400 };

static const char *const threads_expected = "a whole number from 1 to 256";

static bool parse_count(const char *text, long most, int *out) {
    char *end;
    long n = strtol(text, &end, 10);
    if (text[strspn(text, "0123456789")] || end == text || n < 1 || n > most) return false;
    *out = (int)n;
    return true;
}

/* A size in bytes, with k, M or G behind it or not. */
static bool parse_size(const char *text, int64_t *out) {
    static const char units[] = "kMG";
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15) return false;
    int64_t n = strtoll(text, NULL, 10), most = INT64_C(1) << 40;
    const char *suffix = text + digits;
    int shift = 0;
    if (*suffix) {
        const char *unit = strchr(units, *suffix == 'K' ? 'k' : *suffix);
        if (!unit || suffix[1]) return false;
        shift = 10 * (int)(unit - units + 1);
    }
    if (n < 1 || n > most >> shift) return false;
    *out = n << shift;
    return true;
}

/* One function an option: sets the field and returns NULL, or returns what was expected. */
static const char *read_listen(struct options *o, const char *text) {
    return listen_parse_list(text, &o->listen) ? NULL : listen_syntax;
}

static const char *read_socket_mode(struct options *o, const char *text) {
    char *end;
    const long mode = strtol(text, &end, 8);
    if (end == text || *end || mode < 0 || mode > 0777) return "permissions such as 0660";
    o->socket_mode = (mode_t)mode;
    return NULL;
}

static const char *read_grace(struct options *o, const char *text) {
    if (strcmp(text, "0") != 0 && !parse_count(text, MOST_GRACE, &o->grace))
        return "seconds from 0 to 86400";
    if (text[0] == '0') o->grace = 0;
    return NULL;
}

static const char *read_threads(struct options *o, const char *text) {
    return parse_count(text, MOST_THREADS, &o->threads) ? NULL : threads_expected;
}

static const char *read_workers(struct options *o, const char *text) {
    return parse_count(text, MOST_THREADS, &o->workers) ? NULL : threads_expected;
}

static const char *read_max_body(struct options *o, const char *text) {
    return parse_size(text, &o->max_body)
               ? NULL
               : "a number of bytes from 1 to 1024G, such as 65536, 512k or 64M";
}

static const char *read_log_level(struct options *o, const char *text) {
    return log_find(text, &o->log_level) ? NULL : "error, warn, info or debug";
}

static const char *read_tokens(struct options *o, const char *text) {
    o->tokens = text;
    return *text ? NULL : "the name of a file";
}

/* A flag without a value says 1. */
static const char *read_insecure(struct options *o, const char *text) {
    o->insecure = strcmp(text, "1") == 0;
    return o->insecure || strcmp(text, "0") == 0 ? NULL : "1 or 0";
}

/* What stands between commas, each of it good. */
static bool parse_list(const char *text, struct option_list *list, bool (*good)(const char *)) {
    if (strlen(text) >= sizeof list->text) return false;
    char *at = strcpy(list->text, text);
    list->n = 0;
    for (bool more = true; more;) {
        char *end = at + strcspn(at, ",");
        more = *end == ',';
        *end = '\0';
        if (list->n == OPTION_LIST || !good(at)) return false;
        list->items[list->n++] = at;
        at = end + 1;
    }
    return true;
}

static const char *read_allowed_host(struct options *o, const char *text) {
    return parse_list(text, &o->allowed_host, web_host_is_good)
               ? NULL
               : "names such as gradd.example without ports, at most 16 with commas between them";
}

static const char *read_cors_origin(struct options *o, const char *text) {
    return parse_list(text, &o->cors_origin, web_origin_is_good)
               ? NULL
               : "origins such as https://app.example, at most 16 with commas between them, or *";
}

static const struct row {
    const char *flag, *variable, *shape, *preset, *meaning;
    const char *(*read)(struct options *o, const char *text);
} rows[] = {
#define OPTION_ROW(name, flag, variable, shape, preset, meaning)                                   \
    {flag, variable, shape, preset, meaning, read_##name},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

enum { ROWS = sizeof rows / sizeof *rows };

/* The row of an argument such as --threads or --threads=4; *value is what stands behind the =. */
static const struct row *find_row(const char *argument, const char **value) {
    size_t n = strcspn(argument, "=");
    for (size_t i = 0; i < ROWS; i++)
        if (strncmp(argument, rows[i].flag, n) == 0 && !rows[i].flag[n]) {
            *value = argument[n] ? argument + n + 1 : NULL;
            return &rows[i];
        }
    return NULL;
}

static enum options_outcome bad_argument(const char *argument, char *problem, size_t size) {
    const char *flags[ROWS + 2] = {"--help", "--version"};
    for (size_t i = 0; i < ROWS; i++) flags[i + 2] = rows[i].flag;
    const char *near = name_nearest(argument, flags, ROWS + 2);
    if (near)
        snprintf(problem, size, "unknown option \"%s\"; did you mean \"%s\"?", argument, near);
    else
        snprintf(problem, size, "unknown option \"%s\"; --help lists the options", argument);
    return OPTIONS_BAD;
}

/* Collects the text of each row from the command line into `texts`. */
static enum options_outcome read_line(int argc, char *const *argv, const char *texts[ROWS],
                                      char *problem, size_t size) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return OPTIONS_HELP;
        if (strcmp(argv[i], "--version") == 0) return OPTIONS_VERSION;
        const char *value;
        const struct row *row = find_row(argv[i], &value);
        if (!row) return bad_argument(argv[i], problem, size);
        if (!value) value = *row->shape ? argv[++i] : "1";
        if (!value) {
            snprintf(problem, size, "%s: found nothing behind it, expected %s", row->flag,
                     row->shape);
            return OPTIONS_BAD;
        }
        texts[row - rows] = value;
    }
    return OPTIONS_RUN;
}

bool options_check_reach(const struct options *o, const struct listen_list *addresses,
                         char *problem, size_t size) {
    char url[LISTEN_URL];
    for (int i = 0; i < addresses->n && !o->tokens && !o->insecure; i++) {
        if (listen_is_loopback(&addresses->at[i])) continue;
        snprintf(problem, size,
                 "%s can be reached from other machines, and without --tokens whoever reaches it "
                 "may use it; --insecure says that this is meant",
                 listen_url(&addresses->at[i], url));
        return false;
    }
    return true;
}

enum options_outcome options_read(struct options *o, int argc, char *const *argv,
                                  char *(*variable)(const char *name), char *problem, size_t size) {
    const char *texts[ROWS] = {0};
    *o = (struct options){
        .max_body = INT64_C(64) << 20, .socket_mode = 0660, .grace = 30, .log_level = LOG_INFO};
    listen_parse_list("127.0.0.1:8080", &o->listen);
    enum options_outcome outcome = read_line(argc, argv, texts, problem, size);
    for (size_t i = 0; i < ROWS && outcome == OPTIONS_RUN; i++) {
        const char *from = rows[i].flag, *text = texts[i];
        if (!text) from = rows[i].variable, text = variable(from);
        /* A variable that is empty is as good as unset, as compose files want it. */
        if (!text || (!texts[i] && !*text)) continue;
        const char *expected = rows[i].read(o, text);
        if (!expected) continue;
        snprintf(problem, size, "%s: found \"%s\", expected %s", from, text, expected);
        outcome = OPTIONS_BAD;
    }
    if (outcome == OPTIONS_RUN && !options_check_reach(o, &o->listen, problem, size))
        return OPTIONS_BAD;
    return outcome;
}

void options_help(FILE *out) {
    fputs(
        "usage: gradd [OPTION...]\n"
        "       gradd health [/PATH | URL] [OPTION...]\n"
        "       gradd token [TENANT [SCOPES]] >>FILE\n\n"
        "Computes exact gradients of expression graphs over HTTP. `health` asks a running server\n"
        "how it is (/healthz, /readyz), and exits with 0 where it is well; `token` makes one.\n\n",
        out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        int width = fprintf(out, "  %s%s%s", row->flag, *row->shape ? " " : "", row->shape);
        fprintf(out, "%*s%s\n", width < 24 ? 24 - width : 1, "", row->meaning);
        fprintf(out, "%24s(preset: %s; variable: %s)\n", "", row->preset, row->variable);
    }
    fputs("  --help                show this text and exit\n"
          "  --version             show the version and exit\n",
          out);
}

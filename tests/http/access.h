/* What access.c and tenants.c ask with: a file of tokens, made by gradd itself, and requests that carry
 * one of them. Nothing here knows what is tested. */
#ifndef GRADD_TESTS_HTTP_ACCESS_H
#define GRADD_TESTS_HTTP_ACCESS_H

#include "wire.h"

enum { TOKEN = 64, LINE = 256, PATH = 256, ID = 64 };

/* ---- tokens ---- */

static char path[] = "/tmp/gradd-tokens-XXXXXX";
static const char *const scopes[] = {"read", "compute", "sessions", "admin"};
enum { SCOPES_N = 4 };

/* The tokens of the file, whose first lines they are: one of each scope alone, and one of all scopes for
 * each of two tenants. */
static char alone[SCOPES_N][TOKEN], shop[TOKEN], bank[TOKEN];
static const char all_scopes[] = "read,compute,sessions,admin";

/* Has gradd make a token, and adds its line to the file. */
static inline void add_token(FILE *file, const char *tenant, const char *some, char out[TOKEN]) {
    char line[LINE], said[LINE];
    const char *arguments[] = {"token", tenant, some, NULL};
    struct child child = spawn(arguments);
    read_all(child.out, line, sizeof line);
    read_all(child.err, said, sizeof said);
    const char *token = strrchr(said, ' ');
    if (reap(&child, 5000) != 0 || !token || sscanf(token, " %63s", out) != 1) {
        fprintf(stderr, "access: gradd token said: %s\n", said);
        exit(1);
    }
    fputs(line, file);
}

static inline void make_tokens(void) {
    const int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) exit(1);
    for (int i = 0; i < SCOPES_N; i++) add_token(file, "shop", scopes[i], alone[i]);
    add_token(file, "shop", all_scopes, shop);
    add_token(file, "bank", all_scopes, bank);
    fclose(file);
}

/* ---- requests ---- */

/* Asks with a token, or NULL; returns the status. */
static inline int ask(const struct child *child, const char *token, const char *method,
                      const char *target, const char *body) {
    const int fd = dial(child);
    bool ok = say(fd, "%s %s HTTP/1.1\r\nHost: gradd\r\nConnection: close\r\n", method, target);
    if (token) ok = ok && say(fd, "Authorization: Bearer %s\r\n", token);
    ok = ok && say(fd, "Content-Length: %zu\r\n\r\n%s", body ? strlen(body) : 0, body ? body : "");
    const int status = ok ? hear(fd) : 0;
    close(fd);
    return status;
}

static inline int ask_usual(const char *token, const char *method, const char *target,
                            const char *body) {
    return ask(&usual, token, method, target, body);
}

static inline bool has_body(const char *method) {
    return strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0;
}

/* A path of the table with something in its places: the first is `first`. */
static inline const char *fill(const char *pattern, const char *first, char out[PATH]) {
    char *at = out;
    for (bool is_first = true; *pattern;) {
        if (*pattern != '{') {
            *at++ = *pattern++;
            continue;
        }
        const char *place = is_first ? first : "x";
        if (strncmp(pattern, "{tape}", 6) == 0) place = "t1";
        at = stpcpy(at, place);
        pattern += strcspn(pattern, "}") + 1;
        is_first = false;
    }
    *at = '\0';
    return out;
}

/* Runs the tests against a gradd that is given the tokens. */
static inline int run_with_tokens(int argc, char **argv, const struct test *tests, size_t n) {
    if (!take_arguments(argc, argv)) return 2;
    make_tokens();
    const int code = run_tests(argc, argv, "--tokens", path, tests, n);
    unlink(path);
    return code;
}

#endif

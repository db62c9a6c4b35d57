/* Who may ask: every route by every kind of token, what else an Authorization may say, and how a server
 * starts. Speaks to a real gradd over plain sockets; of its insides it knows the table of routes alone, so
 * that none is left out.
 *
 *     access GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. */
#include "access.h"
#include "access_matrix.h"
#include "server/route.h"
#include "server/secret.h"

static const struct matrix_row *find_row(const char *method, const char *pattern) {
    for (size_t i = 0; i < matrix_rows; i++)
        if (strcmp(matrix[i].method, method) == 0 && strcmp(matrix[i].path, pattern) == 0)
            return &matrix[i];
    return NULL;
}

/* ---- the matrix ---- */

static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
enum { METHODS_N = 5 };

static bool every_route_is_in_the_matrix(void) {
    size_t n = 0;
    for (size_t i = 0; i < route_count; i++)
        for (int k = 0; k < METHODS_N; k++) {
            if (!(route_table[i].methods & route_method(methods[k]))) continue;
            n++;
            if (find_row(methods[k], route_table[i].path)) continue;
            printf("      %s %s is not in the matrix\n", methods[k], route_table[i].path);
            return false;
        }
    CHECK(n == matrix_rows);
    return true;
}

static bool is_refused(int status, const char *challenge) {
    return reply.status == status && header_is("WWW-Authenticate", challenge) &&
           says(status == 401 ? "\"code\":\"unauthenticated\"" : "\"code\":\"forbidden\"");
}

/* One row of the matrix, by one way of asking. */
static bool check_cell(const struct matrix_row *row, const char *token, const char *scope) {
    char target[PATH], challenge[128];
    ask_usual(token, row->method, fill(row->path, "nobody", target),
              has_body(row->method) ? "{\"what\":1}" : NULL);
    bool ok;
    if (!row->scope || (scope && strcmp(scope, row->scope) == 0)) {
        ok = reply.status && reply.status != 401 && reply.status != 403 &&
             !header("WWW-Authenticate");
    } else if (!token) {
        ok = is_refused(401, "Bearer");
    } else if (!scope) {
        ok = is_refused(401, "Bearer error=\"invalid_token\"");
    } else {
        snprintf(challenge, sizeof challenge, "Bearer error=\"insufficient_scope\", scope=\"%s\"",
                 row->scope);
        ok = is_refused(403, challenge);
    }
    if (!ok)
        printf("      %s %s with %s: %d %.200s\n", row->method, row->path,
               scope   ? scope
               : token ? "a wrong token"
                       : "no token",
               reply.status, reply.body);
    return ok;
}

static bool every_route_wants_its_scope_and_takes_no_other(void) {
    bool ok = true;
    for (size_t i = 0; i < matrix_rows; i++) {
        ok = check_cell(&matrix[i], NULL, NULL) && ok;
        ok = check_cell(&matrix[i], "gradd_00112233445566778899aabbccddeeff", NULL) && ok;
        for (int k = 0; k < SCOPES_N; k++) ok = check_cell(&matrix[i], alone[k], scopes[k]) && ok;
    }
    return ok;
}

static bool what_is_no_route_is_told_to_those_with_a_token_alone(void) {
    CHECK(ask_usual(NULL, "GET", "/v1/nothing", NULL) == 401);
    CHECK(ask_usual(alone[0], "GET", "/v1/nothing", NULL) == 404);
    CHECK(ask_usual(NULL, "BREW", "/v1/gradient", NULL) == 401);
    CHECK(ask_usual(alone[0], "BREW", "/v1/gradient", NULL) == 405);
    CHECK(ask_usual(NULL, "OPTIONS", "/v1/gradient", NULL) == 204);
    const int fd = dial(&usual);
    CHECK(say(fd, "HEAD /v1/ops HTTP/1.1\r\nHost: gradd\r\n\r\n"));
    CHECK(hear_one(fd, true, 10000) == 401);
    return close(fd) == 0;
}

static bool an_authorization_of_another_form_is_refused(void) {
    static const struct {
        const char *headers, *challenge, *detail;
    } wrong[] = {{"Authorization: Basic dXNlcjpwYXNz\r\n", "Bearer error=\"invalid_request\"",
                  "the Authorization header is not \\\"Bearer TOKEN\\\""},
                 {"Authorization: Bearer\r\n", "Bearer error=\"invalid_request\"",
                  "the Authorization header is not \\\"Bearer TOKEN\\\""},
                 {"Authorization: Bearer a b\r\n", "Bearer error=\"invalid_request\"",
                  "the Authorization header is not \\\"Bearer TOKEN\\\""},
                 {"Authorization: Bearer a\r\nAuthorization: Bearer a\r\n",
                  "Bearer error=\"invalid_request\"",
                  "the request has several Authorization headers, expected one"},
                 {"Authorization: Bearer a\r\n", "Bearer error=\"invalid_token\"",
                  "the token is not a valid one"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const int fd = dial(&usual);
        CHECK(say(fd, "GET /v1/ops HTTP/1.1\r\nHost: gradd\r\n%s\r\n", wrong[i].headers));
        CHECK(hear(fd) == 401 && says(wrong[i].detail));
        CHECK(header_is("WWW-Authenticate", wrong[i].challenge));
        close(fd);
    }
    const int fd = dial(&usual);
    CHECK(say(fd, "GET /v1/ops HTTP/1.1\r\nHost: gradd\r\nauthorization: bEARER   %s \r\n\r\n",
              alone[0]));
    CHECK(hear(fd) == 200);
    return close(fd) == 0;
}

static bool the_connection_goes_on_behind_a_refusal(void) {
    const int fd = dial(&usual);
    for (int i = 0; i < 3; i++) {
        CHECK(say(fd,
                  "POST /v1/gradient HTTP/1.1\r\nHost: gradd\r\nContent-Length: 5\r\n\r\n{\"a\":"));
        CHECK(hear(fd) == 401);
        CHECK(say(fd, "GET /healthz HTTP/1.1\r\nHost: gradd\r\n\r\n") && hear(fd) == 200);
    }
    return close(fd) == 0;
}

static bool a_strangers_large_body_is_not_read(void) {
    static char piece[1 << 14];
    memset(piece, ' ', sizeof piece);
    int fd = dial(&usual);
    CHECK(say(fd, "POST /v1/gradient HTTP/1.1\r\nHost: gradd\r\nContent-Length: 100000\r\n\r\n"));
    CHECK(hear(fd) == 401 && is_refused(401, "Bearer") && hears_end(fd));
    close(fd);
    /* Nor one whose length is not said. */
    fd = dial(&usual);
    CHECK(say(fd, "POST /v1/gradient HTTP/1.1\r\nHost: gradd\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 8; i++) {
        say(fd, "%zx\r\n", sizeof piece);
        say_bytes(fd, piece, sizeof piece);
        say(fd, "\r\n");
    }
    CHECK(hear(fd) == 401 && is_refused(401, "Bearer") && hears_end(fd));
    return close(fd) == 0;
}

/* ---- the start ---- */

static bool ends_with(const char *const *arguments, int code, const char *part) {
    static char err[4096];
    struct child child = spawn(arguments);
    read_all(child.err, err, sizeof err);
    reply.status = 0;
    const int found = reap(&child, 5000);
    if (found == code && strstr(err, part)) return true;
    printf("      exit code %d: %s\n", found, err);
    return false;
}

static bool refuses_to_start_where_it_is_not_meant(void) {
    const char *const open[] = {"--listen", "0.0.0.0:0", NULL},
                      *const missing[] = {"--tokens", "/nowhere/tokens", NULL},
                      *const no_tokens[] = {"--check-config", "--tokens", "/dev/null", NULL},
                      *const wrong[] = {"token", "shop", "everything", NULL};
    return ends_with(
               open, 2,
               "gradd: http://0.0.0.0:0 can be reached from other machines, and without "
               "--tokens whoever reaches it may use it; --insecure says that this is meant\n") &&
           ends_with(missing, 2, "gradd: cannot open the tokens in /nowhere/tokens: ") &&
           ends_with(no_tokens, 2, "gradd: /dev/null: found no token; \"gradd token\" makes one") &&
           ends_with(wrong, 2, "gradd: usage: gradd token [TENANT [SCOPES]]");
}

static bool a_new_token_is_shown_apart_from_its_line(void) {
    char line[LINE], said[LINE], token[TOKEN], expected[LINE], hex[SECRET_HEX + 1];
    const char *const arguments[] = {"token", NULL};
    struct secret_digest digest;
    struct child child = spawn(arguments);
    read_all(child.out, line, sizeof line);
    read_all(child.err, said, sizeof said);
    CHECK(reap(&child, 5000) == 0);
    CHECK(sscanf(said, "The token, which is shown this once: %63s", token) == 1);
    secret_digest(token, strlen(token), &digest);
    secret_write(&digest, hex);
    snprintf(expected, sizeof expected, "token %s default read,compute,sessions\n", hex);
    CHECK(strcmp(line, expected) == 0);
    return true;
}

/* ---- all of them ---- */

#define TESTS(X)                                                                                   \
    X(every_route_is_in_the_matrix)                                                                \
    X(every_route_wants_its_scope_and_takes_no_other)                                              \
    X(what_is_no_route_is_told_to_those_with_a_token_alone)                                        \
    X(an_authorization_of_another_form_is_refused)                                                 \
    X(the_connection_goes_on_behind_a_refusal)                                                     \
    X(a_strangers_large_body_is_not_read)                                                          \
    X(refuses_to_start_where_it_is_not_meant)                                                      \
    X(a_new_token_is_shown_apart_from_its_line)

static const struct test tests[] = {TESTS(TEST)};

int main(int argc, char **argv) {
    return run_with_tokens(argc, argv, tests, sizeof tests / sizeof *tests);
}

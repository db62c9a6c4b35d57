/* Who may ask: every route by every kind of token, tenants and their quotas, tokens that come and go.
 * Speaks to a real gradd over plain sockets; of its insides it knows the table of routes alone, so that
 * none is left out.
 *
 *     access GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. */
#include "access_matrix.h"
#include "server/route.h"
#include "server/secret.h"
#include "wire.h"

enum { TOKEN = 64, LINE = 256, PATH = 256, ID = 64 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("      line %d: %s\n", __LINE__, #condition);                                   \
            if (reply.status) printf("      last answer: %d %.300s\n", reply.status, reply.body);  \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

/* ---- tokens ---- */

static char path[] = "/tmp/gradd-tokens-XXXXXX";
static const char *const scopes[] = {"read", "compute", "sessions", "admin"};
enum { SCOPES_N = 4 };

/* The tokens of the file, whose first lines they are: one of each scope alone, and one of all scopes for
 * each of two tenants. */
static char alone[SCOPES_N][TOKEN], shop[TOKEN], bank[TOKEN];
static const char all_scopes[] = "read,compute,sessions,admin";

/* Has gradd make a token, and adds its line to the file. */
static void add_token(FILE *file, const char *tenant, const char *some, char out[TOKEN]) {
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

static void make_tokens(void) {
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
static int ask(const struct child *child, const char *token, const char *method, const char *target,
               const char *body) {
    const int fd = dial(child);
    bool ok = say(fd, "%s %s HTTP/1.1\r\nHost: gradd\r\nConnection: close\r\n", method, target);
    if (token) ok = ok && say(fd, "Authorization: Bearer %s\r\n", token);
    ok = ok && say(fd, "Content-Length: %zu\r\n\r\n%s", body ? strlen(body) : 0, body ? body : "");
    const int status = ok ? hear(fd) : 0;
    close(fd);
    return status;
}

static int ask_usual(const char *token, const char *method, const char *target, const char *body) {
    return ask(&usual, token, method, target, body);
}

static bool has_body(const char *method) {
    return strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0;
}

/* A path of the table with something in its places: the first is `first`. */
static const char *fill(const char *pattern, const char *first, char out[PATH]) {
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
    CHECK(ask_usual(alone[1], "BREW", "/v1/gradient", NULL) == 405);
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

/* ---- tenants ---- */

#define GRAPH "{\"graph\":\"y = x ** 2\""

/* What the shop has: a session with all kinds of things, a function, and an operation. */
static bool furnish(char operation[ID]) {
    CHECK(ask_usual(shop, "PUT", "/v1/sessions/shared",
                    "{\"variables\":{\"x\":3.0},\"constants\":{\"c\":1},"
                    "\"optimizer\":{\"name\":\"SGD\"}}") == 201);
    CHECK(ask_usual(shop, "POST", "/v1/sessions/shared/tapes", GRAPH ",\"persistent\":true}") ==
          201);
    CHECK(ask_usual(shop, "PUT", "/v1/functions/shared", GRAPH "}") == 201);
    CHECK(ask_usual(shop, "POST", "/v1/jobs",
                    "{\"method\":\"minimize\",\"request\":" GRAPH
                    ",\"variables\":{\"x\":3},\"optimizer\":{\"name\":\"SGD\"},\"steps\":1}}") ==
          202);
    const char *where = header("Location");
    CHECK(where && sscanf(where, "/v1/operations/%63[0-9a-f]", operation) == 1);
    return true;
}

/* What the bank is told of a thing of the shop's, and of one that nobody has, by the same words. */
static bool sees_no_difference(const struct matrix_row *row, const char *its, const char *nobodys) {
    static char first[BUFFER];
    char target[PATH];
    const char *body = has_body(row->method) ? "{}" : NULL;
    const int status = ask_usual(bank, row->method, fill(row->path, its, target), body);
    const char *detail = status >= 400 ? strstr(reply.body, "\"detail\":") : NULL;
    snprintf(first, sizeof first, "%.*s", detail ? (int)strcspn(detail, "}") : 0,
             detail ? detail : "");
    char *id = strstr(first, ",\"request_id\"");
    if (id) *id = '\0';
    const int other = ask_usual(bank, row->method, fill(row->path, nobodys, target), body);
    bool ok = status == other && status != 0;
    /* The one's id in place of the other's. */
    for (char *at; ok && (at = strstr(first, its)) && strlen(its) == strlen(nobodys);)
        memcpy(at, nobodys, strlen(its));
    ok = ok && (!first[0] || says(first));
    if (!ok)
        printf("      %s %s: %d %s, and else %d %.200s\n", row->method, row->path, status, first,
               other, reply.body);
    return ok;
}

static bool another_tenants_things_are_as_if_they_never_were(void) {
    static char before[BUFFER];
    char operation[ID], target[PATH];
    CHECK(furnish(operation));
    snprintf(target, sizeof target, "/v1/operations/%s", operation);
    CHECK(ask_usual(shop, "GET", "/v1/sessions/shared/export", NULL) == 200);
    strcpy(before, reply.body);
    bool ok = true;
    for (size_t i = 0; i < matrix_rows; i++) {
        const struct matrix_row *row = &matrix[i];
        const bool of_operation = strstr(row->path, "{operation}");
        if (!strchr(row->path, '{')) continue;
        ok = sees_no_difference(row, of_operation ? operation : "shared",
                                of_operation ? "00112233445566778899aabbccddeeff" : "nobody") &&
             ok;
    }
    CHECK(ok);
    CHECK(ask_usual(shop, "GET", "/v1/sessions/shared/export", NULL) == 200);
    CHECK(strcmp(before, reply.body) == 0);
    CHECK(ask_usual(shop, "GET", "/v1/functions/shared", NULL) == 200);
    CHECK(ask_usual(shop, "GET", target, NULL) == 200);
    return true;
}

static bool lists_show_ones_own_alone(void) {
    CHECK(ask_usual(bank, "PUT", "/v1/sessions/banks", "{}") == 201);
    CHECK(ask_usual(shop, "PUT", "/v1/sessions/shops", "{}") == 201);
    CHECK(ask_usual(bank, "GET", "/v1/sessions", NULL) == 200 && says("\"banks\""));
    CHECK(!says("shops"));
    CHECK(ask_usual(shop, "GET", "/v1/sessions", NULL) == 200 && says("\"shops\""));
    CHECK(!says("banks"));
    CHECK(ask_usual(bank, "PUT", "/v1/functions/banks", GRAPH "}") == 201);
    CHECK(ask_usual(shop, "GET", "/v1/functions", NULL) == 200 && !says("banks"));
    CHECK(ask_usual(bank, "GET", "/v1/operations", NULL) == 200 && says("\"operations\":[]"));
    /* Nor does a sentence about one's own give a hint. */
    CHECK(ask_usual(shop, "GET", "/v1/functions/bankz", NULL) == 404 && !says("did you mean"));
    return true;
}

/* ---- tokens that come and go ---- */

/* Reads the tokens again when their file has been written anew, and waits for what that says. */
static bool reload(const struct child *child, const char *probe, int wanted) {
    const int64_t end = now_ms() + 10000 * (int64_t)patience;
    kill(child->pid, SIGHUP);
    while (ask(child, probe, "GET", "/v1/ops", NULL) != wanted) {
        if (now_ms() > end) return false;
        sleep_ms(2);
    }
    return true;
}

static bool copy_file(const char *to, const char *more) {
    char text[4096];
    FILE *in = fopen(path, "r"), *out = fopen(to, "w");
    CHECK(in && out);
    const size_t n = fread(text, 1, sizeof text, in);
    fwrite(text, 1, n, out);
    fputs(more, out);
    fclose(in);
    fclose(out);
    return true;
}

static bool tokens_come_and_go_without_a_restart(void) {
    char other[sizeof path + 8], young[TOKEN];
    snprintf(other, sizeof other, "%s.other", path);
    CHECK(copy_file(other, ""));
    struct child child = start("--tokens", other);
    CHECK(ask(&child, shop, "PUT", "/v1/sessions/kept", "{}") == 201);
    FILE *file = fopen(other, "w");
    CHECK(file);
    add_token(file, "shop", all_scopes, young);
    fclose(file);
    CHECK(ask(&child, young, "GET", "/v1/ops", NULL) == 401);
    CHECK(reload(&child, young, 200));
    CHECK(ask(&child, shop, "GET", "/v1/ops", NULL) == 401);
    CHECK(ask(&child, young, "GET", "/v1/sessions/kept", NULL) == 200);

    /* A broken one changes nothing. It was looked at when what is written behind it is in force. */
    file = fopen(other, "w");
    CHECK(file);
    fputs("token of another form\n", file);
    fclose(file);
    kill(child.pid, SIGHUP);
    char said[LINE * 4];
    size_t n = 0;
    while (n + 1 < sizeof said && read(child.err, said + n, 1) == 1 && said[n] != '\n') n++;
    said[n] = '\0';
    CHECK(strstr(said, "event=tokens_refused") && strstr(said, ".other:1: found"));
    CHECK(ask(&child, young, "GET", "/v1/sessions/kept", NULL) == 200);
    unlink(other);
    return stop(&child);
}

/* ---- quotas ---- */

static bool quotas_are_kept(void) {
    char other[sizeof path + 8];
    snprintf(other, sizeof other, "%s.other", path);
    CHECK(copy_file(other, "tenant shop sessions=2 functions=1 bytes=20k\n"));
    struct child child = start("--tokens", other);
    CHECK(ask(&child, shop, "PUT", "/v1/sessions/a", "{}") == 201);
    CHECK(ask(&child, shop, "PUT", "/v1/sessions/b", "{\"variables\":{\"x\":1}}") == 201);
    CHECK(ask(&child, shop, "PUT", "/v1/sessions/c", "{}") == 429);
    CHECK(says("\"code\":\"quota_exceeded\"") && header("Retry-After"));
    CHECK(says("\"detail\":\"the tenant has 2 sessions; its quota is 2\""));
    CHECK(ask(&child, bank, "PUT", "/v1/sessions/c", "{}") == 201);

    CHECK(ask(&child, shop, "PUT", "/v1/functions/f", GRAPH "}") == 201);
    CHECK(ask(&child, shop, "PUT", "/v1/functions/g", GRAPH "}") == 429);
    CHECK(says("\"detail\":\"the tenant has 1 functions; its quota is 1\""));

    CHECK(ask(&child, shop, "POST", "/v1/sessions/b/execute",
              "{\"graph\":\"y = broadcast_to(x, [4096])\"}") == 200);
    CHECK(ask(&child, shop, "POST", "/v1/sessions/b/execute",
              "{\"graph\":\"z = broadcast_to(x, [4096])\"}") == 429);
    CHECK(says("\"code\":\"quota_exceeded\"") &&
          says(" bytes, and its quota is 20480; this needs"));
    CHECK(ask(&child, shop, "GET", "/v1/sessions/b/variables/x", NULL) == 200);
    CHECK(ask(&child, shop, "DELETE", "/v1/sessions/b/tensors/y", NULL) == 204);
    CHECK(ask(&child, shop, "POST", "/v1/sessions/b/execute",
              "{\"graph\":\"z = broadcast_to(x, [4096])\"}") == 200);
    unlink(other);
    return stop(&child);
}

static bool a_tenant_that_asks_too_often_is_told_when_to_come_again(void) {
    char other[sizeof path + 8];
    snprintf(other, sizeof other, "%s.other", path);
    CHECK(copy_file(other, "tenant shop requests=1\n"));
    struct child child = start("--tokens", other);
    int refused = 0;
    for (int i = 0; i < 100 && !refused; i++)
        refused = ask(&child, shop, "GET", "/v1/ops", NULL) == 429;
    CHECK(refused && says("\"code\":\"too_many_requests\""));
    CHECK(header_is("Retry-After", "1"));
    CHECK(ask(&child, bank, "GET", "/v1/ops", NULL) == 200);
    CHECK(ask(&child, NULL, "GET", "/healthz", NULL) == 200);
    unlink(other);
    return stop(&child);
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
    X(another_tenants_things_are_as_if_they_never_were)                                            \
    X(lists_show_ones_own_alone)                                                                   \
    X(tokens_come_and_go_without_a_restart)                                                        \
    X(quotas_are_kept)                                                                             \
    X(a_tenant_that_asks_too_often_is_told_when_to_come_again)                                     \
    X(refuses_to_start_where_it_is_not_meant)                                                      \
    X(a_new_token_is_shown_apart_from_its_line)

static const struct test tests[] = {TESTS(TEST)};

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s GRADD\n", argv[0]);
        return 2;
    }
    gradd = argv[1];
    const char *factor = getenv("GRADD_TEST_PATIENCE");
    if (factor && atoi(factor) > 0) patience = atoi(factor);
    make_tokens();
    const int code = run_tests(argc, argv, "--tokens", path, tests, sizeof tests / sizeof *tests);
    unlink(path);
    return code;
}

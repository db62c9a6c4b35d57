/* Tenants: what one has is as if it never was to another; quotas; and tokens that come and go. Speaks to a real
 * gradd over plain sockets.
 *
 *     tenants GRADD
 *
 * Prints a line a test, and `N passed, N failed` last. */
#include <dirent.h>

#include "access.h"
#include "server/route.h"

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
static bool sees_no_difference(const char *method, const char *pattern, const char *its,
                               const char *nobodys) {
    static char first[BUFFER];
    char target[PATH];
    const char *body = has_body(method) ? "{}" : NULL;
    const int status = ask_usual(bank, method, fill(pattern, its, target), body);
    const char *detail = status >= 400 ? strstr(reply.body, "\"detail\":") : NULL;
    snprintf(first, sizeof first, "%.*s", detail ? (int)strcspn(detail, "}") : 0,
             detail ? detail : "");
    char *id = strstr(first, ",\"request_id\"");
    if (id) *id = '\0';
    const int other = ask_usual(bank, method, fill(pattern, nobodys, target), body);
    bool ok = status == other && status != 0;
    /* The one's id in place of the other's. */
    for (char *at; ok && (at = strstr(first, its)) && strlen(its) == strlen(nobodys);)
        memcpy(at, nobodys, strlen(its));
    ok = ok && (!first[0] || says(first));
    if (!ok)
        printf("      %s %s: %d %s, and else %d %.200s\n", method, pattern, status, first, other,
               reply.body);
    return ok;
}

/* The same by every method of a route. */
static bool sees_nothing(const struct route *route, const char *operation) {
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    const bool of_operation = strstr(route->path, "{operation}");
    bool ok = true;
    for (size_t i = 0; i < 5 && strchr(route->path, '{'); i++)
        if (route->methods & route_method(methods[i]))
            ok = sees_no_difference(methods[i], route->path, of_operation ? operation : "shared",
                                    of_operation ? "00112233445566778899aabbccddeeff" : "nobody") &&
                 ok;
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
    for (size_t i = 0; i < route_count; i++) ok = sees_nothing(&route_table[i], operation) && ok;
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

/* A POST with a key, which makes a session; its id. */
static bool make_by_key(const char *token, char id[ID]) {
    const int fd = dial(&usual);
    CHECK(say(fd,
              "POST /v1/sessions HTTP/1.1\r\nHost: gradd\r\nAuthorization: Bearer %s\r\n"
              "Idempotency-Key: one-and-the-same\r\nContent-Length: 2\r\n\r\n{}",
              token));
    CHECK(hear(fd) == 201);
    const char *where = header("Location");
    CHECK(where && sscanf(where, "/v1/sessions/%63[0-9a-f]", id) == 1);
    return close(fd) == 0;
}

static bool a_key_is_one_tenants_alone(void) {
    char first[ID], again[ID], others[ID];
    CHECK(make_by_key(shop, first) && make_by_key(shop, again) && make_by_key(bank, others));
    CHECK(strcmp(first, again) == 0 && strcmp(first, others) != 0);
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

/* ---- tenants that are kept ---- */

/* What the session and the function named `same` of a token's tenant say. */
static bool has_its_own(const struct child *child, const char *token, const char *value) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"value\":%s", value);
    CHECK(ask(child, token, "GET", "/v1/sessions/same/variables/x", NULL) == 200 && says(wanted));
    CHECK(ask(child, token, "POST", "/v1/functions/same/evaluate", "{\"variables\":{}}") == 200);
    CHECK(says(wanted));
    return true;
}

static bool keep_one(const struct child *child, const char *token, const char *value) {
    char body[128];
    snprintf(body, sizeof body, "{\"variables\":{\"x\":%s}}", value);
    CHECK(ask(child, token, "PUT", "/v1/sessions/same", body) == 201);
    snprintf(body, sizeof body, "{\"graph\":\"c * 1\",\"constants\":{\"c\":%s}}", value);
    CHECK(ask(child, token, "PUT", "/v1/functions/same", body) == 201);
    return true;
}

/* A directory of files. */
static bool remove_all(const char *directory) {
    char file[PATH];
    DIR *all = opendir(directory);
    CHECK(all);
    for (const struct dirent *entry; (entry = readdir(all));) {
        snprintf(file, sizeof file, "%s/%.100s", directory, entry->d_name);
        unlink(file);
    }
    closedir(all);
    return rmdir(directory) == 0;
}

/* Writes a file of those lines of `path` that are one tenant's. */
static bool keep_lines_of(const char *tenant, const char *to) {
    char line[LINE], name[LINE];
    FILE *in = fopen(path, "r"), *out = fopen(to, "w");
    CHECK(in && out);
    while (fgets(line, sizeof line, in))
        if (sscanf(line, "token %*s %255s", name) == 1 && strcmp(name, tenant) == 0)
            fputs(line, out);
    fclose(in);
    fclose(out);
    return true;
}

static bool tenants_stay_apart_in_the_store_and_come_back(void) {
    char other[sizeof path + 8], directory[] = "/tmp/gradd-tenants-XXXXXX";
    CHECK(mkdtemp(directory));
    setenv("GRADD_DATA_DIR", directory, 1);
    snprintf(other, sizeof other, "%s.other", path);
    CHECK(copy_file(other, ""));
    struct child child = start("--tokens", other);
    CHECK(keep_one(&child, shop, "1.0") && keep_one(&child, bank, "2.0"));
    CHECK(stop(&child));
    child = start("--tokens", other);
    CHECK(has_its_own(&child, shop, "1.0") && has_its_own(&child, bank, "2.0"));
    CHECK(stop(&child));

    /* A tenant that no token names is kept, out of reach, until one does. */
    CHECK(keep_lines_of("shop", other));
    child = start("--tokens", other);
    CHECK(ask(&child, bank, "GET", "/v1/sessions/same", NULL) == 401);
    CHECK(has_its_own(&child, shop, "1.0"));
    CHECK(copy_file(other, "tenant bank sessions=1\n"));
    CHECK(reload(&child, bank, 200));
    CHECK(has_its_own(&child, bank, "2.0"));
    CHECK(ask(&child, bank, "PUT", "/v1/sessions/more", "{}") == 429);
    const bool ok = stop(&child);
    unsetenv("GRADD_DATA_DIR");
    unlink(other);
    return ok && remove_all(directory);
}

/* ---- quotas ---- */

#define JOB                                                                                        \
    "{\"method\":\"minimize\",\"request\":{\"graph\":\"x ** 2\",\"steps\":1,"                      \
    "\"optimizer\":{\"name\":\"SGD\"}}}"

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

    /* A job works on a copy, for which there is no room either. */
    CHECK(ask(&child, shop, "POST", "/v1/sessions/b/jobs", JOB) == 429);
    CHECK(says("\"code\":\"quota_exceeded\"") && says("its quota is 20480; this needs more"));
    CHECK(ask(&child, shop, "DELETE", "/v1/sessions/b/tensors/z", NULL) == 204);
    for (int i = 0; i < 20; i++) { /* each pays back what it has paid */
        char id[80], waits[120];
        CHECK(ask(&child, shop, "POST", "/v1/sessions/b/jobs", JOB) == 202);
        const char *at = strstr(reply.body, "operations/");
        CHECK(at && sscanf(at, "%79[^\"]", id) == 1);
        snprintf(waits, sizeof waits, "/v1/%s?wait=10", id);
        CHECK(ask(&child, shop, "GET", waits, NULL) == 200 && says("\"done\":true"));
    }
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

/* ---- all of them ---- */

#define TESTS(X)                                                                                   \
    X(another_tenants_things_are_as_if_they_never_were)                                            \
    X(lists_show_ones_own_alone)                                                                   \
    X(a_key_is_one_tenants_alone)                                                                  \
    X(tokens_come_and_go_without_a_restart)                                                        \
    X(tenants_stay_apart_in_the_store_and_come_back)                                               \
    X(quotas_are_kept)                                                                             \
    X(a_tenant_that_asks_too_often_is_told_when_to_come_again)

static const struct test tests[] = {TESTS(TEST)};

int main(int argc, char **argv) {
    return run_with_tokens(argc, argv, tests, sizeof tests / sizeof *tests);
}

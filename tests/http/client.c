/* The C client, against a real gradd and against a server that misbehaves. Knows nothing of the client's
 * insides.
 *
 *     client GRADD
 *
 * Prints a line a test, and `N passed, N failed` last; see wire.c. */
#include "client_tests.h"

#include <math.h>
#include <pthread.h>

#include "tests/torture/failing.h"
#include "wire.h"

static struct gradd_client *fresh(void) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", usual.port);
    return gradd_client_new(&(struct gradd_options){.url = url}, NULL);
}

static bool makes_every_call(void) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", usual.port);
    return client_makes_every_call(url);
}

/* ---- values ------------------------------------------------------------------------------------ */

/* x * 1 is x, bit for bit, however it is sent and whatever form it is answered in. */
static bool brings_back(const struct gradd_tensor *sent, const char *format) {
    struct gradd_client *c = fresh();
    struct gradd_tensor got;
    const struct gradd_binding x[] = {{.name = "x", .value = *sent}, {0}};
    struct gradd_answer *a =
        gradd_evaluate(c, &(struct gradd_request){.graph = "x", .constants = x, .format = format});
    EXPECT(gradd_answer_tensor(a, "/value", &got));
    EXPECT(got.rank == sent->rank && gradd_count(&got) == gradd_count(sent));
    for (int i = 0; i < got.rank; i++) EXPECT(got.shape[i] == sent->shape[i]);
    const bool typed = strcmp(format, "nested") != 0;
    EXPECT(!typed || got.dtype == sent->dtype);
    const size_t size = sent->dtype == GRADD_FLOAT64 || sent->dtype == GRADD_INT64 ? 8
                        : sent->dtype == GRADD_BOOL                                ? 1
                                                                                   : 4;
    EXPECT(!typed || memcmp(got.data, sent->data, size * (size_t)gradd_count(sent)) == 0);
    gradd_answer_free(a);
    gradd_client_free(c);
    return true;
}

static bool sends_and_reads_tensors_bit_for_bit(void) {
    static const char *const formats[] = {"nested", "typed", "base64"};
    static const int64_t wholes[] = {INT64_MAX, INT64_MIN, 9007199254740993, 0, -1, 7};
    static const int32_t smaller[] = {INT32_MAX, INT32_MIN, 0};
    static const unsigned char truths[] = {1, 0};
    static const double infinite[] = {INFINITY, -INFINITY};
    double large[60];
    float less[4] = {0.1F, -0.0F, 3.4e38F, 1e-45F};
    for (int i = 0; i < 60; i++) large[i] = exp(i * 20.0 - 600);
    large[7] = -0.0, large[8] = (double)INFINITY, large[9] = 5e-324;
    const struct gradd_tensor tensors[] = {
        {.dtype = GRADD_INT64, .rank = 2, .shape = {2, 3}, .data = wholes},
        {.dtype = GRADD_INT32, .rank = 1, .shape = {3}, .data = smaller},
        {.dtype = GRADD_BOOL, .rank = 1, .shape = {2}, .data = truths},
        {.dtype = GRADD_FLOAT64, .rank = 3, .shape = {3, 4, 5}, .data = large},
        {.dtype = GRADD_FLOAT32, .rank = 1, .shape = {4}, .data = less},
        {.dtype = GRADD_FLOAT64, .rank = 1, .shape = {2}, .data = infinite},
        {.dtype = GRADD_FLOAT64, .rank = 0, .data = large}};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        for (size_t k = 0; k < 3; k++) EXPECT(brings_back(&tensors[i], formats[k]));
    return true;
}

static bool finds_values_by_pointer(void) {
    struct gradd_client *c = fresh();
    static const double x[] = {1, 2, 3};
    const struct gradd_binding v[] = {{.name = "x", .value = {.rank = 1, .shape = {3}, .data = x}},
                                      {.name = "k", .value = {.number = NAN}, .fixed = true},
                                      {0}};
    struct gradd_answer *a = gradd_gradient(
        c, &(struct gradd_request){.graph = "y = reduce_sum(x * x)",
                                   .variables = v,
                                   .extra = "{\"sources\": {\"a/b~\": \"x\", \"n\": \"k\"}}"});
    double g[3], last = 0;
    int64_t whole;
    EXPECT(gradd_answer_status(a) == GRADD_OK && gradd_answer_kind(a, "") == GRADD_OBJECT);
    EXPECT(gradd_answer_kind(a, "/gradient") == GRADD_OBJECT &&
           gradd_answer_length(a, "/gradient") == 2);
    EXPECT(strcmp(gradd_answer_key(a, "/gradient", 0), "a/b~") == 0);
    EXPECT(!gradd_answer_key(a, "/gradient", 2));
    EXPECT(gradd_answer_kind(a, "/gradient/a~1b~0") == GRADD_ARRAY);
    EXPECT(gradd_answer_doubles(a, "/gradient/a~1b~0", g, 3) && g[0] == 2 && g[2] == 6);
    EXPECT(gradd_answer_double(a, "/gradient/a~1b~0/2", &last) && last == 6);
    EXPECT(!gradd_answer_double(a, "/gradient/a~1b~0/3", &last));
    EXPECT(!gradd_answer_double(a, "/gradient/a~1b~0", &last));
    EXPECT(!gradd_answer_doubles(a, "/gradient/a~1b~0", g, 2));
    EXPECT(gradd_answer_kind(a, "/gradient/n") == GRADD_NULL);
    EXPECT(!gradd_answer_double(a, "/gradient/n", &last));
    EXPECT(gradd_answer_kind(a, "/gradient/none") == GRADD_ABSENT);
    EXPECT(gradd_answer_kind(a, "gradient") == GRADD_ABSENT);
    EXPECT(!gradd_answer_int(a, "/value", &whole) && !gradd_answer_string(a, "/value"));
    gradd_answer_free(a);
    gradd_client_free(c);
    return true;
}

static bool tells_of_a_problem_and_its_place(void) {
    struct gradd_client *c = fresh();
    struct gradd_answer *a = gradd_evaluate(c, &(struct gradd_request){.graph = "y = 1\nz = 2 +"});
    const struct gradd_problem *p = gradd_answer_problem(a);
    EXPECT(gradd_answer_status(a) == GRADD_REFUSED && p->status == 400);
    EXPECT(strcmp(p->code, "syntax_error") == 0 && strcmp(p->pointer, "/graph") == 0);
    EXPECT(p->line == 2 && p->column > 1 && *p->detail);
    EXPECT(strcmp(p->request_id, gradd_answer_header(a, "x-request-id")) == 0);
    gradd_answer_free(a);
    EXPECT(gradd_answer_status(NULL) == GRADD_OUT_OF_MEMORY && *gradd_answer_problem(NULL)->detail);
    EXPECT(gradd_answer_kind(NULL, "") == GRADD_ABSENT && !*gradd_answer_text(NULL, NULL));
    gradd_client_free(c);
    return true;
}

static bool refuses_options_that_make_no_sense(void) {
    const char *why = NULL;
    EXPECT(!gradd_client_new(&(struct gradd_options){.url = "ftp://gradd"}, &why) && why);
    EXPECT(!gradd_client_new(&(struct gradd_options){.url = "unix:"}, &why));
    EXPECT(!gradd_client_new(&(struct gradd_options){.url = "http://gradd/?a"}, &why));
    EXPECT(!gradd_client_new(&(struct gradd_options){.url = "http://gradd#a"}, &why));
    EXPECT(!gradd_client_new(&(struct gradd_options){.token_file = "/nowhere/token"}, &why));
    EXPECT(!gradd_client_new(&(struct gradd_options){.token = "two\r\nlines"}, &why));
    struct gradd_client *c =
        gradd_client_new(&(struct gradd_options){.url = "http://127.0.0.1:1", .tries = 1}, &why);
    struct gradd_answer *a = gradd_version(c);
    EXPECT(!why && gradd_answer_status(a) == GRADD_NO_CONNECTION);
    gradd_answer_free(a);
    gradd_client_free(c);
    return true;
}

/* ---- ways to a server -------------------------------------------------------------------------- */

static char directory[] = "/tmp/gradd-client.XXXXXX";

static const char *at(const char *name) {
    static char paths[4][64];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* What becomes of one call of a client of these options. */
static enum gradd_status ends(struct gradd_options options) {
    struct gradd_client *c = gradd_client_new(&options, NULL);
    struct gradd_answer *a = gradd_stats(c);
    const enum gradd_status status = c ? gradd_answer_status(a) : GRADD_INVALID;
    gradd_answer_free(a);
    gradd_client_free(c);
    return status;
}

static bool reaches_a_unix_socket_with_a_token_of_a_file(void) {
    char url[80];
    snprintf(url, sizeof url, "unix:%s", at("socket"));
    const char tokens[] = TEST_DATA "access.tokens";
    const char *arguments[] = {"--listen", url, "--tokens", tokens, "--log-level", "error", NULL};
    struct child child = spawn(arguments);
    FILE *file = fopen(at("token"), "we");
    EXPECT(get_ready(&child) && file);
    EXPECT(fwrite("gradd_1\0\n", 1, 9, file) == 9 && fflush(file) == 0);
    EXPECT(ends((struct gradd_options){.url = url, .token_file = at("token")}) == GRADD_INVALID);
    rewind(file);
    fputs("gradd_11111111111111111111111111111111\nanother line\n", file);
    EXPECT(fclose(file) == 0);
    EXPECT(ends((struct gradd_options){.url = url, .token_file = at("token")}) == GRADD_OK);
    EXPECT(ends((struct gradd_options){.url = url}) == GRADD_REFUSED);
    EXPECT(unlink(at("token")) == 0);
    return stop(&child);
}

/* One certificate is everybody's, and its own authority. */
static bool speaks_tls_with_whom_it_trusts(void) {
    char command[512], url[64];
    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null",
        at("key"), at("pem"));
    /* NOLINTNEXTLINE(cert-env33-c): the command is the one above */
    EXPECT(system(command) == 0);
    const char *arguments[] = {"--listen", "127.0.0.1:0",     "--tls-cert", at("pem"), "--tls-key",
                               at("key"),  "--tls-client-ca", at("pem"),    NULL};
    struct child child = spawn(arguments);
    EXPECT(get_ready(&child));
    snprintf(url, sizeof url, "https://127.0.0.1:%d", child.port);
    struct gradd_options o = {.url = url,
                              .ca_file = at("pem"),
                              .cert_file = at("pem"),
                              .key_file = at("key"),
                              .tries = 1};
    EXPECT(ends(o) == GRADD_OK);
    o.ca_file = NULL;
    EXPECT(ends(o) == GRADD_TLS);
    o.ca_file = o.cert_file, o.cert_file = o.key_file = NULL;
    EXPECT(ends(o) != GRADD_OK);
    EXPECT(unlink(at("pem")) == 0 && unlink(at("key")) == 0);
    return stop(&child);
}

/* ---- runs -------------------------------------------------------------------------------------- */

static int stop_third(void *context, const struct gradd_progress *progress) {
    int *seen = context;
    (*seen)++;
    return progress->step >= 2;
}

static bool hears_progress_and_may_stop_it(void) {
    struct gradd_client *c = fresh();
    static const struct gradd_binding x[] = {{.name = "x", .value = {.number = 1}}, {0}};
    int seen = 0;
    struct gradd_request r = {.graph = "y = x ** 2",
                              .variables = x,
                              .steps = 1000000,
                              .record_every = 1,
                              .optimizer = "SGD",
                              .progress = stop_third,
                              .context = &seen};
    struct gradd_answer *a = gradd_minimize(c, &r);
    EXPECT(gradd_answer_status(a) == GRADD_STOPPED && seen == 3);
    gradd_answer_free(a);
    r.steps = 2, seen = 0;
    a = gradd_minimize(c, &r);
    int64_t steps;
    EXPECT(gradd_answer_int(a, "/steps", &steps) && steps == 2 && seen == 2);
    gradd_answer_free(a);
    gradd_client_free(c);
    return true;
}

enum { THREADS = 8, ROUNDS = 25 };

static void *add_up(void *client) {
    static const struct gradd_binding one[] = {{.name = "x", .value = {.number = 1}}, {0}};
    for (int i = 0; i < ROUNDS; i++) {
        double g = 0;
        struct gradd_answer *a = gradd_gradient(client, &first_request);
        const bool right = gradd_answer_double(a, "/gradient/x2", &g) && g == 42;
        gradd_answer_free(a);
        a = gradd_variable_assign_add(client, "sum", one, NULL);
        const bool added = gradd_answer_status(a) == GRADD_OK;
        gradd_answer_free(a);
        if (!right || !added) return client;
    }
    return NULL;
}

static bool serves_many_threads_at_once(void) {
    struct gradd_client *c = fresh();
    static const struct gradd_binding zero[] = {{.name = "x"}, {0}};
    pthread_t threads[THREADS];
    void *failed;
    double sum;
    SUCCEEDS(gradd_session_put(c, "sum", &(struct gradd_request){.variables = zero}));
    for (int i = 0; i < THREADS; i++) EXPECT(pthread_create(&threads[i], NULL, add_up, c) == 0);
    bool all = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        all = all && !failed;
    }
    struct gradd_answer *a = gradd_variable_get(c, "sum", "x");
    EXPECT(all && gradd_answer_double(a, "/value", &sum) && sum == THREADS * ROUNDS);
    gradd_answer_free(a);
    gradd_client_free(c);
    return true;
}

/* Asks once, with a client of its own. */
static enum gradd_status ask_once(double *g) {
    struct gradd_client *c = fresh();
    static const float x[20] = {1};
    static const struct gradd_binding v[] = {
        {.name = "x", .value = {.dtype = GRADD_FLOAT32, .rank = 1, .shape = {20}, .data = x}}, {0}};
    struct gradd_answer *a =
        c ? gradd_gradient(c, &(struct gradd_request){.graph = "reduce_sum(x)", .variables = v})
          : NULL;
    double all[20];
    enum gradd_status status = gradd_answer_status(a);
    if (status == GRADD_OK && !gradd_answer_doubles(a, "/gradient/x", all, 20))
        status = GRADD_OUT_OF_MEMORY;
    if (status == GRADD_OK) *g = all[19];
    gradd_answer_free(a);
    gradd_client_free(c);
    return status;
}

/* Each allocation of the client fails in turn; those of libcurl are its own. */
static bool says_that_it_has_no_memory(void) {
    for (long i = 0;; i++) {
        bool failed;
        double g = 0;
        failing_arm(i);
        const enum gradd_status status = ask_once(&g);
        failing_count(&failed);
        if (!failed) {
            EXPECT(i > 5 && status == GRADD_OK && g == 1);
            return true;
        }
        EXPECT(status == GRADD_OUT_OF_MEMORY);
    }
}

#define TESTS(X)                                                                                   \
    X(makes_every_call)                                                                            \
    X(sends_and_reads_tensors_bit_for_bit)                                                         \
    X(finds_values_by_pointer)                                                                     \
    X(tells_of_a_problem_and_its_place)                                                            \
    X(refuses_options_that_make_no_sense)                                                          \
    X(reaches_a_unix_socket_with_a_token_of_a_file)                                                \
    X(speaks_tls_with_whom_it_trusts)                                                              \
    X(hears_progress_and_may_stop_it)                                                              \
    X(serves_many_threads_at_once)                                                                 \
    X(says_that_it_has_no_memory)                                                                  \
    X(client_tries_again_when_told_to_come_later)                                                  \
    X(client_tries_again_with_its_key_where_a_connection_broke)                                    \
    X(client_takes_no_key_where_it_needs_none)                                                     \
    X(client_runs_once_what_has_no_key_where_a_kept_connection_broke)                              \
    X(client_does_not_try_again_what_time_does_not_help)                                           \
    X(client_tries_a_stream_that_only_computes_once)                                               \
    X(client_has_the_end_of_a_stream_that_broke)                                                   \
    X(client_needs_no_more_of_a_stream_than_its_end)                                               \
    X(client_follows_an_operation_from_where_it_was)                                               \
    X(client_gives_up_on_what_stays_silent)                                                        \
    X(client_takes_no_answer_for_gradds_that_is_none)                                              \
    X(client_takes_no_answer_longer_than_it_may_be)                                                \
    X(client_sends_token_and_etag_and_escapes_names)

int main(int argc, char **argv) {
    static const struct test tests[] = {TESTS(TEST)};
    if (!mkdtemp(directory)) return 1;
    const int code = run_tests(argc, argv, "--workers", "2", tests, sizeof tests / sizeof *tests);
    return rmdir(directory) == 0 ? code : 1;
}

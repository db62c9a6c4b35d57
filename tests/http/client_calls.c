/* Every call of the client, made once against a real gradd; which routes that reached is read out of its
 * counters and compared with its table. */
#include <stdlib.h>
#include <string.h>

#include "client_tests.h"
#include "server/route.h"

#define BINDINGS(...) ((const struct gradd_binding[]){__VA_ARGS__, {0}})
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SGD "{\"name\":\"SGD\",\"learning_rate\":0.1}"

static const struct gradd_binding x_and_y[] = {
    {.name = "x1", .value = {.number = 2}}, {.name = "x2", .value = {.number = 3}}, {0}};

const struct gradd_request first_request = {.graph = "z = (x1 + 5) * x2 ** 2",
                                            .variables = x_and_y};

static const double times[] = {0, 1, 2, 3}, seen[] = {2, 1.2, 0.7, 0.45};
static const struct gradd_binding data[] = {
    {.name = "t", .value = {.rank = 1, .shape = {4}, .data = times}},
    {.name = "y", .value = {.rank = 1, .shape = {4}, .data = seen}},
    {0}};
static const struct gradd_binding starts[] = {
    {.name = "a", .value = {.number = 1}}, {.name = "b", .value = {.number = 1}}, {0}};
static const struct gradd_binding slope[] = {{.name = "x1", .value = {.number = 1}}, {0}};
static const struct gradd_tensor one = {.number = 1};

/* The same again, of a function where it is named. */
static bool computes(struct gradd_client *c, const char *function) {
    struct gradd_request r = first_request;
    r.function = function;
    if (function) r.graph = NULL;
    SUCCEEDS(gradd_evaluate(c, &r));
    SUCCEEDS(gradd_gradient(c, &r));
    SUCCEEDS(gradd_jacobian(c, &r));
    SUCCEEDS(gradd_hessian(c, &r));
    SUCCEEDS(gradd_check(c, &r));
    r.tangents = slope;
    SUCCEEDS(gradd_jvp(c, &r));
    r.tangents = NULL, r.vector = slope;
    SUCCEEDS(gradd_hvp(c, &r));
    r.vector = NULL, r.cotangents = &one;
    SUCCEEDS(gradd_vjp(c, &r));
    return true;
}

static bool fits(struct gradd_client *c, const char *minimized, const char *fitted) {
    struct gradd_request m = {.function = minimized,
                              .graph = minimized ? NULL : "z = (x1 + 5) ** 2 + x2 ** 2",
                              .variables = x_and_y,
                              .steps = 3,
                              .optimizer = SGD};
    struct gradd_request l = {.function = fitted,
                              .graph = fitted ? NULL : "r = a * exp(-b * t) - y",
                              .variables = starts,
                              .constants = fitted ? NULL : data};
    SUCCEEDS(gradd_minimize(c, &m));
    SUCCEEDS(gradd_least_squares(c, &l));
    return true;
}

static bool functions(struct gradd_client *c) {
    SUCCEEDS(gradd_function_put(c, "bowl", &(struct gradd_request){.graph = first_request.graph}));
    SUCCEEDS(gradd_function_put(
        c, "decay",
        &(struct gradd_request){.graph = "r = a * exp(-b * t) - y", .constants = data}));
    SUCCEEDS(gradd_function_get(c, "bowl"));
    SUCCEEDS(gradd_functions(c, &(struct gradd_page){.limit = 1}));
    EXPECT(computes(c, "bowl") && fits(c, "bowl", "decay"));
    SUCCEEDS(gradd_function_delete(c, "decay"));
    return true;
}

static bool sessions(struct gradd_client *c) {
    const struct gradd_request r = {.variables = x_and_y,
                                    .constants = slope,
                                    .optimizer = SGD,
                                    .extra = " {\"labels\": {\"team\": \"a\"}} "};
    struct gradd_request other = r;
    other.constants = BINDINGS({.name = "c", .value = {.number = 5}});
    struct gradd_answer *made = gradd_session_create(c, &other);
    const char *id = gradd_answer_string(made, "/id");
    EXPECT(id && gradd_answer_header(made, "Location"));
    SUCCEEDS(gradd_session_get(c, id));
    SUCCEEDS(gradd_session_patch(c, id, "{\"ttl_seconds\": 60}"));
    SUCCEEDS(gradd_session_clone(c, id));
    SUCCEEDS(gradd_sessions(c, &(struct gradd_page){.label = "team:a"}));
    struct gradd_answer *whole = gradd_session_export(c, id);
    SUCCEEDS(gradd_session_import(c, gradd_answer_text(whole, NULL)));
    gradd_answer_free(whole);
    SUCCEEDS(gradd_session_delete(c, id));
    gradd_answer_free(made);
    SUCCEEDS(gradd_session_put(c, "s", &other));
    return true;
}

static bool holdings(struct gradd_client *c) {
    const struct gradd_binding *v = BINDINGS({.name = "v", .value = {.number = 1}, .fixed = true});
    bool trainable = true;
    struct gradd_answer *put = gradd_variable_put(c, "s", v, NULL);
    EXPECT(gradd_answer_bool(put, "/trainable", &trainable) && !trainable);
    const char *tag = gradd_answer_header(put, "ETag");
    SUCCEEDS(gradd_variable_assign(c, "s", v, tag));
    struct gradd_answer *stale = gradd_variable_assign_add(c, "s", v, tag);
    EXPECT(strcmp(gradd_answer_problem(stale)->code, "precondition_failed") == 0);
    gradd_answer_free(stale);
    gradd_answer_free(put);
    SUCCEEDS(gradd_variable_assign_add(c, "s", v, NULL));
    SUCCEEDS(gradd_variable_assign_sub(c, "s", v, NULL));
    SUCCEEDS(gradd_variables(c, "s"));
    SUCCEEDS(gradd_variables_put(c, "s", x_and_y, NULL));
    SUCCEEDS(gradd_variable_get(c, "s", "v"));
    SUCCEEDS(gradd_variable_delete(c, "s", "v", NULL));
    SUCCEEDS(gradd_constant_put(
        c, "s", BINDINGS({.name = "k", .value = {.rank = 1, .shape = {4}, .data = times}}), NULL));
    SUCCEEDS(gradd_constants(c, "s"));
    SUCCEEDS(gradd_constant_get(c, "s", "k"));
    SUCCEEDS(gradd_constant_delete(c, "s", "k", NULL));
    SUCCEEDS(gradd_execute(c, "s", &(struct gradd_request){.graph = "w = x1 * x2"}));
    SUCCEEDS(gradd_tensors(c, "s"));
    SUCCEEDS(gradd_tensor_get(c, "s", "w"));
    SUCCEEDS(gradd_tensor_delete(c, "s", "w", NULL));
    return true;
}

static bool tapes(struct gradd_client *c) {
    struct gradd_request r = {.graph = "z = (x1 + 5) * x2 ** 2", .persistent = true};
    struct gradd_answer *opened = gradd_tape_open(c, "s", &r);
    const char *t = gradd_answer_string(opened, "/tape");
    double g[2];
    const struct gradd_request q = {.target = "z", .sources = NAMES("x1", "x2")};
    struct gradd_answer *gradient = gradd_tape_gradient(c, "s", t, &q);
    EXPECT(gradd_answer_double(gradient, "/gradient/0", &g[0]) && g[0] == 9);
    EXPECT(gradd_answer_doubles(gradient, "/gradient", g, 2) && g[1] == 42);
    gradd_answer_free(gradient);
    SUCCEEDS(gradd_tape_jacobian(c, "s", t, &q));
    SUCCEEDS(gradd_tapes(c, "s"));
    SUCCEEDS(gradd_tape_get(c, "s", t));
    SUCCEEDS(gradd_tape_resume(c, "s", t));
    SUCCEEDS(gradd_tape_watch(c, "s", t, &(struct gradd_request){.watch = NAMES("c")}));
    SUCCEEDS(gradd_execute(
        c, "s", &(struct gradd_request){.graph = "rows = broadcast_to(x1, [2, 3]) * 2"}));
    SUCCEEDS(gradd_tape_reset(c, "s", t));
    SUCCEEDS(gradd_tape_stop(c, "s", t));
    SUCCEEDS(gradd_tape_delete(c, "s", t));
    gradd_answer_free(opened);
    r = (struct gradd_request){.mode = "forward", .tangents = slope, .graph = first_request.graph};
    opened = gradd_tape_open(c, "s", &r);
    t = gradd_answer_string(opened, "/tape");
    SUCCEEDS(gradd_tape_jvp(c, "s", t, &(struct gradd_request){.target = "z"}));
    gradd_answer_free(opened);
    SUCCEEDS(gradd_constant_put(c, "s", BINDINGS({.name = "m", .json = "[[1.0, 2.0], [3.0, 4.0]]"}),
                                NULL));
    r = (struct gradd_request){.watch = NAMES("m"), .graph = "y = m * x1"};
    opened = gradd_tape_open(c, "s", &r);
    t = gradd_answer_string(opened, "/tape");
    SUCCEEDS(gradd_tape_batch_jacobian(c, "s", t,
                                       &(struct gradd_request){.target = "y", .source = "m"}));
    gradd_answer_free(opened);
    return true;
}

static bool optimizes(struct gradd_client *c) {
    SUCCEEDS(gradd_optimizer_put(c, "s", "{\"name\":\"SGD\",\"learning_rate\":0.1}"));
    SUCCEEDS(gradd_optimizer_patch(c, "s", "{\"learning_rate\":0.2}"));
    const struct gradd_request r = {.gradients = BINDINGS({.name = "x1", .value = {.number = 9}},
                                                          {.name = "x2", .json = "null"})};
    struct gradd_answer *applied = gradd_apply_gradients(c, "s", &r);
    int64_t iterations;
    EXPECT(gradd_answer_int(applied, "/iterations", &iterations) && iterations == 1);
    gradd_answer_free(applied);
    SUCCEEDS(gradd_optimizer_get(c, "s", true));
    struct gradd_request m = {.session = "s", .graph = "y = x1 ** 2", .steps = 2};
    SUCCEEDS(gradd_minimize(c, &m));
    SUCCEEDS(gradd_optimizer_delete(c, "s"));
    m = (struct gradd_request){.session = "s", .graph = "r = [x1 - 1, x1 + 1]"};
    SUCCEEDS(gradd_least_squares(c, &m));
    return true;
}

static bool jobs(struct gradd_client *c) {
    struct gradd_request m = {
        .graph = "y = x1 ** 2", .variables = slope, .steps = 2, .optimizer = SGD};
    struct gradd_answer *job = gradd_job(c, "minimize", &m);
    const char *name = gradd_answer_string(job, "/name");
    SUCCEEDS(gradd_operation_follow(c, name, NULL, NULL));
    struct gradd_answer *done = gradd_operation_get(c, name, 30);
    bool is_done = false;
    EXPECT(gradd_answer_bool(done, "/done", &is_done) && is_done);
    gradd_answer_free(done);
    SUCCEEDS(gradd_operations(c, NULL));
    SUCCEEDS(gradd_operation_delete(c, name));
    gradd_answer_free(job);
    m.session = "s", m.variables = NULL;
    SUCCEEDS(gradd_job(c, "minimize", &m));
    return true;
}

static bool service(struct gradd_client *c) {
    SUCCEEDS(gradd_ops(c));
    SUCCEEDS(gradd_optimizers(c));
    SUCCEEDS(gradd_schedules(c));
    SUCCEEDS(gradd_schedule_evaluate(c, "{\"schedule\":{\"name\":\"CosineDecay\","
                                        "\"initial_learning_rate\":0.1,\"decay_steps\":10},"
                                        "\"steps\":[0,5]}"));
    SUCCEEDS(gradd_limits(c));
    SUCCEEDS(gradd_problems(c));
    SUCCEEDS(gradd_stats(c));
    SUCCEEDS(gradd_health(c));
    SUCCEEDS(gradd_ready(c));
    SUCCEEDS(gradd_version(c));
    SUCCEEDS(gradd_openapi(c));
    SUCCEEDS(gradd_metrics(c));
    /* What is for an address bar has no function of its own. */
    static const char *const whats[] = {"gradient", "evaluate", "hessian"};
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/%s?graph=x**2&x=3", whats[i]);
        SUCCEEDS(gradd_call(c, "GET", path, NULL, NULL));
    }
    return true;
}

/* Pages are for people. */
static bool is_page(const char *path) {
    return strcmp(path, "/") == 0 || strncmp(path, "/docs", 5) == 0;
}

static bool was_reached(const char *metrics, const char *method, const struct route *route) {
    char sample[256];
    snprintf(sample, sizeof sample, "gradd_http_requests_total{route=\"%s\",method=\"%s\",code=\"2",
             route->path, method);
    if (is_page(route->path) || strstr(metrics, sample)) return true;
    printf("      no call succeeds with %s %s\n", method, route->path);
    return false;
}

static bool every_route_was_reached(struct gradd_client *c) {
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct gradd_answer *metrics = gradd_metrics(c);
    const char *text = gradd_answer_text(metrics, NULL);
    bool all = strstr(text, "gradd_http_requests_total{");
    for (size_t i = 0; i < route_count; i++)
        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++)
            if (route_table[i].methods & route_method(methods[k]))
                all = was_reached(text, methods[k], &route_table[i]) && all;
    gradd_answer_free(metrics);
    return all;
}

bool client_makes_every_call(const char *url) {
    struct gradd_client *c = gradd_client_new(&(struct gradd_options){.url = url}, NULL);
    const bool ok = c && computes(c, NULL) && fits(c, NULL, NULL) && functions(c) && sessions(c) &&
                    holdings(c) && tapes(c) && optimizes(c) && jobs(c) && service(c) &&
                    every_route_was_reached(c);
    gradd_client_free(c);
    return ok;
}

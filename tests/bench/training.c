/* Training in one request: 100 steps of gradient descent, and an epoch of scikit-learn's digits. Prints a line for
 * each measurement, its name and the median of its seconds, for tests/bench/training, which puts JAX's and
 * TensorFlow's beside them; fails on a wrong answer, never on a time.
 *
 *     training PROGRAM [ARGUMENT...]       the server that answers over a connection */
#include <math.h>

#include "api/service.h"
#include "server.h"
#include "tests/bench/digits.h"

enum { ROUNDS = 21, ANSWER = 1 << 22 };

static double median(double s[ROUNDS]) {
    qsort(s, ROUNDS, sizeof *s, compare_doubles);
    return s[ROUNDS / 2];
}

static void report(const char *name, double seconds) { printf("%s %.9f\n", name, seconds); }

/* ---- asked directly ---- */

static struct plan_cache *plans;

/* The answer in the writer, which the caller frees. */
static struct writer ask(service_function service, const char *body) {
    struct error error;
    struct writer out;
    const struct service_call call = {.plans = plans,
                                      .limits = &service_limits_default,
                                      .seed = 1,
                                      .body = body,
                                      .body_length = strlen(body)};
    error_clear(&error);
    writer_init(&out, ANSWER);
    if (!service(&call, &out, &error)) die(error.detail);
    write_bytes(&out, "", 1);
    return out;
}

/* Seconds of a call, over so many of them. */
static double seconds(service_function service, const char *body, int calls) {
    const double begun = now_ms();
    for (int i = 0; i < calls; i++) {
        struct writer out = ask(service, body);
        writer_free(&out);
    }
    return (now_ms() - begun) / 1e3 / calls;
}

static double inside(service_function service, const char *body, int calls) {
    double s[ROUNDS];
    seconds(service, body, calls);
    for (int i = 0; i < ROUNDS; i++) s[i] = seconds(service, body, calls);
    return median(s);
}

/* ---- 100 steps of gradient descent ---- */

#define BOWL "\"graph\":\"y = 3 * x ** 2 + 2 * x - 1\",\"variables\":{\"x\":0.0}"
static const char gradient[] = "{" BOWL "}";
#define STEPS(n)                                                                                   \
    "{" BOWL ",\"loss\":\"y\",\"steps\":" n                                                        \
    ",\"optimizer\":{\"name\":\"SGD\",\"learning_rate\":0.1}}"
static const char minimize[] = STEPS("100"), one_step[] = STEPS("1");

static void expect(const char *found, const char *wanted) {
    if (strstr(found, wanted)) return;
    fprintf(stderr, "%s\n", found);
    die("an answer is wrong");
}

static void bowl_inside(void) {
    enum { CALLS = 2000 };
    struct writer out = ask(service_minimize, minimize);
    expect(out.data, "\"variables\":{\"x\":-0.3333333}");
    writer_free(&out);
    const double all = inside(service_minimize, minimize, CALLS),
                 one = inside(service_minimize, one_step, CALLS);
    report("bowl", all);
    report("bowl_steps", (all - one) * 100 / 99);
    report("gradient", inside(service_gradient, gradient, CALLS));
}

/* One request and its answer on a connection that stays open. */
static const char *post(int fd, const char *path, const char *body) {
    static char text[1 << 16];
    const int n =
        snprintf(text, sizeof text,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 path, strlen(body), body);
    if (write(fd, text, (size_t)n) != n) die("a request was not taken whole");
    size_t have = 0, all = 0;
    const char *end = NULL;
    while (!end || have < all) {
        const ssize_t got = read(fd, text + have, sizeof text - 1 - have);
        if (got <= 0) die("the server closed a connection");
        have += (size_t)got;
        text[have] = '\0';
        if (end || !(end = strstr(text, "\r\n\r\n"))) continue;
        const char *length = strcasestr(text, "\r\nContent-Length:");
        all = (size_t)(end + 4 - text) + (length ? strtoull(length + 17, NULL, 10) : 0);
    }
    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0) die(text);
    return end + 4;
}

static double round_trips(int fd, const char *path, const char *body, int calls) {
    const double begun = now_ms();
    for (int i = 0; i < calls; i++) post(fd, path, body);
    return (now_ms() - begun) / 1e3 / calls;
}

/* Both kinds of requests turn by turn, on one connection. */
static void bowl_requests(char *const *argv) {
    enum { CALLS = 500 };
    struct server server = server_start(argv);
    const int fd = server_dial(&server);
    double one[ROUNDS], all[ROUNDS];
    expect(post(fd, "/v1/minimize", minimize), "\"variables\":{\"x\":-0.3333333}");
    expect(post(fd, "/v1/gradient", gradient), "\"gradient\":{\"x\":2.0}");
    for (int i = 0; i < ROUNDS; i++) {
        one[i] = round_trips(fd, "/v1/gradient", gradient, CALLS);
        all[i] = round_trips(fd, "/v1/minimize", minimize, CALLS);
    }
    report("bowl_request", median(all));
    report("gradient_request", median(one));
    close(fd);
    server_stop(&server);
}

/* ---- the digits ---- */

/* The loss of each step, beside Keras' in the first epoch. */
static void expect_losses(struct digits *d, struct writer *out, int steps) {
    struct error error;
    struct json *root;
    error_clear(&error);
    if (!json_parse(&d->arena, out->data, out->length - 1, 16, &root, &error)) die(error.detail);
    const struct json *losses = digits_member(digits_member(root, "history"), "loss");
    const struct tensor x = digits_tensor(&d->arena, losses, DTYPE_F32);
    const struct tensor y = digits_tensor(&d->arena, digits_member(d->keras, "losses"), DTYPE_F32);
    if (x.shape.dim[0] != steps) die("the history has not the loss of every step");
    for (int i = 0; i < DIGITS_STEPS; i++) {
        const float a = ((const float *)x.data)[i], b = ((const float *)y.data)[i];
        if (!(fabsf(a - b) <= 1e-3f * b)) die("the losses are others than Keras'");
    }
}

/* An epoch is what one more of them takes, so that what the request takes to be read is not counted. */
static void digits_epoch(void) {
    enum { MORE = 10 };
    struct digits *d = malloc(sizeof *d);
    if (!d) die("out of memory");
    digits_read(d);
    struct writer one = digits_request(d, 1), many = digits_request(d, 1 + MORE);
    double epoch[ROUNDS], whole[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        whole[i] = seconds(service_minimize, one.data, 1);
        epoch[i] = (seconds(service_minimize, many.data, 1) - whole[i]) / MORE;
    }
    report("epoch", median(epoch));
    report("epoch_service", median(whole));
    struct writer out = ask(service_minimize, many.data);
    expect_losses(d, &out, (1 + MORE) * DIGITS_STEPS);
    writer_free(&out);
    writer_free(&one);
    writer_free(&many);
    digits_end(d);
    free(d);
}

int main(int argc, char **argv) {
    bench_name = "training";
    if (argc < 2) die("usage: training PROGRAM [ARGUMENT...]");
    plans = plan_cache_new(64, 64 << 20, 1);
    if (!plans) die("out of memory");
    bowl_inside();
    bowl_requests(argv + 1);
    digits_epoch();
    plan_cache_free(plans);
    return 0;
}

/* Learning from data as others do: a logistic regression on Fisher's irises by second-order methods, beside
 * scikit-learn's coefficients; a net on scikit-learn's digits by Adam, beside Keras' losses. The data are in
 * tests/data, made by tests/oracle/learning.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ask.h"

#define die(what) fail_msg("%s", what)
#include "tests/bench/digits.h"

/* The answer to a request, which must be one. */
static struct json *answer(struct arena *arena, service_function service, const char *body) {
    struct error error;
    struct json *root;
    const char *text = ask(service, body);
    if (text[0] != '{') fail_msg("%.2000s", text);
    char *kept = arena_copy_text(arena, text, strlen(text));
    assert_non_null(kept);
    error_clear(&error);
    if (!json_parse(arena, kept, strlen(kept), 16, &root, &error)) fail_msg("%s", error.detail);
    return root;
}

static void expect_text(const struct json *object, const char *name, const char *wanted) {
    const struct json *v = digits_member(object, name);
    assert_int_equal(json_type(v), JSON_STRING);
    assert_string_equal(json_string(v), wanted);
}

/* ---- the irises ---- */

/* The largest difference of an element, relative to the larger of 1 and what is wanted. */
static double distance(const struct tensor *found, const struct tensor *wanted) {
    double worst = 0;
    assert_true(shape_equal(&found->shape, &wanted->shape));
    const double *x = found->data, *y = wanted->data;
    for (size_t i = 0; i < tensor_bytes(wanted) / sizeof *y; i++)
        worst = fmax(worst, fabs(x[i] - y[i]) / fmax(1, fabs(y[i])));
    return worst;
}

static void expect_irises_by(const char *method) {
    struct arena arena;
    size_t n;
    arena_init(&arena, 16 << 20);
    const char *request = digits_file(&arena, TEST_DATA "iris_logistic.json", &n);
    const struct json *wanted = digits_document(&arena, TEST_DATA "iris_scikit.json");
    char *body = arena_alloc(&arena, n + 128);
    assert_non_null(body);
    assert_int_equal(request[0], '{');
    snprintf(body, n + 128, "{\"method\":\"%s\",\"steps\":1000,%s", method, request + 1);
    const struct json *found = answer(&arena, service_minimize, body);
    expect_text(found, "status", "converged");
    const struct json *variables = digits_member(found, "variables");
    for (const struct json *v = json_first(wanted); v; v = json_next(v)) {
        const struct tensor x =
            digits_tensor(&arena, digits_member(variables, json_key(v)), DTYPE_F64);
        const struct tensor y = digits_tensor(&arena, v, DTYPE_F64);
        const double off = distance(&x, &y);
        print_message("%s: %s is off by %.1e\n", method, json_key(v), off);
        if (!(off <= 1e-6)) fail_msg("%s: %s is off by %g", method, json_key(v), off);
    }
    arena_free(&arena);
}

static void lbfgs_finds_scikit_learns_coefficients(void **state) {
    (void)state;
    expect_irises_by("lbfgs");
}

static void trust_newton_finds_scikit_learns_coefficients(void **state) {
    (void)state;
    expect_irises_by("trust_newton");
}

/* ---- the digits ---- */

/* float32 sums are rounded in another order at each step, and what that changes grows as the weights move.
 * With the same BLAS for both it stays below 1e-6. */
static double tolerance(int step) { return step < DIGITS_STEPS ? 1e-5 : 1e-4; }

static void expect_losses(const struct json *found, struct digits *d, int steps) {
    const struct json *history = digits_member(found, "history");
    const struct tensor x = digits_tensor(&d->arena, digits_member(history, "loss"), DTYPE_F32);
    const struct tensor y = digits_tensor(&d->arena, digits_member(d->keras, "losses"), DTYPE_F32);
    assert_int_equal(x.shape.dim[0], steps);
    assert_int_equal(y.shape.dim[0], steps);
    double worst[3] = {0};
    for (int i = 0; i < steps; i++) {
        const double a = ((const float *)x.data)[i], b = ((const float *)y.data)[i];
        const double off = fabs(a - b) / fabs(b);
        const int epoch = i / DIGITS_STEPS < 2 ? i / DIGITS_STEPS : 2;
        worst[epoch] = fmax(worst[epoch], off);
        if (!(off <= tolerance(i))) fail_msg("before step %d the loss is %.9g, not %.9g", i, a, b);
    }
    print_message("losses are off by %.1e, %.1e, %.1e in the epochs\n", worst[0], worst[1],
                  worst[2]);
}

/* How many digits a net takes for what they are. */
static int64_t right(struct digits *d, const struct json *weights) {
    struct writer out;
    writer_init(&out, 16 << 20);
    write_text(
        &out, "{\"graph\":\"logits = relu(x @ w1 + b1) @ w2 + b2; "
              "reduce_sum(cast(argmax(logits, axis=1) == cast(y, \\\"int64\\\"), \\\"int32\\\"))\","
              "\"constants\":{");
    digits_write_data(d, &out);
    for (const struct json *v = json_first(weights); v; v = json_next(v)) {
        const struct tensor t = digits_tensor(&d->arena, v, DTYPE_F32);
        write_text(&out, ",");
        write_string(&out, json_key(v));
        write_text(&out, ":");
        write_tensor(&out, &t, FORMAT_BASE64);
    }
    write_text(&out, "}}");
    write_bytes(&out, "", 1);
    assert_false(out.full);
    int64_t n;
    const struct json *found = answer(&d->arena, service_evaluate, out.data);
    assert_true(json_int(digits_member(found, "value"), &n));
    writer_free(&out);
    return n;
}

static void a_net_learns_the_digits_as_in_keras(void **state) {
    (void)state;
    struct digits *d = malloc(sizeof *d);
    assert_non_null(d);
    digits_read(d);
    int64_t epochs, wanted;
    assert_true(json_int(digits_member(d->keras, "epochs"), &epochs));
    assert_true(json_int(digits_member(d->keras, "right"), &wanted));
    struct writer body = digits_request(d, (int)epochs);
    const struct json *found = answer(&d->arena, service_minimize, body.data);
    expect_text(found, "status", "max_steps");
    expect_losses(found, d, (int)epochs * DIGITS_STEPS);
    assert_int_equal(right(d, digits_member(d->keras, "final")), wanted);
    const int64_t n = right(d, digits_member(found, "variables"));
    print_message("%d of %d digits are taken for what they are; Keras': %d\n", (int)n, DIGITS,
                  (int)wanted);
    assert_true(n >= wanted - 2 && n <= wanted + 2);
    writer_free(&body);
    digits_end(d);
    free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lbfgs_finds_scikit_learns_coefficients),
        cmocka_unit_test(trust_newton_finds_scikit_learns_coefficients),
        cmocka_unit_test(a_net_learns_the_digits_as_in_keras),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}

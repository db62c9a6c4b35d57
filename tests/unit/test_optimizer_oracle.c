/* Keras' own numbers (tests/oracle/optimizers.json): every optimizer in many settings, twelve steps each,
 * variables and slots in float32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/optimizer.h"
#include "tests/unit/document.h"
#include "tests/unit/stepper.h"

enum { VARIABLES_MOST = 8, NAME_MOST = 100 };

struct oracle {
    struct document document;
    const struct json *values, *gradients, *cases;
};

static int oracle_open(void **state) {
    static struct oracle o;
    document_open_oracle(&o.document, "optimizers.json");
    o.values = json_member(o.document.root, "values");
    o.gradients = json_member(o.document.root, "gradients");
    o.cases = json_member(o.document.root, "cases");
    assert_true(o.values && o.gradients && o.cases);
    *state = &o;
    return 0;
}

static int oracle_close(void **state) {
    document_close(&((struct oracle *)*state)->document);
    return 0;
}

/* A case while it is replayed. */
struct replay {
    const struct oracle *oracle;
    const struct json *json;
    int line; /* of the file */
    double ulp, rtol;
    bool cancels;
    struct arena arena;
    struct optimizer_config config;
    size_t n;
    const char *names[VARIABLES_MOST];
    struct stepper steps;
    double *largest[VARIABLES_MOST]; /* magnitude of each element of the variables so far */
    int failed;
};

/* Without data where it is null. */
static struct tensor tensor_of(struct replay *r, const struct json *v, enum dtype dtype) {
    struct tensor t = {0};
    struct error error = {0};
    if (json_type(v) == JSON_NULL) return t;
    if (!json_tensor(&r->arena, v, dtype, 1000, "", &t, &error)) fail_msg("%s", error.detail);
    return t;
}

/* ---- comparison --------------------------------------------------------------------------------- */

/* Floats as integers in their order. */
static int64_t place(double x) {
    const float single = (float)x;
    int32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return bits < 0 ? INT32_MIN - (int64_t)bits : bits;
}

/* A variable is a sum of steps: where they cancel, the error is relative to the largest sum so far. */
static bool agrees(const struct replay *r, double found, double wanted, double largest) {
    if (isnan(wanted) || isinf(wanted)) return isnan(wanted) ? isnan(found) : found == wanted;
    if (r->rtol == 0) return llabs(place(found) - place(wanted)) <= (long long)r->ulp;
    return fabs(found - wanted) <= r->rtol * fmax(fabs(wanted), r->cancels ? largest : 0);
}

/* `largest` may be NULL. */
static void compare(struct replay *r, const char *what, const struct tensor *found,
                    const double *largest, const struct json *wanted) {
    const struct tensor t = tensor_of(r, wanted, found->dtype);
    assert_true(shape_equal(&t.shape, &found->shape));
    for (int64_t i = 0; i < shape_count(&t.shape); i++) {
        const double a = element(found, i), b = element(&t, i);
        if (agrees(r, a, b, largest ? largest[i] : 0)) continue;
        r->failed++;
        print_error("optimizers.json:%d: %s: %s[%lld] is %.9g, Keras has %.9g: %.2g relative\n",
                    r->line, r->config.optimizer->name, what, (long long)i, a, b,
                    fabs(a - b) / fabs(b));
    }
}

/* "part/variable/slot" */
static const struct tensor *slot_named(const struct stepper *s, const char *key) {
    char variable[NAME_MOST];
    const char *from = strchr(key, '/') + 1, *to = strchr(from, '/');
    snprintf(variable, sizeof variable, "%.*s", (int)(to - from), from);
    return stepper_slot(s, (uint32_t)strtoul(key, NULL, 10), variable, to + 1);
}

static void compare_all(struct replay *r, const struct json *after) {
    const bool scales = strcmp(r->config.optimizer->name, "LossScaleOptimizer") == 0;
    const struct json *variables = json_member(after, "variables");
    for (size_t i = 0; i < r->n; i++)
        compare(r, r->names[i], &r->steps.values[i], r->largest[i],
                json_member(variables, r->names[i]));
    for (const struct json *m = json_first(json_member(after, "slots")); m; m = json_next(m)) {
        /* Keras' LossScaleOptimizer has a count of its own that stays 0; ours is the inner one's. */
        const char *key = json_key(m);
        if (scales && strcmp(key, "0//iteration") == 0) {
            const struct tensor *inner = slot_named(&r->steps, "1//iteration");
            assert_near(key, element(slot_named(&r->steps, key), 0), element(inner, 0), 0);
            continue;
        }
        compare(r, key, slot_named(&r->steps, key), NULL, m);
    }
}

/* ---- replay ------------------------------------------------------------------------------------- */

static void read_case(struct replay *r) {
    struct error error = {0};
    struct optimizer_sent sent;
    const struct json *ulp = json_member(r->json, "ulp"), *rtol = json_member(r->json, "rtol");
    if (!optimizer_read(json_member(r->json, "optimizer"), &r->arena, &sent, &error))
        fail_msg("optimizers.json:%d: %s %s", r->line, error.detail, error.pointer);
    r->config = sent.config;
    assert_true(ulp ? json_double(ulp, &r->ulp) : json_double(rtol, &r->rtol));
    r->cancels = json_member(r->json, "cancels") != NULL;
    const struct json *names = json_member(r->json, "variables");
    for (const struct json *v = json_first(names); v; v = json_next(v))
        r->names[r->n++] = json_string(v);
}

static void note_largest(struct replay *r) {
    for (size_t i = 0; i < r->n; i++)
        for (int64_t k = 0; k < shape_count(&r->steps.values[i].shape); k++)
            r->largest[i][k] = fmax(r->largest[i][k], fabs(element(&r->steps.values[i], k)));
}

static void begin(struct replay *r) {
    struct tensor values[VARIABLES_MOST];
    for (size_t i = 0; i < r->n; i++) {
        values[i] = tensor_of(r, json_member(r->oracle->values, r->names[i]), DTYPE_F32);
        r->largest[i] =
            arena_zalloc(&r->arena, (size_t)shape_count(&values[i].shape) * sizeof *r->largest[i]);
        assert_non_null(r->largest[i]);
    }
    stepper_begin(&r->steps, &r->config, r->names, values, r->n);
    note_largest(r);
}

static void step(struct replay *r, const struct json *gradients) {
    struct tensor given[VARIABLES_MOST];
    for (size_t i = 0; i < r->n; i++)
        given[i] = tensor_of(r, json_member(gradients, r->names[i]), DTYPE_F32);
    if (!stepper_step(&r->steps, given, r->n, NULL)) fail_msg("%s", r->steps.error.detail);
    note_largest(r);
}

static int replay(const struct oracle *o, const struct json *json, int line) {
    struct replay r = {.oracle = o, .json = json, .line = line};
    char number[24];
    int done = 0;
    arena_init(&r.arena, 64 << 20);
    read_case(&r);
    begin(&r);
    const struct json *steps =
        json_member(o->gradients, json_string(json_member(json, "gradients")));
    for (const struct json *g = json_first(steps); g; g = json_next(g)) {
        step(&r, g);
        snprintf(number, sizeof number, "%d", ++done);
        const struct json *after = json_member(json_member(json, "after"), number);
        if (after) compare_all(&r, after);
    }
    assert_int_equal(done, 12);
    stepper_end(&r.steps);
    arena_free(&r.arena);
    return r.failed;
}

static void every_optimizer_gives_keras_numbers(void **state) {
    const struct oracle *o = *state;
    int failed = 0, line = 2; /* the head, then one case a line */
    for (const struct json *c = json_first(o->cases); c; c = json_next(c))
        failed += replay(o, c, line++);
    assert_true(line > 150);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_optimizer_gives_keras_numbers)};
    return cmocka_run_group_tests(tests, oracle_open, oracle_close);
}

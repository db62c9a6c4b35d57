/* Keras' own numbers (tests/oracle/optimizers.json): every optimizer in many settings, twelve steps each,
 * variables and slots in float32. Run from the root of the repository. */
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

enum { VARIABLES_MOST = 8, SLOT_NAME = 100 };

struct tolerance {
    double ulp, rtol; /* one of them */
};

struct oracle {
    struct document document;
    char *text;
    const struct json *values, *gradients, *cases;
};

static char *file_text(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) fail_msg("cannot read %s; tests run from the root of the repository", name);
    char *text = NULL;
    size_t n = 0, size = 0;
    do {
        size += 1 << 20;
        text = realloc(text, size);
        assert_non_null(text);
        n += fread(text + n, 1, size - n - 1, file);
    } while (n == size - 1);
    text[n] = '\0';
    fclose(file);
    return text;
}

static int oracle_open(void **state) {
    struct oracle *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->text = file_text("tests/oracle/optimizers.json");
    document_open_valid(&o->document, o->text);
    o->values = json_member(o->document.root, "values");
    o->gradients = json_member(o->document.root, "gradients");
    o->cases = json_member(o->document.root, "cases");
    assert_true(o->values && o->gradients && o->cases);
    *state = o;
    return 0;
}

static int oracle_close(void **state) {
    struct oracle *o = *state;
    document_close(&o->document);
    free(o->text);
    free(o);
    return 0;
}

static struct tensor tensor_of(struct arena *arena, const struct json *v, enum dtype dtype) {
    struct tensor t = {0};
    struct error error = {0};
    if (json_type(v) == JSON_NULL) return t;
    if (!json_tensor(arena, v, dtype, 1000, "", &t, &error)) fail_msg("%s", error.detail);
    return t;
}

/* ---- comparison --------------------------------------------------------------------------------- */

/* Floats as integers in their order. */
static int64_t place(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? INT32_MIN - (int64_t)bits : bits;
}

static bool agrees(double found, double wanted, const struct tolerance *within) {
    if (isnan(wanted) || isinf(wanted)) return isnan(wanted) ? isnan(found) : found == wanted;
    if (within->rtol > 0) return fabs(found - wanted) <= within->rtol * fabs(wanted);
    return llabs(place((float)found) - place((float)wanted)) <= (long long)within->ulp;
}

/* How many elements are outside of the tolerance. */
static int compare(const char *title, const char *what, const struct tensor *found,
                   const struct json *wanted, const struct tolerance *within, struct arena *arena) {
    const struct tensor t = tensor_of(arena, wanted, found->dtype);
    int failed = 0;
    assert_true(shape_equal(&t.shape, &found->shape));
    for (int64_t i = 0; i < shape_count(&t.shape); i++) {
        const double a = element(found, i), b = element(&t, i);
        if (agrees(a, b, within)) continue;
        failed++;
        print_error("%s: %s[%lld] is %.9g, Keras has %.9g: %.2g relative\n", title, what,
                    (long long)i, a, b, fabs(a - b) / fabs(b));
    }
    return failed;
}

/* "part/variable/slot" */
static const struct tensor *slot_named(const struct stepper *s, const char *key) {
    char variable[SLOT_NAME];
    const char *from = strchr(key, '/') + 1, *to = strchr(from, '/');
    snprintf(variable, sizeof variable, "%.*s", (int)(to - from), from);
    return stepper_slot(s, (uint32_t)strtoul(key, NULL, 10), variable, to + 1);
}

static int compare_all(const char *title, const struct stepper *s, const struct json *after,
                       const struct tolerance *within, struct arena *arena) {
    const struct json *variables = json_member(after, "variables");
    int failed = 0;
    for (size_t i = 0; i < s->n; i++)
        failed += compare(title, s->variables[i].name, &s->values[i],
                          json_member(variables, s->variables[i].name), within, arena);
    for (const struct json *m = json_first(json_member(after, "slots")); m; m = json_next(m)) {
        /* Keras' LossScaleOptimizer has a count of its own that stays 0; ours is the inner one's. */
        if (strcmp(s->config.optimizer->name, "LossScaleOptimizer") == 0 &&
            strcmp(json_key(m), "0//iteration") == 0)
            continue;
        failed += compare(title, json_key(m), slot_named(s, json_key(m)), m, within, arena);
    }
    return failed;
}

/* ---- replay ------------------------------------------------------------------------------------- */

static int replay(const struct oracle *o, const struct json *c) {
    struct arena arena;
    struct error error = {0};
    struct optimizer_sent sent;
    struct stepper s;
    const char *names[VARIABLES_MOST];
    struct tensor values[VARIABLES_MOST], given[VARIABLES_MOST];
    struct tolerance within = {0};
    char title[200], key[24];
    size_t n = 0;
    int failed = 0, step = 0;

    arena_init(&arena, 64 << 20);
    if (!optimizer_read(json_member(c, "optimizer"), &arena, &sent, &error))
        fail_msg("%s %s", error.detail, error.pointer);
    const bool by_ulp = json_member(c, "ulp") != NULL;
    json_double(json_member(c, by_ulp ? "ulp" : "rtol"), by_ulp ? &within.ulp : &within.rtol);
    for (const struct json *v = json_first(json_member(c, "variables")); v; v = json_next(v)) {
        names[n] = json_string(v);
        values[n++] = tensor_of(&arena, json_member(o->values, json_string(v)), DTYPE_F32);
    }
    struct writer w;
    (void)w;
    snprintf(title, sizeof title, "%s", sent.config.optimizer->name);
    stepper_begin(&s, &sent.config, names, values, n);
    const struct json *steps = json_member(o->gradients, json_string(json_member(c, "gradients")));
    for (const struct json *g = json_first(steps); g; g = json_next(g)) {
        for (size_t i = 0; i < n; i++)
            given[i] = tensor_of(&arena, json_member(g, names[i]), DTYPE_F32);
        if (!stepper_step(&s, given, n, NULL)) fail_msg("%s: %s", title, s.error.detail);
        snprintf(key, sizeof key, "%d", ++step);
        const struct json *after = json_member(json_member(c, "after"), key);
        if (after) failed += compare_all(title, &s, after, &within, &arena);
    }
    stepper_end(&s);
    arena_free(&arena);
    return failed;
}

static void every_optimizer_gives_keras_numbers(void **state) {
    const struct oracle *o = *state;
    int failed = 0, cases = 0;
    for (const struct json *c = json_first(o->cases); c; c = json_next(c), cases++) {
        const int more = replay(o, c);
        if (more) print_error("case %d: %d differ\n", cases, more);
        failed += more;
    }
    assert_true(cases > 150);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_optimizer_gives_keras_numbers)};
    return cmocka_run_group_tests(tests, oracle_open, oracle_close);
}

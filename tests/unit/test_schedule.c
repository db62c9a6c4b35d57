/* Learning-rate schedules beyond the numbers that Keras gave (tests/oracle/schedules.jsonl): every restart,
 * steps of any shape, and that no argument is part of a plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/optimizer.h"
#include "core/plan.h"

struct bench {
    struct arena arena;
    struct error error;
    struct tape tape;
    struct optimizer_step step;
    struct plan_cache *plans;
};

static void begin(struct bench *b, struct plan_cache *plans) {
    memset(b, 0, sizeof *b);
    arena_init(&b->arena, 64 << 20);
    tape_init(&b->tape, &b->arena, &b->error, (struct tape_limits){100000, 1 << 24, 10000000});
    b->step.tape = &b->tape;
    b->plans = plans;
}

static const struct tensor *bound(struct bench *b, node_id input, node_id at,
                                  const struct tensor *steps) {
    if (input == at) return steps;
    for (size_t i = 0; i < b->step.n_numbers; i++) {
        if (b->step.numbers[i].node != input) continue;
        struct tensor *t = arena_zalloc(&b->arena, sizeof *t);
        float *value = arena_alloc(&b->arena, sizeof *value);
        *value = (float)b->step.numbers[i].value;
        *t = (struct tensor){DTYPE_F32, shape_scalar, value};
        return t;
    }
    fail_msg("an input that is neither the step nor a number");
    return NULL;
}

/* The rates at some steps, of the shape of these; valid until the arena is freed. */
static struct tensor rates(struct bench *b, const struct schedule_config *c,
                           const struct tensor *steps) {
    const node_id at = tape_input(&b->tape, steps->dtype, &steps->shape);
    const node_id rate = schedule_rate(&b->step, c, at);
    const node_id *inputs;
    const struct tensor *values[64];
    size_t n;
    assert_int_equal(b->error.code, ERROR_NONE);
    struct plan *plan = plan_get(b->plans, &b->tape, &rate, 1, &inputs, &n, &b->arena, &b->error);
    assert_non_null(plan);
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) values[i] = bound(b, inputs[i], at, steps);
    struct run *run = plan_run(plan, values, NULL, &b->error);
    assert_non_null(run);
    struct tensor found = run_result(run, 0);
    void *copy = arena_alloc_tensor(&b->arena, tensor_bytes(&found));
    found.data = memcpy(copy, found.data, tensor_bytes(&found));
    run_end(run);
    plan_release(plan);
    return found;
}

static float rate_at(struct plan_cache *plans, const struct schedule_config *c, int64_t step) {
    struct bench b;
    begin(&b, plans);
    const struct tensor steps = {DTYPE_I64, shape_scalar, &step};
    const float rate = *(const float *)rates(&b, c, &steps).data;
    arena_free(&b.arena);
    return rate;
}

static void every_restart_begins_at_the_initial_rate(void **state) {
    (void)state;
    struct plan_cache *plans = plan_cache_new(8, 1 << 20, 1);
    const double multipliers[] = {1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 10};
    for (size_t k = 0; k < sizeof multipliers / sizeof *multipliers; k++) {
        for (int64_t first = 1; first <= 2000; first = first < 20 ? first + 1 : first * 3 / 2) {
            const struct schedule_config c = {.schedule = schedule_find("cosinedecayrestarts"),
                                              .number = {0.1, (double)first, multipliers[k], 1, 0}};
            double restart = 0, period = (double)first;
            for (int i = 0; i < 40 && restart < 1 << 24; i++) {
                if (restart == (double)(int64_t)restart &&
                    rate_at(plans, &c, (int64_t)restart) != 0.1f)
                    fail_msg("restart %d, at %.0f, of t_mul %g from %d is at %g", i, restart,
                             multipliers[k], (int)first,
                             (double)rate_at(plans, &c, (int64_t)restart));
                restart += period;
                period *= multipliers[k];
            }
        }
    }
    plan_cache_free(plans);
}

static void steps_have_any_shape(void **state) {
    (void)state;
    struct plan_cache *plans = plan_cache_new(8, 1 << 20, 1);
    const double boundaries[] = {1.5, 3}, values[] = {3, 2, 1};
    const struct schedule_config c = {.schedule = schedule_find("PiecewiseConstantDecay"),
                                      .boundaries = boundaries,
                                      .values = values,
                                      .n_boundaries = 2,
                                      .n_values = 3};
    int64_t steps[] = {0, 1, 2, 3, 4, 5};
    const float expected[] = {3, 3, 2, 2, 1, 1};
    struct bench b;
    begin(&b, plans);
    const struct tensor at = {DTYPE_I64, {.rank = 2, .dim = {2, 3}}, steps};
    const struct tensor found = rates(&b, &c, &at);
    assert_true(shape_equal(&found.shape, &at.shape));
    assert_memory_equal(found.data, expected, sizeof expected);
    arena_free(&b.arena);
    plan_cache_free(plans);
}

/* Two settings of every schedule that differ in numbers alone. */
static void no_argument_is_part_of_a_plan(void **state) {
    (void)state;
    struct plan_cache *plans = plan_cache_new(64, 1 << 20, 1);
    for (size_t i = 0; i < schedule_count; i++) {
        const struct schedule *s = schedule_table[i];
        double boundaries[] = {1, 3}, values[] = {3, 2, 1};
        struct schedule_config c = {.schedule = s,
                                    .boundaries = boundaries,
                                    .values = values,
                                    .n_boundaries = s->has_lists ? 2 : 0,
                                    .n_values = s->has_lists ? 3 : 0};
        for (size_t k = 0; s->settings[k].name; k++)
            c.number[k] = s->settings[k].kind == SETTING_BOOL ? 0 : 0.25 * (double)(k + 1);
        const float before = rate_at(plans, &c, 2);
        const uint64_t compiled = plan_cache_stats(plans).compiled;
        for (size_t k = 0; s->settings[k].name; k++)
            if (s->settings[k].kind != SETTING_BOOL) c.number[k] *= 1.5;
        for (size_t k = 0; k < 2; k++) boundaries[k] *= 4;
        for (size_t k = 0; k < 3; k++) values[k] *= 4;
        if (rate_at(plans, &c, 2) == before) fail_msg("%s: the same rate again", s->name);
        if (plan_cache_stats(plans).compiled != compiled)
            fail_msg("%s: another plan for other numbers", s->name);
    }
    plan_cache_free(plans);
}

static void a_schedule_is_found_by_name_in_any_case(void **state) {
    (void)state;
    for (size_t i = 0; i < schedule_count; i++)
        assert_ptr_equal(schedule_find(schedule_table[i]->name), schedule_table[i]);
    assert_ptr_equal(schedule_find("POLYNOMIALdecay"), schedule_find("PolynomialDecay"));
    assert_null(schedule_find("Polynomial"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_restart_begins_at_the_initial_rate),
        cmocka_unit_test(steps_have_any_shape),
        cmocka_unit_test(no_argument_is_part_of_a_plan),
        cmocka_unit_test(a_schedule_is_found_by_name_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

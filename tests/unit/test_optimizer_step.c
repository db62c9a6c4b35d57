/* One step of every optimizer as a plan that knows no setting, as a batch, where it must fail, and the loss
 * that it wants differentiated. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/optimizer.h"
#include "tests/unit/stepper.h"

/* ---- plans -------------------------------------------------------------------------------------- */

static void no_node_is_emitted_that_is_not_needed(void **state) {
    (void)state;
    double w = 1, g = 1;
    const struct tensor value = scalar(&w), gradient = scalar(&g);
    const struct optimizer_config c = CONFIG("sgd");
    struct stepper s;
    stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
    must_step(&s, &gradient, 1);
    /* w, iteration, g, learning_rate; g * learning_rate, w - that; 1, iteration + 1 */
    assert_int_equal(s.emitted, 8);
    stepper_end(&s);
}

/* Every optimizer once, with all that is common to them; those that wrap have it inside. */
static void with_everything(const struct optimizer *o, struct optimizer_config *c,
                            struct optimizer_part *parts) {
    optimizer_defaults(o, c);
    if (o->wraps) {
        const bool multi = strcmp(o->name, "MultiOptimizer") == 0;
        parts[0].pattern = multi ? "k.*" : NULL;
        parts[1].pattern = NULL;
        with_everything(optimizer_find("nadam"), &parts[0].config, parts);
        with_everything(optimizer_find("adafactor"), &parts[1].config, parts);
        c->parts = parts;
        c->n_parts = multi ? 2 : 1;
        return;
    }
    config_set(c, "weight_decay", .01);
    config_set(c, "global_clipnorm", 2);
    config_set(c, "use_ema", 1);
    config_set(c, "ema_overwrite_frequency", 2);
    config_set(c, "loss_scale_factor", 4);
    config_set(c, "gradient_accumulation_steps", 2);
}

static void a_plan_knows_no_setting(void **state) {
    (void)state;
    double w[] = {1, 2, 3, 4}, k[] = {1, 2, 3, 4}, g[] = {.1, .2, .3, .4}, h[] = {.1, .2, .3, .5};
    const struct tensor values[] = {vector(w, 4), matrix(k, 2, 2)},
                        gradients[] = {vector(g, 4), matrix(h, 2, 2)};
    for (size_t i = 0; i < optimizer_count; i++) {
        struct optimizer_part parts[2];
        struct optimizer_config c;
        struct stepper s;
        with_everything(optimizer_table[i], &c, parts);
        stepper_begin(&s, &c, (const char *const[]){"w", "kernel"}, values, 2);
        must_step(&s, gradients, 2);
        for (int step = 0; step < 3; step++) {
            struct optimizer_config *inner = c.n_parts ? &parts[0].config : &c;
            s.config.learning_rate = inner->learning_rate = .01 * (step + 1);
            s.config.common[COMMON_WEIGHT_DECAY] = inner->common[COMMON_WEIGHT_DECAY] = .01 * step;
            s.config.common[COMMON_GLOBAL_CLIPNORM] = inner->common[COMMON_GLOBAL_CLIPNORM] =
                step + 1;
            s.config.common[COMMON_GRADIENT_ACCUMULATION_STEPS] = step + 2;
            for (int q = 0; c.optimizer->settings[q].name; q++)
                if (c.optimizer->settings[q].kind == SETTING_FLOAT && c.own[q] > 0)
                    s.config.own[q] = .9 - .1 * step;
            must_step(&s, gradients, 2);
        }
        const struct plan_stats stats = plan_cache_stats(s.cache);
        if (stats.compiled != 1) fail_msg("%s: %d plans", c.optimizer->name, (int)stats.compiled);
        assert_int_equal(stats.hits, 3);
        stepper_end(&s);
    }
}

/* Three points in one run: each is what it is alone. */
static void a_batch_of_steps_is_each_of_them(const struct optimizer_config *c) {
    enum { POINTS = 3, STEPS = 5, W = 4, K = 6 };
    double w[POINTS][W], k[POINTS][K], b[POINTS], gw[STEPS][POINTS][W], gk[STEPS][POINTS][K],
        gb[STEPS][POINTS];
    const char *const names[] = {"w", "kernel", "b"};
    struct stepper one[POINTS], all;
    uint64_t seed = 1;
    double *const fill[] = {w[0], k[0], b, gw[0][0], gk[0][0], gb[0]};
    const size_t count[] = {POINTS * W,         POINTS * K,         POINTS,
                            STEPS * POINTS * W, STEPS * POINTS * K, STEPS * POINTS};
    for (int f = 0; f < 6; f++)
        for (size_t i = 0; i < count[f]; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            fill[f][i] = (double)(int32_t)(seed >> 32) / 1e9;
        }
    for (int p = 0; p < POINTS; p++)
        stepper_begin(&one[p], c, names,
                      (const struct tensor[]){vector(w[p], W), matrix(k[p], 3, 2), scalar(&b[p])},
                      3);
    stepper_begin(&all, c, names,
                  (const struct tensor[]){vector(w[0], W), matrix(k[0], 3, 2), scalar(&b[0])}, 3);
    stepper_repeat(&all, POINTS);
    for (size_t i = 0; i < 3 + all.n_slots; i++)
        for (int p = 0; p < POINTS; p++) {
            const struct tensor *from = i < 3 ? &one[p].values[i] : &one[p].state[i - 3];
            const struct tensor *to = i < 3 ? &all.values[i] : &all.state[i - 3];
            const size_t bytes = tensor_bytes(from);
            memcpy((char *)to->data + (size_t)p * bytes, from->data, bytes);
        }
    for (int step = 0; step < STEPS; step++) {
        struct tensor g[] = {matrix(gw[step][0], POINTS, W),
                             {DTYPE_F64, {3, {POINTS, 3, 2}}, gk[step][0]},
                             vector(gb[step], POINTS)};
        must_step(&all, g, 3);
        for (int p = 0; p < POINTS; p++)
            must_step(&one[p],
                      (const struct tensor[]){vector(gw[step][p], W), matrix(gk[step][p], 3, 2),
                                              scalar(&gb[step][p])},
                      3);
    }
    for (size_t i = 0; i < 3 + all.n_slots; i++)
        for (int p = 0; p < POINTS; p++) {
            const struct tensor *alone = i < 3 ? &one[p].values[i] : &one[p].state[i - 3];
            const struct tensor *both = i < 3 ? &all.values[i] : &all.state[i - 3];
            const int64_t n = shape_count(&alone->shape);
            for (int64_t e = 0; e < n; e++) {
                const double x = element(alone, e), y = element(both, p * n + e);
                assert_near(c->optimizer->name, y, x, fabs(x) * 2.3e-16);
            }
        }
    for (int p = 0; p < POINTS; p++) stepper_end(&one[p]);
    stepper_end(&all);
}

static void a_batch_of_every_optimizer_is_each_step_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < optimizer_count; i++) {
        struct optimizer_part parts[2];
        struct optimizer_config c;
        with_everything(optimizer_table[i], &c, parts);
        a_batch_of_steps_is_each_of_them(&c);
        if (c.n_parts) continue;
        optimizer_defaults(optimizer_table[i], &c);
        config_set(&c, "clipnorm", .5);
        a_batch_of_steps_is_each_of_them(&c);
    }
}

/* ---- failures ----------------------------------------------------------------------------------- */

static void assert_step_fails(const struct optimizer_config *c, const char *detail) {
    double w = 1, k = 2, g = 1, h = 1;
    const struct tensor values[] = {scalar(&w), scalar(&k)}, gradients[] = {scalar(&g), scalar(&h)};
    struct stepper s;
    stepper_begin(&s, c, (const char *const[]){"w", "kernel"}, values, 2);
    assert_false(stepper_step(&s, gradients, 2, NULL));
    assert_string_equal(s.error.detail, detail);
    stepper_end(&s);
}

static void what_keras_refuses_is_refused_in_its_words(void **state) {
    (void)state;
    struct optimizer_part parts[2] = {{"k", CONFIG("sgd")}, {"w", CONFIG("adam")}};
    struct optimizer_config c = CONFIG("MultiOptimizer");
    c.parts = parts;
    c.n_parts = 2;
    assert_step_fails(&c, "Optimizer for variable kernel is not an Optimizer instance.");
    parts[0].pattern = "kern.*";
    parts[1].pattern = ".*e.*";
    assert_step_fails(&c, "Optimizer for variable w is not an Optimizer instance.");
    parts[1].pattern = ".*";
    assert_step_fails(&c, "Multiple optimizers assigned to variable kernel.");
    parts[1] = (struct optimizer_part){NULL, CONFIG("LossScaleOptimizer")};
    assert_step_fails(&c, "LossScaleOptimizer cannot be used inside a MultiOptimizer.");

    double w = 1;
    const struct tensor value = scalar(&w), missing = {0};
    struct stepper s;
    c = CONFIG("sgd");
    stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
    assert_false(stepper_step(&s, &missing, 1, NULL));
    assert_string_equal(s.error.detail, "No gradients provided for any variable.");
    stepper_end(&s);
}

static void a_part_without_gradients_stands_still(void **state) {
    (void)state;
    double w = 1, k = 2, g = 1;
    struct optimizer_part parts[2] = {{"k.*", CONFIG("sgd", {"momentum", .9})},
                                      {NULL, CONFIG("sgd", {"learning_rate", .5})}};
    const struct tensor values[] = {scalar(&w), scalar(&k)}, gradients[] = {scalar(&g), {0}};
    struct optimizer_config c = CONFIG("MultiOptimizer");
    struct stepper s;
    c.parts = parts;
    c.n_parts = 2;
    stepper_begin(&s, &c, (const char *const[]){"w", "kernel"}, values, 2);
    must_step(&s, gradients, 2);
    must_step(&s, gradients, 2);
    assert_near("w", element(&s.values[0], 0), 0, 0);
    assert_near("kernel", element(&s.values[1], 0), 2, 0);
    for (uint32_t part = 0; part < 3; part++)
        assert_near("iteration", element(stepper_slot(&s, part, "", "iteration"), 0),
                    (const double[]){2, 0, 2}[part], 0);
    stepper_end(&s);
}

/* Too few nodes, or too little memory: a failure that says so, or the whole step. */
static void every_ceiling_ends_in_a_failure_or_in_a_step(void **state) {
    (void)state;
    double w[] = {1, 2}, k[] = {1, 2, 3, 4}, g[] = {.1, .2}, h[] = {.1, .2, .3, .5};
    const struct tensor values[] = {vector(w, 2), matrix(k, 2, 2)},
                        gradients[] = {vector(g, 2), matrix(h, 2, 2)};
    for (size_t i = 0; i < optimizer_count; i++) {
        struct optimizer_part parts[2];
        struct optimizer_config c;
        struct stepper s;
        int failures = 0;
        with_everything(optimizer_table[i], &c, parts);
        stepper_begin(&s, &c, (const char *const[]){"w", "kernel"}, values, 2);
        for (s.nodes = 0; !stepper_step(&s, gradients, 2, NULL); s.nodes++, failures++)
            assert_int_equal(s.error.code, ERROR_GRAPH_TOO_LARGE);
        assert_true(failures > 20);
        for (s.memory = 0; !stepper_step(&s, gradients, 2, NULL); s.memory += 1021, failures++)
            assert_int_equal(s.error.code, ERROR_MEMORY_BUDGET);
        stepper_end(&s);
    }
}

static void endless_iterations_end_at_the_limit_of_nodes(void **state) {
    (void)state;
    double k[] = {1, 2, 3, 4}, g[] = {.1, .2, .3, .5};
    const struct tensor value = matrix(k, 2, 2), gradient = matrix(g, 2, 2);
    const struct optimizer_config c = CONFIG("muon", {"ns_steps", 1e15});
    struct stepper s;
    stepper_begin(&s, &c, (const char *const[]){"kernel"}, &value, 1);
    s.nodes = 1000;
    assert_false(stepper_step(&s, &gradient, 1, NULL));
    assert_int_equal(s.error.code, ERROR_GRAPH_TOO_LARGE);
    stepper_end(&s);
}

/* ---- the loss ----------------------------------------------------------------------------------- */

/* How much of the loss is differentiated: its gradient by itself. */
static double scaled(const struct optimizer_config *c) {
    const struct optimizer_variable v = {"w", DTYPE_F32, {0}};
    struct arena arena;
    struct error error = {0};
    struct tape t;
    size_t n;
    arena_init(&arena, 1 << 20);
    tape_init(&t, &arena, &error, (struct tape_limits){1000, 1000, 1000});
    struct optimizer_slot *slots = optimizer_slots(c, &v, 1, pattern_matches, &arena, &n);
    node_id *slot = arena_alloc(&arena, n * sizeof *slot);
    assert_true(slots && slot);
    for (size_t i = 0; i < n; i++) slot[i] = tape_input(&t, slots[i].dtype, &slots[i].shape);
    const node_id loss = tape_input(&t, DTYPE_F32, &shape_scalar);
    struct optimizer_step step = {
        .tape = &t, .config = c, .slots = slots, .n_slots = n, .slot = slot};
    const node_id y = optimizer_scale_loss(&step, loss);
    double factor = y == loss ? 1 : 0;
    if (step.n_numbers) factor = step.numbers[0].value;
    for (size_t i = 0; i < n && y != loss; i++)
        if (tape_arg(&t, y, 1) == slot[i]) factor = slots[i].initial;
    arena_free(&arena);
    return factor;
}

static void the_loss_is_scaled_as_the_optimizer_says(void **state) {
    (void)state;
    struct optimizer_part part = {NULL, CONFIG("sgd")};
    struct optimizer_config c = CONFIG("adam");
    assert_near("none", scaled(&c), 1, 0);
    c = CONFIG("adam", {"loss_scale_factor", 8});
    assert_near("factor", scaled(&c), 8, 0);
    c = CONFIG("LossScaleOptimizer", {"initial_scale", 64});
    c.parts = &part;
    c.n_parts = 1;
    assert_near("dynamic", scaled(&c), 64, 0);
    c = CONFIG("MultiOptimizer", {"loss_scale_factor", 16});
    c.parts = &part;
    c.n_parts = 1;
    assert_near("multi", scaled(&c), 16, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_node_is_emitted_that_is_not_needed),
        cmocka_unit_test(a_plan_knows_no_setting),
        cmocka_unit_test(a_batch_of_every_optimizer_is_each_step_alone),
        cmocka_unit_test(what_keras_refuses_is_refused_in_its_words),
        cmocka_unit_test(a_part_without_gradients_stands_still),
        cmocka_unit_test(every_ceiling_ends_in_a_failure_or_in_a_step),
        cmocka_unit_test(endless_iterations_end_at_the_limit_of_nodes),
        cmocka_unit_test(the_loss_is_scaled_as_the_optimizer_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

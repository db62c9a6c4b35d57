/* Optimizers: their tables and slots, and steps in float64 against the exact formulas. Keras' own numbers
 * are test_optimizer_oracle.c's. */
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

/* ---- the tables --------------------------------------------------------------------------------- */

static void every_optimizer_is_found_by_its_name_in_any_case(void **state) {
    (void)state;
    char upper[40];
    for (size_t i = 0; i < optimizer_count; i++) {
        const struct optimizer *o = optimizer_table[i];
        size_t k = 0;
        for (; o->name[k]; k++) upper[k] = o->name[k] >= 'a' ? (char)(o->name[k] - 32) : o->name[k];
        upper[k] = '\0';
        assert_ptr_equal(optimizer_find(upper), o);
        assert_true(*o->formula && *o->source);
        for (k = 0; o->settings[k].name; k++)
            assert_true(k < SETTINGS_MAX && (o->settings[k].optional ||
                                             o->settings[k].preset == o->settings[k].preset));
    }
    assert_null(optimizer_find("adamant"));
}

/* The slots of a method on (scale, kernel, bias), as "name@variable" in their order. */
static void assert_slots(const struct optimizer_config *c, const char *wanted) {
    static const char *const names[] = {"scale", "kernel", "bias"};
    const struct optimizer_variable variables[] = {{names[0], DTYPE_F32, {0}},
                                                   {names[1], DTYPE_F64, {2, {3, 2}}},
                                                   {names[2], DTYPE_F32, {1, {2}}}};
    struct arena arena;
    char all[1000] = "", shape[SHAPE_TEXT];
    size_t n = 0, at = 0;
    arena_init(&arena, 1 << 20);
    const struct optimizer_slot *slots =
        optimizer_slots(c, variables, 3, pattern_matches, &arena, &n);
    for (size_t i = 0; i < n; i++)
        at +=
            (size_t)snprintf(all + at, sizeof all - at, "%s%s%s%s %s%s", i ? ", " : "",
                             slots[i].name, slots[i].variable == OPTIMIZER_ITSELF ? "" : "@",
                             slots[i].variable == OPTIMIZER_ITSELF ? "" : names[slots[i].variable],
                             dtype_name(slots[i].dtype), shape_text(&slots[i].shape, shape));
    assert_string_equal(all, wanted);
    arena_free(&arena);
}

static void slots_stand_in_keras_order_with_their_variables_dtypes(void **state) {
    (void)state;
    struct optimizer_config c = CONFIG("sgd");
    assert_slots(&c, "iteration int64()");
    c = CONFIG("sgd", {"momentum", 0.9}, {"use_ema", 1}, {"gradient_accumulation_steps", 2});
    assert_slots(&c, "iteration int64(), average@scale float32(), average@kernel float64(3,2), "
                     "average@bias float32(2,), gradient_accumulator@scale float32(), "
                     "gradient_accumulator@kernel float64(3,2), gradient_accumulator@bias "
                     "float32(2,), momentum@scale float32(), momentum@kernel float64(3,2), "
                     "momentum@bias float32(2,)");
    c = CONFIG("adam", {"amsgrad", 1});
    assert_slots(&c, "iteration int64(), momentum@scale float32(), velocity@scale float32(), "
                     "momentum@kernel float64(3,2), velocity@kernel float64(3,2), momentum@bias "
                     "float32(2,), velocity@bias float32(2,), velocity_hat@scale float32(), "
                     "velocity_hat@kernel float64(3,2), velocity_hat@bias float32(2,)");
    c = CONFIG("adafactor");
    assert_slots(&c, "iteration int64(), velocity@scale float32(), r@kernel float64(3,), c@kernel "
                     "float64(2,), velocity@kernel float64(3,2), velocity@bias float32(2,)");
    c = CONFIG("muon");
    assert_slots(&c, "iteration int64(), momentum@scale float32(), velocity@scale float32(), "
                     "momentum@kernel float64(3,2), momentum@bias float32(2,), velocity@bias "
                     "float32(2,)");
}

static void iterations_count_updates_and_not_calls(void **state) {
    (void)state;
    struct optimizer_part part = {NULL, CONFIG("sgd", {"gradient_accumulation_steps", 2})};
    struct optimizer_config c = CONFIG("sgd");
    assert_int_equal(optimizer_iterations(&c, 7), 7);
    assert_int_equal(optimizer_iterations(&part.config, 7), 3);
    c = CONFIG("LossScaleOptimizer");
    c.parts = &part;
    c.n_parts = 1;
    assert_int_equal(optimizer_iterations(&c, 7), 3); /* the inner one's */
    c = CONFIG("MultiOptimizer");
    c.parts = &part;
    c.n_parts = 1;
    assert_int_equal(optimizer_iterations(&c, 7), 7); /* its own */
}

/* ---- numbers ------------------------------------------------------------------------------------ */

/* One step from w = 1, 2, 3, 4 by g = 1, 6, 7, 2, as a vector or a 2x2 matrix, to ten digits. */
struct golden {
    const char *name;
    struct named settings[NAMED_MOST];
    bool matrix;
    double wanted[4];
};
#define RATE                                                                                       \
    { "learning_rate", 0.5 }
static const struct golden one_step[] = {
    {"SGD", {RATE}, false, {.5, -1, -.5, 3}},
    {"Adam", {RATE}, false, {.5000015811, 1.5000002635, 2.5000002259, 3.5000007906}},
    {"AdamW", {RATE}, false, {.4980015811, 1.4960002635, 2.4940002259, 3.4920007906}},
    {"RMSprop", {RATE}, false, {-.5811380395, .4188611919, 1.418861186, 2.4188613676}},
    {"Adadelta", {RATE}, false, {.9992928939, 1.9992928932, 2.9992928932, 3.9992928934}},
    {"Adagrad", {RATE}, false, {.523268727, 1.5006930017, 2.500509425, 3.5061352077}},
    {"Adamax", {RATE}, false, {.50000005, 1.5000000083, 2.5000000071, 3.500000025}},
    {"Nadam", {RATE}, false, {.4686061515, 1.4686061072, 2.4686061059, 3.4686061249}},
    {"Ftrl", {RATE}, false, {.2217573608, 1.3954298431, 2.3651213198, 2.8814401541}},
    {"Lion", {RATE}, false, {.5, 1.5, 2.5, 3.5}},
    {"Lamb", {RATE}, false, {-.3693063188, .6306935671, 1.6306935639, 2.6306936128}},
    {"Adafactor", {RATE}, false, {-.3693063938, .6306936062, 1.6306936062, 2.6306936062}},
    {"Adafactor", {RATE}, true, {.700654456, -.0080709557, 1.2492111787, 3.4407310259}},
    {"Muon",
     {RATE, {"weight_decay", NAN}},
     true,
     {.9887748547, 1.887052645, 2.8734276848, 3.9703502647}},
    {"ScheduleFreeAdamW", {RATE}, false, {.500000005, 1.5000000008, 2.5000000007, 3.5000000025}},
    {"ScheduleFreeAdamW",
     {RATE, {"warmup_steps", 10}},
     false,
     {.9500000005, 1.9500000001, 2.9500000001, 3.9500000003}},
};

static void one_step_in_float64_is_the_formula_to_ten_digits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof one_step / sizeof *one_step; i++) {
        const struct golden *row = &one_step[i];
        double w[] = {1, 2, 3, 4}, g[] = {1, 6, 7, 2};
        const struct tensor value = row->matrix ? matrix(w, 2, 2) : vector(w, 4);
        const struct tensor gradient = row->matrix ? matrix(g, 2, 2) : vector(g, 4);
        const struct optimizer_config c = config_of(row->name, row->settings);
        struct stepper s;
        stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
        must_step(&s, &gradient, 1);
        for (int k = 0; k < 4; k++)
            assert_near(row->name, element(&s.values[0], k), row->wanted[k], 6e-11);
        stepper_end(&s);
    }
}

static void every_optimizer_has_a_step_of_its_own(void **state) {
    (void)state;
    for (size_t i = 0; i < optimizer_count; i++) {
        const struct optimizer *o = optimizer_table[i];
        size_t k = 0, n = sizeof one_step / sizeof *one_step;
        while (k < n && strcmp(one_step[k].name, o->name) != 0) k++;
        if (k == n && !o->wraps) fail_msg("one_step has no row for %s", o->name);
    }
}

/* Five steps from ten ones, the first by 0.01, the others by 0.1, 0.2 ... 1: elements 0, 4 and 9. */
struct five {
    const char *name;
    struct named settings[NAMED_MOST];
    double wanted[5][3];
};
static const struct five five_steps[] = {
    {"SGD",
     {{"nesterov", 1}},
     {{.9999, .9999, .9999},
      {.9989, .9949, .9899},
      {.9979, .9899, .9799},
      {.9969, .9849, .9699},
      {.9959, .9799, .9599}}},
    {"Adam",
     {{"amsgrad", 1}},
     {{.99900032, .99900032, .99900032},
      {.99819325, .99824294, .99824952},
      {.99730044, .99737725, .99738742},
      {.99636784, .99646272, .99647529},
      {.99541246, .99552052, .99553484}}},
    {"AdamW",
     {{"learning_rate", 1}, {"weight_decay", .5}, {"epsilon", 2}},
     {{.49984191, .49984191, .49984191},
      {.24864051, .24397913, .23823402},
      {.12232382, .11241923, .10026563},
      {.05861185, .0438613, .02583037},
      {.02629275, .00727504, -.01589228}}},
    {"RMSprop",
     {{"centered", 1}},
     {{.99668503, .99668503, .99668503},
      {.99333357, .99334563, .99334851},
      {.99076504, .9907917, .99079696},
      {.98849638, .98853751, .98854491},
      {.98637277, .98642818, .9864376}}},
    {"Adadelta",
     {{"learning_rate", 1}, {"rho", .8}, {"epsilon", 1e-6}},
     {{.99781782, .99781782, .99781782},
      {.99470661, .99469395, .99469355},
      {.99150778, .9914824, .9914816},
      {.98824572, .98820768, .98820648},
      {.98493229, .98488164, .98488004}}},
    {"Adagrad",
     {{"learning_rate", .2}, {"initial_accumulator_value", .3}, {"epsilon", 1e-6}},
     {{.99634913, .99634913, .99634913},
      {.96043392, .86152154, .82094434},
      {.92508416, .7497252, .68907114},
      {.89027396, .65213988, .57897645},
      {.85597933, .56443749, .48252902}}},
    {"Adamax",
     {{"learning_rate", .2}, {"beta_1", .85}, {"beta_2", .95}, {"epsilon", 1e-6}},
     {{.80002, .80002, .80002},
      {.68272387, .69007427, .69099308},
      {.5332793, .54512218, .54660255},
      {.36797048, .38289554, .38476119},
      {.19330802, .21048375, .21263074}}},
    {"Adafactor",
     {{"learning_rate", .5},
      {"beta_2_decay", -.65},
      {"epsilon_1", 1e-15},
      {"epsilon_2", 1e-4},
      {"clip_threshold", .9},
      {"relative_step", 0}},
     {{.55, .55, .55},
      {.30309286, .30241938, .30239825},
      {.16709825, .16627657, .1662508},
      {.09226844, .09140242, .09137525},
      {.05544971, .05457011, .05454253}}},
    {"Nadam",
     {{"learning_rate", .5}, {"beta_1", .5}, {"beta_2", .67}, {"epsilon", 1e-5}},
     {{.42809131, .42809131, .42809131},
      {-.1738019, -.1721218, -.17173053},
      {-.71152433, -.70895677, -.70838953},
      {-1.23353855, -1.23057866, -1.22992904},
      {-1.7492008, -1.74609383, -1.7454065}}},
    {"Ftrl",
     {{"learning_rate", .05},
      {"learning_rate_power", -.2},
      {"initial_accumulator_value", .4},
      {"l1_regularization_strength", .05},
      {"l2_regularization_strength", .15},
      {"l2_shrinkage_regularization_strength", .01},
      {"beta", .3}},
     {{0, 0, 0},
      {-.00343694, -.01943918, -.03535857},
      {-.00776013, -.03874156, -.06852752},
      {-.01206482, -.05732271, -.09988528},
      {-.01635141, -.07533673, -.12994726}}},
    {"Lion",
     {{0}},
     {{.999, .999, .999},
      {.998, .998, .998},
      {.997, .997, .997},
      {.996, .996, .996},
      {.995, .995, .995}}},
    {"Lamb",
     {{0}},
     {{.999, .999, .999},
      {.99794372, .99800877, .99801739},
      {.99691821, .99701443, .99702718},
      {.99590383, .99601973, .99603509},
      {.99489554, .99502535, .99504256}}},
};

static void five_steps_in_float64_are_the_formula_to_eight_digits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof five_steps / sizeof *five_steps; i++) {
        const struct five *row = &five_steps[i];
        double w[10], g[10];
        for (int k = 0; k < 10; k++) w[k] = 1, g[k] = .01;
        const struct tensor value = vector(w, 10), gradient = vector(g, 10);
        const struct optimizer_config c = config_of(row->name, row->settings);
        struct stepper s;
        stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
        for (int step = 0; step < 5; step++) {
            must_step(&s, &gradient, 1);
            for (int k = 0; k < 10; k++) g[k] = .1 * (k + 1);
            for (int k = 0; k < 3; k++)
                assert_near(row->name, element(&s.values[0], (int[]){0, 4, 9}[k]),
                            row->wanted[step][k], 6e-9);
        }
        stepper_end(&s);
    }
}

static void averages_begin_as_copies_and_overwrite_the_variables(void **state) {
    (void)state;
    double w[] = {3, 4, 5, 6}, g[] = {1, 1, 1, 1};
    const double wanted[][2] = {{2, 2}, {1, 1.9}, {1.71, 1.71}};
    const struct tensor value = vector(w, 4), gradient = vector(g, 4);
    const struct optimizer_config c = CONFIG("sgd", {"learning_rate", 1}, {"use_ema", 1},
                                             {"ema_momentum", .9}, {"ema_overwrite_frequency", 3});
    struct stepper s;
    stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
    for (int step = 0; step < 3; step++) {
        must_step(&s, &gradient, 1);
        for (int k = 0; k < 4; k++) {
            assert_near("w", element(&s.values[0], k), wanted[step][0] + k, 1e-14);
            assert_near("average", element(stepper_slot(&s, 0, "w", "average"), k),
                        wanted[step][1] + k, 1e-14);
        }
    }
    stepper_end(&s);
}

static void gradients_accumulate_and_update_by_their_mean(void **state) {
    (void)state;
    double w = 1, g = 1;
    const struct tensor value = scalar(&w), gradient = scalar(&g);
    const struct optimizer_config c =
        CONFIG("sgd", {"learning_rate", 1}, {"gradient_accumulation_steps", 3});
    const double wanted[][3] = {{1, 1, 0}, {1, 2, 0}, {0, 0, 1}};
    struct stepper s;
    stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
    for (int step = 0; step < 3; step++) {
        must_step(&s, &gradient, 1);
        const double iteration = element(stepper_slot(&s, 0, "", "iteration"), 0);
        assert_near("w", element(&s.values[0], 0), wanted[step][0], 0);
        assert_near("sum", element(stepper_slot(&s, 0, "w", "gradient_accumulator"), 0),
                    wanted[step][1], 0);
        assert_int_equal(optimizer_iterations(&c, (int64_t)iteration), (int)wanted[step][2]);
    }
    stepper_end(&s);
}

static void a_variable_that_comes_twice_is_updated_twice(void **state) {
    (void)state;
    double w = 1, first = 1, second = 10;
    const struct tensor value = scalar(&w), gradients[] = {scalar(&first), scalar(&second)};
    const uint32_t of[] = {0, 0};
    struct optimizer_config c = CONFIG("sgd", {"learning_rate", .5}, {"momentum", .5});
    struct stepper s;
    stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
    assert_true(stepper_step(&s, gradients, 2, of));
    assert_near("m", element(stepper_slot(&s, 0, "w", "momentum"), 0), -5.25, 0);
    assert_near("w", element(&s.values[0], 0), 1 - .5 - 5.25, 0);
    stepper_end(&s);

    c = CONFIG("sgd", {"learning_rate", 1}, {"gradient_accumulation_steps", 2});
    stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
    assert_true(stepper_step(&s, gradients, 2, of));
    assert_near("sum", element(stepper_slot(&s, 0, "w", "gradient_accumulator"), 0), 11, 0);
    assert_true(stepper_step(&s, gradients, 2, of)); /* (1 + 11) / 2 and (10 + 11) / 2 */
    assert_near("w", element(&s.values[0], 0), 1 - 6 - 10.5, 0);
    assert_near("sum", element(stepper_slot(&s, 0, "w", "gradient_accumulator"), 0), 0, 0);
    stepper_end(&s);
}

static void a_norm_over_several_dtypes_is_of_the_widest(void **state) {
    (void)state;
    double wide[] = {0}, g[] = {4e30};
    float narrow[] = {0}, h[] = {3e30F};
    const struct tensor values[] = {vector(wide, 1), {DTYPE_F32, {1, {1}}, narrow}},
                        gradients[] = {vector(g, 1), {DTYPE_F32, {1, {1}}, h}};
    const struct optimizer_config c = CONFIG("sgd", {"learning_rate", 1}, {"global_clipnorm", 5});
    struct stepper s;
    stepper_begin(&s, &c, (const char *const[]){"wide", "narrow"}, values, 2);
    must_step(&s, gradients, 2);
    /* The narrow gradient's own square overflows in float32, and with it the norm. */
    assert_true(isnan(element(&s.values[0], 0)) && isnan(element(&s.values[1], 0)));
    stepper_end(&s);

    g[0] = 4, h[0] = 3;
    stepper_begin(&s, &c, (const char *const[]){"wide", "narrow"}, values, 2);
    must_step(&s, gradients, 2);
    assert_near("wide", element(&s.values[0], 0), -4, 1e-15);
    assert_near("narrow", element(&s.values[1], 0), -3, 0);
    stepper_end(&s);
}

static void a_threshold_of_zero_clips_nothing(void **state) {
    (void)state;
    static const char *const kinds[] = {"clipnorm", "clipvalue", "global_clipnorm"};
    double w = 0, g = 7;
    const struct tensor value = scalar(&w), gradient = scalar(&g);
    for (int i = 0; i < 3; i++) {
        struct optimizer_config c = CONFIG("sgd", {"learning_rate", 1});
        struct stepper s;
        config_set(&c, kinds[i], 0);
        stepper_begin(&s, &c, (const char *const[]){"w"}, &value, 1);
        must_step(&s, &gradient, 1);
        assert_near(kinds[i], element(&s.values[0], 0), -7, 0);
        stepper_end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_optimizer_is_found_by_its_name_in_any_case),
        cmocka_unit_test(slots_stand_in_keras_order_with_their_variables_dtypes),
        cmocka_unit_test(iterations_count_updates_and_not_calls),
        cmocka_unit_test(every_optimizer_has_a_step_of_its_own),
        cmocka_unit_test(one_step_in_float64_is_the_formula_to_ten_digits),
        cmocka_unit_test(five_steps_in_float64_are_the_formula_to_eight_digits),
        cmocka_unit_test(averages_begin_as_copies_and_overwrite_the_variables),
        cmocka_unit_test(gradients_accumulate_and_update_by_their_mean),
        cmocka_unit_test(a_variable_that_comes_twice_is_updated_twice),
        cmocka_unit_test(a_norm_over_several_dtypes_is_of_the_widest),
        cmocka_unit_test(a_threshold_of_zero_clips_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

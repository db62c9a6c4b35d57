/* Optimizers around others, and changes of optimizers: what is read, what stays, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "document.h"
#include "shown.h"

/* ---- optimizers around others ------------------------------------------------------------------ */

#define SCALE(arguments) "{\"name\":\"LossScaleOptimizer\"" arguments "}"
#define MULTI(arguments) "{\"name\":\"MultiOptimizer\"" arguments "}"

static void a_loss_scale_optimizer_refuses_what_keras_refuses(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of,
        {SCALE(""),
         "invalid_argument: LossScaleOptimizer: argument \"inner_optimizer\" is missing"},
        {"\"LossScaleOptimizer\"",
         "invalid_argument: LossScaleOptimizer: argument \"inner_optimizer\" is missing"},
        {SCALE(",\"inner_optimizer\":\"sgd\",\"clipnorm\":1"),
         "invalid_argument: LossScaleOptimizer does not support `clipnorm`. Instead, set "
         "`clipnorm` on "
         "the `inner_optimizer`. [/clipnorm]"},
        {SCALE(",\"inner_optimizer\":\"sgd\",\"use_ema\":1"),
         "invalid_argument: LossScaleOptimizer does not support `use_ema`. Instead, set `use_ema` "
         "on "
         "the `inner_optimizer`. [/use_ema]"},
        {SCALE(",\"inner_optimizer\":\"sgd\",\"foo\":1,\"learning_rate\":2"),
         "invalid_argument: LossScaleOptimizer does not support arguments: `foo`, `learning_rate`. "
         "[/foo]"},
        {SCALE(",\"inner_optimizer\":\"sgd\",\"dynamic\":false"),
         "invalid_argument: LossScaleOptimizer no longer supports `dynamic=False`. Instead, simply "
         "set "
         "`loss_scale_factor` directly on the `inner_optimizer`. [/dynamic]"},
        {SCALE(",\"inner_optimizer\":{\"name\":\"SGD\",\"loss_scale_factor\":2}"),
         "invalid_value: `loss_scale_factor` of an optimizer inside of a LossScaleOptimizer must "
         "be null "
         "[/inner_optimizer/loss_scale_factor]"},
        {SCALE(",\"inner_optimizer\":{\"name\":\"MultiOptimizer\"}"),
         "invalid_value: inner_optimizer cannot be MultiOptimizer. [/inner_optimizer/name]"},
        {SCALE(",\"inner_optimizer\":{\"name\":\"SGD\",\"momentum\":2}"),
         "invalid_value: `momentum` must be a float between [0, 1]. [/inner_optimizer/momentum]"},
        {SCALE(",\"inner_optimizer\":{\"name\":\"SGD\",\"iterations\":2}"),
         "invalid_argument: Argument(s) not recognized: {'iterations': 2} "
         "[/inner_optimizer/iterations]"},
        {"{\"class_name\":\"LossScaleOptimizer\",\"config\":{\"inner_optimizer\":{\"class_name\":"
         "\"SGD\","
         "\"config\":{\"nesterov\":null}}}}",
         "invalid_value: `nesterov` must be true or false, found null "
         "[/config/inner_optimizer/config/nesterov]"});
}

static void a_multi_optimizer_refuses_what_is_not_clear(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of,
        {MULTI(""), "invalid_argument: MultiOptimizer: argument \"optimizers\" is missing"},
        {MULTI(",\"optimizers\":[]"), "invalid_value: one of the optimizers must have no "
                                      "`variables`: it takes all that the others do "
                                      "not [/optimizers]"},
        {MULTI(",\"optimizers\":[{\"variables\":\"a\",\"optimizer\":\"sgd\"}]"),
         "invalid_value: one of the optimizers must have no `variables`: it takes all that the "
         "others do "
         "not [/optimizers]"},
        {MULTI(",\"optimizers\":[{\"optimizer\":\"sgd\"},{\"optimizer\":\"sgd\"}]"),
         "invalid_value: two optimizers have no `variables`; one takes all that the others do not "
         "[/optimizers/1]"},
        {MULTI(",\"optimizers\":[{\"variables\":\"a\",\"optimizer\":\"sgd\"},{\"variables\":\"a\","
               "\"optimizer\":\"adam\"}]"),
         "invalid_value: 'a' already exists in the OptimizerMap. Please make sure to not use "
         "duplicated "
         "keys. [/optimizers/1/variables]"},
        {MULTI(",\"optimizers\":[{\"variables\":\"(\",\"optimizer\":\"sgd\"}]"),
         "invalid_value: \"(\" is no regular expression: missing closing parenthesis at byte 1 "
         "[/optimizers/0/variables]"},
        {MULTI(",\"optimizers\":[{\"variables\":1,\"optimizer\":\"sgd\"}]"),
         "invalid_request: expected a pattern of names, found a number [/optimizers/0/variables]"},
        {MULTI(",\"optimizers\":[{}]"),
         "invalid_request: member \"optimizer\" is missing [/optimizers/0]"},
        {MULTI(",\"optimizers\":[{\"optimiser\":\"sgd\"}]"),
         "invalid_request: unknown member \"optimiser\"; accepted: variables, optimizer "
         "[/optimizers/0/optimiser]"},
        {MULTI(",\"optimizers\":[\"sgd\"]"),
         "invalid_request: expected an object, found a string [/optimizers/0]"},
        {MULTI(",\"optimizers\":{}"),
         "invalid_request: expected a list of objects, found an object [/optimizers]"},
        {MULTI(",\"optimizers\":[{\"optimizer\":{\"name\":\"LossScaleOptimizer\"}}]"),
         "invalid_value: optimizer cannot be LossScaleOptimizer. [/optimizers/0/optimizer/name]"},
        {MULTI(",\"optimizers\":[{\"optimizer\":{\"name\":\"SGD\",\"loss_scale_factor\":2}}]"),
         "invalid_value: `loss_scale_factor` of an optimizer inside of a MultiOptimizer must be "
         "null or "
         "that of the MultiOptimizer [/optimizers/0/optimizer/loss_scale_factor]"},
        {MULTI(",\"clipnorm\":2,\"optimizers\":[]"),
         "invalid_argument: Argument(s) not recognized: {'clipnorm': 2} [/clipnorm]"},
        {MULTI(",\"optimizers\":[],\"optimizer_map\":{}"),
         "invalid_argument: `optimizer_map` is Keras' form of `optimizers`: one of them is to be "
         "given "
         "[/optimizer_map]"},
        {MULTI(",\"optimizer_map\":{}"), "invalid_request: member \"name\" is missing: the class "
                                         "of an OptimizerMap [/optimizer_map]"},
        {MULTI(",\"optimizer_map\":{\"class_name\":\"SGD\"}"),
         "invalid_value: expected an OptimizerMap, found \"SGD\" [/optimizer_map/class_name]"},
        {MULTI(",\"optimizer_map\":{\"class_name\":\"OptimizerMap\",\"config\":{}}"),
         "invalid_request: an OptimizerMap has a default_optimizer and an object optimizer_map "
         "[/optimizer_map/config]"},
        {MULTI(",\"optimizer_map\":{\"class_name\":\"OptimizerMap\",\"config\":{\"default_"
               "optimizer\":\"sg"
               "d\",\"optimizer_map\":{\"a\":\"foo\"}}}"),
         "invalid_value: Could not interpret optimizer identifier: foo "
         "[/optimizer_map/config/optimizer_map/a]"});
}

static void too_many_parts_are_refused(void **state) {
    (void)state;
    char text[2000] = "{\"name\":\"MultiOptimizer\",\"optimizers\":[{\"optimizer\":\"sgd\"}";
    for (int i = 0; i < 32; i++)
        sprintf(text + strlen(text), ",{\"variables\":\"v%d\",\"optimizer\":\"sgd\"}", i);
    strcat(text, "]}");
    assert_string_equal(
        shown_flat_of(text),
        "invalid_value: a MultiOptimizer of 33 optimizers may have 32 [/optimizers]");
}

/* ---- changes ------------------------------------------------------------------------------------ */

/* The optimizer that is changed. */
static const char *from;

static const char *changed(const char *changes) {
    static char answer[1 << 14];
    struct document d, c;
    struct optimizer_sent sent, to;
    struct error error = {0};
    document_open_valid(&d, from);
    document_open_valid(&c, changes);
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    const bool ok = optimizer_change(&sent.config, c.root, &c.arena, &to, &error);
    document_close(&d);
    snprintf(answer, sizeof answer, "%s", ok ? shown_config(&to.config) : error.detail);
    if (*error.pointer)
        snprintf(answer + strlen(answer), sizeof answer - strlen(answer), " [%s]", error.pointer);
    document_close(&c);
    return answer;
}

#define SGD(label, rate, clip, momentum)                                                           \
    "{\"name\":\"SGD\"," label "\"learning_rate\":" rate                                           \
    ",\"weight_decay\":null,\"clipnorm\":" clip                                                    \
    ",\"clipvalue\":null,\"global_clipnorm\":null,\"use_ema\":false,\"ema_momentum\":0.99,"        \
    "\"ema_overwrite_frequency\":null,\"loss_scale_factor\":null,"                                 \
    "\"gradient_accumulation_steps\":null,\"momentum\":" momentum                                  \
    ",\"nesterov\":false,\"exclude_from_weight_decay\":[]}"

static void a_change_keeps_what_it_does_not_name(void **state) {
    (void)state;
    from = "{\"name\":\"SGD\",\"learning_rate\":0.5,\"clipnorm\":1,\"momentum\":0.9,"
           "\"instance_name\":\"mine\"}";
    ASK_CHECK(
        changed, {"{}", SGD("\"instance_name\":\"mine\",", "0.5", "1.0", "0.9")},
        {"{\"lr\":0.25}", SGD("\"instance_name\":\"mine\",", "0.25", "1.0", "0.9")},
        {"{\"name\":\"sgd\",\"clipnorm\":null,\"instance_name\":null}",
         SGD("", "0.5", "null", "0.9")},
        {"{\"class_name\":\"SGD\",\"config\":{\"name\":\"sgd\",\"momentum\":0}}",
         SGD("", "0.5", "1.0", "0.0")},
        {"{\"learning_rate\":{\"name\":\"InverseTimeDecay\",\"initial_learning_rate\":1,"
         "\"decay_steps\":2.5,\"decay_rate\":3}}",
         SGD("\"instance_name\":\"mine\",",
             "{\"name\":\"InverseTimeDecay\",\"initial_learning_rate\":1.0,\"decay_steps\":2.5,"
             "\"decay_rate\":3.0,\"staircase\":false}",
             "1.0", "0.9")});
    from =
        "{\"name\":\"SGD\",\"learning_rate\":{\"name\":\"CosineDecay\",\"initial_learning_rate\":1,"
        "\"decay_steps\":2}}";
    ASK_CHECK(changed, {"{\"learning_rate\":0.5}", SGD("", "0.5", "null", "0.0")});
}

static void a_change_that_does_not_fit_is_refused(void **state) {
    (void)state;
    from = "{\"name\":\"SGD\",\"clipnorm\":1}";
    ASK_CHECK(changed,
              {"{\"name\":\"Adam\"}",
               "the optimizer is of class SGD and stays so: another one, \"Adam\", is put "
               "in its place with PUT [/name]"},
              {"{\"class_name\":\"foo\",\"config\":{}}",
               "the optimizer is of class SGD and stays so: another one, \"foo\", is put in its "
               "place with PUT "
               "[/class_name]"},
              {"\"sgd\"", "expected an object, found a string"},
              {"{\"beta_1\":1}", "Argument(s) not recognized: {'beta_1': 1} [/beta_1]"},
              {"{\"clipvalue\":2}",
               "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
               "Received: clipnorm=1.0, clipvalue=2.0, global_clipnorm=None "
               "[/clipvalue]"},
              {"{\"momentum\":2}", "`momentum` must be a float between [0, 1]. [/momentum]"});
}

static void optimizers_around_others_change_them_in_their_place(void **state) {
    (void)state;
    from = SCALE(",\"inner_optimizer\":{\"name\":\"SGD\",\"momentum\":0.9}");
#define SCALED(steps, inner)                                                                       \
    "{\"name\":\"LossScaleOptimizer\",\"initial_scale\":32768.0,\"dynamic_growth_steps\":" steps   \
    ",\"inner_optimizer\":" inner "}"
    ASK_CHECK(
        changed, {"{\"dynamic_growth_steps\":5}", SCALED("5", SGD("", "0.01", "null", "0.9"))},
        {"{\"inner_optimizer\":{\"clipnorm\":2}}", SCALED("2000", SGD("", "0.01", "2.0", "0.9"))},
        {"{\"inner_optimizer\":{\"name\":\"Adam\"}}",
         "the optimizer is of class SGD and stays so: another one, \"Adam\", is put in its place "
         "with PUT "
         "[/inner_optimizer/name]"});
    from = MULTI(
        ",\"optimizers\":[{\"variables\":\"a\",\"optimizer\":\"sgd\"},{\"optimizer\":{\"name\":"
        "\"SGD\",\"momentum\":0.9}}]");
#define SEVERAL(first, second)                                                                     \
    "{\"name\":\"MultiOptimizer\",\"loss_scale_factor\":null,\"optimizers\":[{\"variables\":"      \
    "\"a\","                                                                                       \
    "\"optimizer\":" first "},{\"optimizer\":" second "}]}"
    ASK_CHECK(changed,
              {"{}", SEVERAL(SGD("", "0.01", "null", "0.0"), SGD("", "0.01", "null", "0.9"))},
              {"{\"optimizers\":[{\"variables\":\"a\",\"optimizer\":{\"lr\":1}}]}",
               SEVERAL(SGD("", "1.0", "null", "0.0"), SGD("", "0.01", "null", "0.9"))},
              {"{\"optimizers\":[{\"optimizer\":{\"lr\":1}},{\"variables\":\"a\",\"optimizer\":{"
               "\"lr\":2}}]}",
               SEVERAL(SGD("", "2.0", "null", "0.0"), SGD("", "1.0", "null", "0.9"))},
              {"{\"optimizers\":[{\"variables\":\"b\",\"optimizer\":{\"lr\":1}}]}",
               "no optimizer is for the variables \"b\" [/optimizers/0/variables]"},
              {"{\"optimizers\":[{\"variables\":\"a\",\"optimizer\":\"adam\"}]}",
               "expected an object, found a string [/optimizers/0/optimizer]"},
              {"{\"optimizer_map\":{}}",
               "`optimizer_map` cannot be changed: `optimizers` can [/optimizer_map]"});
}

static void a_change_tells_of_decay_that_it_ignores(void **state) {
    (void)state;
    struct document d;
    struct optimizer_sent sent, to;
    struct error error = {0};
    document_open_valid(&d, SCALE(",\"inner_optimizer\":{\"name\":\"SGD\",\"decay\":0.5}"));
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    assert_true(optimizer_change(&sent.config, d.root, &d.arena, &to, &error));
    assert_string_equal(to.ignored_decay, "/inner_optimizer/decay");
    document_close(&d);
}

static void without_memory_reading_fails_and_leaks_nothing(void **state) {
    (void)state;
    struct document d;
    document_open_valid(
        &d, MULTI(",\"optimizers\":[{\"variables\":\"a\",\"optimizer\":{\"name\":\"SGD\","
                  "\"exclude_from_weight_decay\":[\"b\",\"c\"]}},{\"optimizer\":{\"name\":"
                  "\"Adam\",\"learning_rate\":{\"name\":\"PiecewiseConstantDecay\","
                  "\"boundaries\":[1],\"values\":[1,2],\"instance_name\":\"n\"}}}]"));
    bool read = false, copied = false;
    for (size_t ceiling = 0; !read || !copied; ceiling += 512) {
        struct arena arena;
        struct optimizer_sent sent;
        struct optimizer_config copy;
        struct error error = {0};
        assert_true(ceiling < 1 << 20);
        arena_init(&arena, ceiling);
        read = optimizer_read(d.root, &arena, &sent, &error);
        if (!read) assert_int_equal(error.code, ERROR_MEMORY_BUDGET);
        copied = read && optimizer_copy(&sent.config, &arena, &copy);
        arena_free(&arena);
    }
    document_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_scale_optimizer_refuses_what_keras_refuses),
        cmocka_unit_test(a_multi_optimizer_refuses_what_is_not_clear),
        cmocka_unit_test(too_many_parts_are_refused),
        cmocka_unit_test(a_change_keeps_what_it_does_not_name),
        cmocka_unit_test(a_change_that_does_not_fit_is_refused),
        cmocka_unit_test(optimizers_around_others_change_them_in_their_place),
        cmocka_unit_test(a_change_tells_of_decay_that_it_ignores),
        cmocka_unit_test(without_memory_reading_fails_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}

/* Optimizers and schedules as they are sent and shown: every form, every refusal, changes, and back again.
 * What Keras itself serialises stands in tests/oracle/optimizer_forms.json. */
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

/* ---- forms ------------------------------------------------------------------------------------ */

#define COMMON                                                                                     \
    "\"weight_decay\":null,\"clipnorm\":null,\"clipvalue\":null,\"global_clipnorm\":null,"         \
    "\"use_ema\":false,\"ema_momentum\":0.99,\"ema_overwrite_frequency\":null,"                    \
    "\"loss_scale_factor\":null,\"gradient_accumulation_steps\":null"
#define SGD(rate)                                                                                  \
    "{\"name\":\"SGD\",\"learning_rate\":" rate "," COMMON                                         \
    ",\"momentum\":0.0,\"nesterov\":false,\"exclude_from_weight_decay\":[]}"
#define LAMB                                                                                       \
    "{\"name\":\"Lamb\",\"learning_rate\":0.001," COMMON                                           \
    ",\"beta_1\":0.9,\"beta_2\":0.999,\"epsilon\":1e-07,\"exclude_from_weight_decay\":[]}"

static void an_optimizer_is_read_in_any_form(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of, {"\"sgd\"", SGD("0.01")}, {"\"SGD\"", SGD("0.01")}, {"\"lamb\"", LAMB},
        {"{\"name\":\"sgd\"}", SGD("0.01")}, {"{\"name\":\"sgd\",\"learning_rate\":1}", SGD("1.0")},
        {"{\"name\":\"SGD\",\"lr\":0.5}", SGD("0.5")},
        {"{\"name\":\"SGD\",\"config\":{\"learning_rate\":0.5}}", SGD("0.5")},
        {"{\"class_name\":\"SGD\",\"config\":{\"learning_rate\":0.009999999776482582,\"name\":"
         "\"sgd\"}}",
         SGD("0.01")},
        {"{\"class_name\":\"SGD\"}", SGD("0.01")},
        {"{\"name\":\"SGD\",\"momentum\":0,\"decay\":null,\"iterations\":3,\"slots\":{}}",
         SGD("0.01")},
        {"{\"name\":\"SGD\",\"learning_rate\":{\"name\":\"exponentialdecay\",\"initial_learning_"
         "rate\":1,"
         "\"decay_steps\":10,\"decay_rate\":0.5}}",
         SGD("{\"name\":\"ExponentialDecay\",\"initial_learning_rate\":1.0,\"decay_steps\":10,"
             "\"decay_rate\":0.5,\"staircase\":false}")},
        {"{\"name\":\"SGD\",\"learning_rate\":{\"class_name\":\"PiecewiseConstantDecay\","
         "\"config\":{"
         "\"boundaries\":[1,2.5],\"values\":[3,2,1],\"name\":\"steps\"}}}",
         SGD("{\"name\":\"PiecewiseConstantDecay\",\"boundaries\":[1.0,2.5],\"values\":[3.0,2.0,1."
             "0],"
             "\"instance_name\":\"steps\"}")},
        {"{\"name\":\"LossScaleOptimizer\",\"inner_optimizer\":\"sgd\",\"dynamic\":true,"
         "\"clipnorm\":null,"
         "\"ema_momentum\":0.99}",
         "{\"name\":\"LossScaleOptimizer\",\"initial_scale\":32768.0,\"dynamic_growth_steps\":2000,"
         "\"inner_optimizer\":" SGD("0.01") "}"},
        {"{\"name\":\"multioptimizer\",\"optimizers\":[{\"optimizer\":\"lamb\"},{\"variables\":\"w."
         "*\","
         "\"optimizer\":\"sgd\"}]}",
         "{\"name\":\"MultiOptimizer\",\"loss_scale_factor\":null,\"optimizers\":[{"
         "\"optimizer\":" LAMB "},{\"variables\":\"w.*\",\"optimizer\":" SGD("0.01") "}]}"});
}

/* Members in any order; 1 is 1.0. */
static bool same(const struct json *a, const struct json *b, struct arena *arena) {
    double x, y;
    const struct json *other;
    if (json_type(a) == JSON_NUMBERS) a = json_split(arena, a);
    if (json_type(b) == JSON_NUMBERS) b = json_split(arena, b);
    if (json_type(a) != json_type(b) || json_length(a) != json_length(b)) return false;
    switch (json_type(a)) {
    case JSON_BOOL:
        return json_bool(a) == json_bool(b);
    case JSON_NUMBER:
        return json_double(a, &x) && json_double(b, &y) && x == y;
    case JSON_STRING:
        return strcmp(json_string(a), json_string(b)) == 0;
    case JSON_OBJECT:
        for (const struct json *m = json_first(a); m; m = json_next(m))
            if (!(other = json_member(b, json_key(m))) || !same(m, other, arena)) return false;
        return true;
    default:
        other = json_first(b);
        for (const struct json *e = json_first(a); e; e = json_next(e), other = json_next(other))
            if (!same(e, other, arena)) return false;
        return true;
    }
}

/* Fails the test with a line's number unless both texts are the same. */
static void assert_line(size_t line, const char *what, const char *found, const char *expected) {
    if (strcmp(found, expected) != 0)
        fail_msg("line %zu: %s:\n%s\nwhere expected is\n%s", line, what, found, expected);
}

static void for_each_form(void (*check)(size_t line, const struct json *flat,
                                        const struct json *keras, struct arena *arena)) {
    struct document d;
    size_t line = 0;
    document_open_oracle(&d, "optimizer_forms.json");
    for (const struct json *pair = json_first(d.root); pair; pair = json_next(pair))
        check(++line, json_member(pair, "flat"), json_member(pair, "keras"), &d.arena);
    assert_true(line >= 290);
    document_close(&d);
}

static void check_keras(size_t line, const struct json *flat, const struct json *keras,
                        struct arena *arena) {
    struct document d;
    assert_line(line, "Keras' form is read as", shown_flat(keras, arena), shown_flat(flat, arena));
    const char *written = shown_keras(flat, arena);
    document_open_valid(&d, written);
    if (!same(d.root, keras, arena) || !same(keras, d.root, arena))
        fail_msg("line %zu: Keras does not write %s", line, written);
    document_close(&d);
}

static void what_keras_serialises_is_read_and_written(void **state) {
    (void)state;
    for_each_form(check_keras);
}

static void check_round_trip(size_t line, const struct json *flat, const struct json *keras,
                             struct arena *arena) {
    struct document d;
    struct arena other;
    struct optimizer_sent sent, changed;
    struct optimizer_config copy;
    struct error error = {0};
    (void)keras;
    const char *written = shown_flat(flat, arena);
    document_open_valid(&d, written);
    assert_line(line, "read again", shown_flat(d.root, &d.arena), written);

    arena_init(&other, 1 << 20);
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    assert_true(optimizer_copy(&sent.config, &other, &copy));
    document_close(&d);
    assert_line(line, "a copy", shown_config(&copy), written);

    document_open_valid(&d, "{}");
    assert_true(optimizer_change(&copy, d.root, &d.arena, &changed, &error));
    arena_free(&other);
    assert_line(line, "changed in nothing", shown_config(&changed.config), written);
    document_close(&d);
}

static void what_is_written_reads_to_the_same_settings(void **state) {
    (void)state;
    for_each_form(check_round_trip);
}

static void state_and_warnings_stand_beside_the_settings(void **state) {
    (void)state;
    struct document d;
    struct optimizer_sent sent;
    struct error error = {0};
    document_open_valid(&d,
                        "{\"name\":\"SGD\",\"decay\":0.1,\"iterations\":7,\"slots\":{\"x\":1}}");
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    assert_string_equal(sent.ignored_decay, "/decay");
    assert_ptr_equal(sent.iterations, json_member(d.root, "iterations"));
    assert_ptr_equal(sent.slots, json_member(d.root, "slots"));
    document_close(&d);
    document_open_valid(&d,
                        "{\"class_name\":\"SGD\",\"config\":{\"decay\":null},\"iterations\":7}");
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    assert_null(sent.ignored_decay);
    assert_ptr_equal(sent.iterations, json_member(d.root, "iterations"));
    assert_null(sent.slots);
    document_close(&d);
    document_open_valid(
        &d, "{\"name\":\"LossScaleOptimizer\",\"inner_optimizer\":{\"name\":\"SGD\",\"decay\":0}}");
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    assert_string_equal(sent.ignored_decay, "/inner_optimizer/decay");
    document_close(&d);
    document_open_valid(
        &d,
        "{\"name\":\"MultiOptimizer\",\"optimizers\":[{\"optimizer\":\"sgd\"},{\"variables\":\"a\","
        "\"optimizer\":{\"class_name\":\"SGD\",\"config\":{\"decay\":0.5}}}]}");
    assert_true(optimizer_read(d.root, &d.arena, &sent, &error));
    assert_string_equal(sent.ignored_decay, "/optimizers/1/optimizer/config/decay");
    document_close(&d);
}

/* ---- refusals --------------------------------------------------------------------------------- */

#define RATE(text)                                                                                 \
    "invalid_value: Argument `learning_rate` should be float, or an instance of "                  \
    "LearningRateSchedule, or a callable (that takes in the current iteration value and returns "  \
    "the corresponding learning rate value). Received instead: learning_rate=" text

static void a_class_that_is_none_is_refused(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of, {"\"foo\"", "invalid_value: Could not interpret optimizer identifier: foo"},
        {"\"adm\"",
         "invalid_value: Could not interpret optimizer identifier: adm; did you mean \"Adam\"?"},
        {"{\"name\":\"foo\"}",
         "invalid_value: Could not interpret optimizer identifier: foo [/name]"},
        {"{\"class_name\":\"foo\",\"config\":{}}",
         "invalid_value: Could not interpret optimizer identifier: foo [/class_name]"},
        {"1", "invalid_request: expected the name of an optimizer or an object, found a number"},
        {"null", "invalid_request: expected the name of an optimizer or an object, found null"},
        {"{}", "invalid_request: member \"name\" is missing: the class of an optimizer"},
        {"{\"name\":1}", "invalid_request: expected a string, found a number [/name]"},
        {"{\"class_name\":\"SGD\",\"config\":1}",
         "invalid_request: expected an object, found a number [/config]"},
        {"{\"class_name\":\"SGD\",\"config\":{},\"momentum\":1}",
         "invalid_request: unknown member \"momentum\"; accepted: class_name, config, module, "
         "registered_name, build_config, iterations, slots [/momentum]"},
        {"{\"name\":\"SGD\",\"config\":{},\"momentum\":1}",
         "invalid_request: unknown member \"momentum\"; accepted: name, config, iterations, slots "
         "[/momentum]"},
        {"{\"class_name\":\"SGD\",\"config\":{},\"registered_name\":\"my>SGD\"}",
         "invalid_value: `registered_name` must be null: there are no classes but Keras' own "
         "[/registered_name]"},
        {"{\"name\":\"SGD\",\"instance_name\":1}",
         "invalid_request: expected a string or null, found a number [/instance_name]"},
        {"{\"class_name\":\"SGD\",\"config\":{\"name\":1}}",
         "invalid_request: expected a string or null, found a number [/config/name]"});
}

static void an_argument_that_is_none_is_refused_in_keras_words(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of,
        {"{\"name\":\"SGD\",\"foo\":0.1}",
         "invalid_argument: Argument(s) not recognized: {'foo': 0.1} [/foo]"},
        {"{\"name\":\"SGD\",\"foo\":[1,2.50,null,true,\"it's\",{\"a\":{}},[],"
         "\"\\n\\\\\\u0001\\u00e9\"],"
         "\"bar\":1e400,\"momentum\":7}",
         "invalid_argument: Argument(s) not recognized: {'foo': [1, 2.5, None, True, \"it's\", "
         "{'a': {}}, "
         "[], '\\n\\\\\\x01\xC3\xA9'], 'bar': inf} [/foo]"},
        {"{\"class_name\":\"SGD\",\"config\":{\"momentun\":0.9}}",
         "invalid_argument: Argument(s) not recognized: {'momentun': 0.9}; did you mean "
         "\"momentum\"? "
         "[/config/momentun]"},
        {"{\"class_name\":\"SGD\",\"config\":{\"iterations\":1}}",
         "invalid_argument: Argument(s) not recognized: {'iterations': 1} [/config/iterations]"},
        {"{\"name\":\"SGD\",\"beta_1\":0.9}",
         "invalid_argument: Argument(s) not recognized: {'beta_1': 0.9} [/beta_1]"},
        {"{\"name\":\"Adam\",\"exclude_layers\":[]}",
         "invalid_argument: Argument(s) not recognized: {'exclude_layers': []} [/exclude_layers]"},
        {"{\"name\":\"SGD\",\"lr\":0.1,\"learning_rate\":0.1}",
         "invalid_argument: `lr` is another name of `learning_rate`: one of them is to be given "
         "[/lr]"});
}

static void a_learning_rate_that_is_none_is_refused(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of, {"{\"name\":\"SGD\",\"learning_rate\":null}", RATE("None [/learning_rate]")},
        {"{\"name\":\"SGD\",\"lr\":true}", RATE("True [/lr]")},
        {"{\"name\":\"SGD\",\"learning_rate\":\"x\"}", RATE("x [/learning_rate]")},
        {"{\"name\":\"SGD\",\"learning_rate\":\"NaN\"}", RATE("NaN [/learning_rate]")},
        {"{\"name\":\"SGD\",\"learning_rate\":[0.1]}", RATE("[0.1] [/learning_rate]")},
        {"{\"name\":\"SGD\",\"learning_rate\":1e39}",
         "invalid_value: `learning_rate` is out of the range of float32: 1e39 [/learning_rate]"},
        {"{\"name\":\"SGD\",\"learning_rate\":-1e999}",
         "invalid_value: `learning_rate` is out of the range of float32: -1e999 [/learning_rate]"});
}

static void a_value_of_another_kind_is_refused(void **state) {
    (void)state;
    ASK_CHECK(shown_flat_of,
              {"{\"name\":\"Adam\",\"beta_1\":\"0.9\"}",
               "invalid_value: `beta_1` must be a number, found a string [/beta_1]"},
              {"{\"name\":\"Adam\",\"beta_1\":null}",
               "invalid_value: `beta_1` must be a number, found null [/beta_1]"},
              {"{\"name\":\"Adam\",\"beta_1\":true}",
               "invalid_value: `beta_1` must be a number, found a boolean [/beta_1]"},
              {"{\"name\":\"Adam\",\"beta_1\":[1]}",
               "invalid_value: `beta_1` must be a number, found an array of numbers [/beta_1]"},
              {"{\"name\":\"Adam\",\"epsilon\":\"Infinity\"}",
               "invalid_value: `epsilon` must be finite, found Infinity [/epsilon]"},
              {"{\"name\":\"Adam\",\"clipnorm\":{}}",
               "invalid_value: `clipnorm` must be a number or null, found an object [/clipnorm]"},
              {"{\"name\":\"Adam\",\"amsgrad\":1}",
               "invalid_value: `amsgrad` must be true or false, found 1 [/amsgrad]"},
              {"{\"name\":\"Muon\",\"ns_steps\":2.5}",
               "invalid_value: `ns_steps` must be an integer, found 2.5 [/ns_steps]"},
              {"{\"name\":\"Muon\",\"ns_steps\":101}",
               "invalid_value: `ns_steps` must be between 0 and 100, found 101 [/ns_steps]"},
              {"{\"name\":\"Muon\",\"ns_steps\":-1}",
               "invalid_value: `ns_steps` must be between 0 and 100, found -1 [/ns_steps]"},
              {"{\"name\":\"SGD\",\"gradient_accumulation_steps\":1000001}",
               "invalid_value: `gradient_accumulation_steps` must be between -2147483648 and "
               "1000000, found "
               "1000001 [/gradient_accumulation_steps]"},
              {"{\"name\":\"SGD\",\"ema_overwrite_frequency\":2147483648}",
               "invalid_value: `ema_overwrite_frequency` must be between -2147483648 and "
               "2147483647, found "
               "2147483648 [/ema_overwrite_frequency]"});
}

static void what_keras_constructors_refuse_is_refused_in_their_words(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of,
        {"{\"name\":\"SGD\",\"gradient_accumulation_steps\":1}",
         "invalid_value: `gradient_accumulation_steps` must be an integer >= 2. Received: "
         "gradient_accumulation_steps=1 [/gradient_accumulation_steps]"},
        {"{\"name\":\"SGD\",\"gradient_accumulation_steps\":-3}",
         "invalid_value: `gradient_accumulation_steps` must be an integer >= 2. Received: "
         "gradient_accumulation_steps=-3 [/gradient_accumulation_steps]"},
        {"{\"name\":\"SGD\",\"gradient_accumulation_steps\":2.5}",
         "invalid_value: `gradient_accumulation_steps` must be an integer >= 2. Received: "
         "gradient_accumulation_steps=2.5 [/gradient_accumulation_steps]"},
        {"{\"name\":\"SGD\",\"use_ema\":true,\"ema_momentum\":1.5}",
         "invalid_value: `ema_momentum` must be in the range [0, 1]. Received: ema_momentum=1.5 "
         "[/ema_momentum]"},
        {"{\"name\":\"SGD\",\"use_ema\":true,\"ema_overwrite_frequency\":-1}",
         "invalid_value: `ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
         "ema_overwrite_frequency=-1 [/ema_overwrite_frequency]"},
        {"{\"name\":\"SGD\",\"ema_overwrite_frequency\":1.5}",
         "invalid_value: `ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
         "ema_overwrite_frequency=1.5 [/ema_overwrite_frequency]"},
        {"{\"class_name\":\"SGD\",\"config\":{\"clipnorm\":1,\"clipvalue\":0.5}}",
         "invalid_value: Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
         "Received: "
         "clipnorm=1.0, clipvalue=0.5, global_clipnorm=None [/config/clipvalue]"},
        {"{\"name\":\"SGD\",\"momentum\":1.5}",
         "invalid_value: `momentum` must be a float between [0, 1]. [/momentum]"},
        {"{\"name\":\"SGD\",\"momentum\":-0.5}",
         "invalid_value: `momentum` must be a float between [0, 1]. [/momentum]"},
        {"{\"name\":\"AdamW\",\"weight_decay\":null}",
         "invalid_value: Argument `weight_decay` must be a float. Received: weight_decay=None "
         "[/weight_decay]"},
        {"{\"name\":\"Lion\",\"beta_1\":0}",
         "invalid_value: Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer "
         "degenerates to SignSGD. Received: beta_1=0.0. [/beta_1]"},
        {"{\"name\":\"Ftrl\",\"initial_accumulator_value\":-1}",
         "invalid_value: `initial_accumulator_value` needs to be positive or zero. Received: "
         "initial_accumulator_value=-1.0. [/initial_accumulator_value]"},
        {"{\"name\":\"Ftrl\",\"learning_rate_power\":0.5}",
         "invalid_value: `learning_rate_power` needs to be negative or zero. Received: "
         "learning_rate_power=0.5. [/learning_rate_power]"},
        {"{\"name\":\"Ftrl\",\"l1_regularization_strength\":-1}",
         "invalid_value: `l1_regularization_strength` needs to be positive or zero. Received: "
         "l1_regularization_strength=-1.0. [/l1_regularization_strength]"},
        {"{\"name\":\"Ftrl\",\"l2_regularization_strength\":-1}",
         "invalid_value: `l2_regularization_strength` needs to be positive or zero. Received: "
         "l2_regularization_strength=-1.0. [/l2_regularization_strength]"},
        {"{\"name\":\"Ftrl\",\"l2_shrinkage_regularization_strength\":-1}",
         "invalid_value: `l2_shrinkage_regularization_strength` needs to be positive or zero. "
         "Received: "
         "l2_shrinkage_regularization_strength=-1.0. [/l2_shrinkage_regularization_strength]"});
}

static void what_keras_allows_is_allowed(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"name\":\"SGD\",\"gradient_accumulation_steps\":0}",
        "{\"name\":\"SGD\",\"gradient_accumulation_steps\":2.0}",
        "{\"name\":\"SGD\",\"ema_momentum\":7}",
        "{\"name\":\"SGD\",\"ema_overwrite_frequency\":-1}",
        "{\"name\":\"SGD\",\"use_ema\":true,\"ema_overwrite_frequency\":0}",
        "{\"name\":\"SGD\",\"learning_rate\":-1,\"clipnorm\":0,\"weight_decay\":0}",
        "{\"name\":\"SGD\",\"momentum\":1}",
        "{\"name\":\"RMSprop\",\"rho\":7,\"momentum\":-1}",
        "{\"name\":\"Muon\",\"weight_decay\":null,\"rms_rate\":null,\"exclude_layers\":null}",
        "{\"name\":\"Lion\",\"beta_1\":1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*shown_flat_of(texts[i]) != '{') fail_msg("%s: %s", texts[i], shown_flat_of(texts[i]));
}

#define SCHEDULE(name, arguments)                                                                  \
    "{\"name\":\"SGD\",\"learning_rate\":{\"name\":\"" name "\"" arguments "}}"

static void a_schedule_that_is_none_is_refused(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of,
        {SCHEDULE("Exponential", ""),
         "invalid_value: unknown schedule \"Exponential\" [/learning_rate/name]"},
        {SCHEDULE("CosineDecays", ""),
         "invalid_value: unknown schedule \"CosineDecays\"; did you mean "
         "\"CosineDecay\"? [/learning_rate/name]"},
        {"{\"name\":\"SGD\",\"learning_rate\":{}}",
         "invalid_request: member \"name\" is missing: the class of a schedule [/learning_rate]"},
        {SCHEDULE("ExponentialDecay", ",\"initial_learning_rate\":1,\"decay_steps\":5"),
         "invalid_argument: ExponentialDecay: argument \"decay_rate\" is missing [/learning_rate]"},
        {"{\"name\":\"SGD\",\"learning_rate\":{\"class_name\":\"CosineDecay\",\"config\":{}}}",
         "invalid_argument: CosineDecay: argument \"initial_learning_rate\" is missing "
         "[/learning_rate/config]"},
        {SCHEDULE("CosineDecay", ",\"initial_learning_rate\":1,\"decay_steps\":0"),
         "invalid_value: Argument `decay_steps` must be > 0. Received: decay_steps=0 "
         "[/learning_rate/decay_steps]"},
        {SCHEDULE("CosineDecayRestarts", ",\"initial_learning_rate\":1,\"first_decay_steps\":-2.5"),
         "invalid_value: Argument `first_decay_steps` must be > 0. Received: "
         "first_decay_steps=-2.5 "
         "[/learning_rate/first_decay_steps]"},
        {SCHEDULE("CosineDecay", ",\"initial_learning_rate\":\"NaN\",\"decay_steps\":1"),
         "invalid_value: `initial_learning_rate` must be finite, found NaN "
         "[/learning_rate/initial_learning_rate]"},
        {SCHEDULE("CosineDecay", ",\"alfa\":1,\"iterations\":2"),
         "invalid_argument: Argument(s) not recognized: {'alfa': 1, 'iterations': 2}; did you mean "
         "\"alpha\"? [/learning_rate/alfa]"},
        {SCHEDULE("PiecewiseConstantDecay", ",\"boundaries\":[1],\"values\":[1.0]"),
         "invalid_value: The length of boundaries should be 1 less than the length of values. "
         "Received: "
         "boundaries=[1] of length 1, and values=[1.0] of length 1. [/learning_rate/boundaries]"},
        {SCHEDULE("PiecewiseConstantDecay", ",\"boundaries\":[],\"values\":[1.0]"),
         "invalid_value: `boundaries` must have one number or more [/learning_rate/boundaries]"},
        {SCHEDULE("PiecewiseConstantDecay", ",\"boundaries\":5,\"values\":[1.0]"),
         "invalid_value: `boundaries` must be a list of numbers, found a number "
         "[/learning_rate/boundaries]"},
        {SCHEDULE("PiecewiseConstantDecay", ",\"boundaries\":[1,[2]],\"values\":[1.0]"),
         "invalid_value: `boundaries` must be a number, found an array of numbers "
         "[/learning_rate/boundaries/1]"},
        {SCHEDULE("PiecewiseConstantDecay", ",\"boundaries\":[1],\"values\":[1.0,\"NaN\"]"),
         "invalid_value: `values` must be finite, found NaN [/learning_rate/values/1]"},
        {SCHEDULE("PiecewiseConstantDecay", ",\"boundaries\":[1]"),
         "invalid_argument: PiecewiseConstantDecay: argument \"values\" is missing "
         "[/learning_rate]"});
}

/* `open`, n times `unit` with commas between, `close`. */
static char *repeated(const char *open, const char *unit, size_t n, const char *close) {
    char *text = malloc(strlen(open) + n * (strlen(unit) + 1) + strlen(close) + 1);
    char *at = text + sprintf(text, "%s", open);
    for (size_t i = 0; i < n; i++) at += sprintf(at, "%s%s", i ? "," : "", unit);
    sprintf(at, "%s", close);
    return text;
}

static void assert_answer(char *text, const char *answer) {
    assert_string_equal(shown_flat_of(text), answer);
    free(text);
}

static void what_is_too_long_is_refused(void **state) {
    (void)state;
    assert_answer(repeated("{\"name\":\"SGD\",\"exclude_from_weight_decay\":[", "\"a\"", 33, "]}"),
                  "invalid_value: `exclude_from_weight_decay` has 33 patterns and may have 32 "
                  "[/exclude_from_weight_decay]");
    assert_answer(
        repeated("{\"name\":\"SGD\",\"learning_rate\":{\"name\":\"PiecewiseConstantDecay\","
                 "\"values\":[1],\"boundaries\":[",
                 "1", 257, "]}}"),
        "invalid_value: `boundaries` has 257 numbers and may have 256 "
        "[/learning_rate/boundaries]");
    assert_answer(
        repeated("{\"name\":\"SGD\",\"learning_rate\":{\"name\":\"PiecewiseConstantDecay\","
                 "\"boundaries\":[1],\"values\":[",
                 "1", 258, "]}}"),
        "invalid_value: `values` has 258 numbers and may have 257 "
        "[/learning_rate/values]");
    assert_answer(repeated("{\"name\":\"SGD\",\"instance_name\":[", "\"a\"", 1, "]}"),
                  "invalid_request: expected a string or null, found an array [/instance_name]");
    char *text = repeated("{\"name\":\"SGD\",\"instance_name\":\"", "ab", 44, "\"}");
    assert_answer(
        text,
        "invalid_value: a name of 131 bytes is longer than the 128 it may have [/instance_name]");
}

static void a_pattern_that_is_none_is_refused(void **state) {
    (void)state;
    ASK_CHECK(
        shown_flat_of,
        {"{\"name\":\"SGD\",\"exclude_from_weight_decay\":\"bias\"}",
         "invalid_value: `exclude_from_weight_decay` must be a list of patterns of names, found a "
         "string [/exclude_from_weight_decay]"},
        {"{\"name\":\"SGD\",\"exclude_from_weight_decay\":[\"bias\",1]}",
         "invalid_value: `exclude_from_weight_decay` must be a list of patterns of names, found a "
         "number [/exclude_from_weight_decay/1]"},
        {"{\"name\":\"SGD\",\"exclude_from_weight_decay\":[1]}",
         "invalid_value: `exclude_from_weight_decay` must be a list of patterns of names, found an "
         "array of numbers [/exclude_from_weight_decay]"},
        {"{\"class_name\":\"Muon\",\"config\":{\"exclude_layers\":[\"a\",\"(\"]}}",
         "invalid_value: \"(\" is no regular expression: missing closing parenthesis at byte 1 "
         "[/config/exclude_layers/1]"});
}

static void too_many_patterns_are_refused(void **state) {
    (void)state;
    char part[1024], *list = repeated("\"exclude_from_weight_decay\":[", "\"a\"", 31, "]");
    snprintf(part, sizeof part, "{\"optimizer\":{\"name\":\"SGD\",%s},\"variables\":\"v", list);
    free(list);
    char text[4096];
    size_t n = (size_t)snprintf(
        text, sizeof text, "{\"name\":\"MultiOptimizer\",\"optimizers\":[{\"optimizer\":\"sgd\"}");
    for (int i = 1; i <= 3; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",%s%d\"}", part, i);
    snprintf(text + n, sizeof text - n, "]}");
    assert_non_null(strstr(shown_flat_of(text),
                           "invalid_value: an optimizer has more than 64 patterns, "
                           "those of its parts included [/optimizers/3/"));
}

/* A pattern's characters are tried once each, however often they stand in it. */
static void a_long_pattern_is_read_quickly(void **state) {
    (void)state;
    char *text = repeated("{\"name\":\"SGD\",\"exclude_from_weight_decay\":[\"", "ab", 85, "\"]}");
    assert_null(strstr(shown_flat_of(text), "invalid"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_optimizer_is_read_in_any_form),
        cmocka_unit_test(what_keras_serialises_is_read_and_written),
        cmocka_unit_test(what_is_written_reads_to_the_same_settings),
        cmocka_unit_test(state_and_warnings_stand_beside_the_settings),
        cmocka_unit_test(a_class_that_is_none_is_refused),
        cmocka_unit_test(an_argument_that_is_none_is_refused_in_keras_words),
        cmocka_unit_test(a_learning_rate_that_is_none_is_refused),
        cmocka_unit_test(a_value_of_another_kind_is_refused),
        cmocka_unit_test(what_keras_constructors_refuse_is_refused_in_their_words),
        cmocka_unit_test(what_keras_allows_is_allowed),
        cmocka_unit_test(a_schedule_that_is_none_is_refused),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_pattern_that_is_none_is_refused),
        cmocka_unit_test(too_many_patterns_are_refused),
        cmocka_unit_test(a_long_pattern_is_read_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}

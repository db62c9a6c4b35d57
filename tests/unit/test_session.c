/* Tapes on a session, as the articles on GradientTape use them, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/session.h"
#include "api/session_services.h"
#include "ask.h"

static struct session *s;

static void add(const char *name, enum item_kind kind, bool trainable, float x) {
    const struct tensor t = {DTYPE_F32, shape_scalar, &x};
    assert_non_null(session_add(s, name, strlen(name), kind, trainable, &t));
}

/* x1 = 2 and x2 = 3 are variables, c = 5 is a constant, f = 7 is not trainable. */
static int begin(void **state) {
    (void)state;
    s = session_new("s", DTYPE_F32, 1 << 20);
    add("x1", ITEM_VARIABLE, true, 2);
    add("x2", ITEM_VARIABLE, true, 3);
    add("c", ITEM_CONSTANT, false, 5);
    add("f", ITEM_VARIABLE, false, 7);
    return 0;
}

static int end(void **state) {
    (void)state;
    session_free(s);
    return 0;
}

static void assign(const char *name, float x) {
    const struct tensor t = {DTYPE_F32, shape_scalar, &x};
    assert_true(session_set(s, session_find(s, name, strlen(name)), &t));
}

#define OPEN(body) ask_session(s, service_tape_open, NULL, body)
#define EXECUTE(body) ask_session(s, service_execute, NULL, body)
#define GRADIENT(tape, body) ask_session(s, service_tape_gradient, tape, body)
#define DELETE(tape) ask_session(s, service_tape_delete, tape, "")
#define STOP(tape) ask_session(s, service_tape_stop, tape, "")
#define SAYS(answer, text) assert_string_equal(answer, text)

static void a_tape_is_used_once(void **state) {
    (void)state;
    add("held", ITEM_CONSTANT, false, 0); /* the list of names has grown before */
    const size_t before = session_bytes(s);
    SAYS(OPEN("{\"graph\":\"z = (x1 + 5) * x2 ** 2\"}"),
         "{\"tape\":\"t1\",\"mode\":\"reverse\",\"persistent\":false,\"recording\":false,"
         "\"value\":63.0,\"watched_variables\":[\"x1\",\"x2\"],\"nodes\":7,\"bytes\":12}");
    SAYS(GRADIENT("t1", "{\"target\":\"z\",\"sources\":[\"x1\",\"x2\"]}"),
         "{\"gradient\":[9.0,42.0]}");
    SAYS(GRADIENT("t1", "{\"target\":\"z\",\"sources\":[\"x1\",\"x2\"]}"),
         "tape_consumed: A non-persistent GradientTape can only be used to compute one set of "
         "gradients (or jacobians)");
    session_remove(s, session_find(s, "z", 1));
    assert_int_equal(session_bytes(s), before);
    SAYS(DELETE("t1"), "");
    SAYS(DELETE("t1"), "not_found: there is no tape \"t1\" in this session; it has none");
}

static void a_persistent_tape_is_used_again(void **state) {
    (void)state;
    OPEN("{\"persistent\":true,\"graph\":\"z = (x1 + 5) * x2 ** 2; y = z * x1\"}");
    SAYS(GRADIENT("t1", "{\"target\":\"z\",\"sources\":\"x1\"}"), "{\"gradient\":9.0}");
    SAYS(GRADIENT("t1", "{\"target\":\"y\",\"sources\":{\"a\":\"x1\",\"z\":\"z\"}}"),
         "{\"gradient\":{\"a\":81.0,\"z\":2.0}}");
    const size_t bytes = session_bytes(s);
    const struct plan_stats stats = ask_plans();
    SAYS(GRADIENT("t1", "{\"target\":\"y\",\"sources\":{\"a\":\"x1\",\"z\":\"z\"}}"),
         "{\"gradient\":{\"a\":81.0,\"z\":2.0}}");
    assert_int_equal(ask_plans().compiled + ask_plans().hits, stats.compiled + stats.hits);
    assert_int_equal(session_bytes(s), bytes);
    SAYS(GRADIENT("t1", "{\"target\":\"z\"}"), "{\"gradient\":{\"x1\":9.0,\"x2\":42.0}}");
    assign("x1", 100);
    SAYS(GRADIENT("t1", "{\"target\":\"z\",\"sources\":\"x2\"}"), "{\"gradient\":42.0}");
    SAYS(DELETE("t1"), "");
}

static void constants_need_a_watch(void **state) {
    (void)state;
    OPEN("{\"persistent\":true,\"graph\":\"z = c * c + f\"}");
    SAYS(GRADIENT("t1", "{\"target\":\"z\",\"sources\":[\"c\",\"f\"]}"),
         "{\"gradient\":[null,null]}");
    OPEN("{\"watch\":[\"c\",\"f\"],\"graph\":\"z = c * c + f * x1\"}");
    SAYS(GRADIENT("t2", "{\"target\":\"z\",\"sources\":[\"c\",\"f\",\"x1\"]}"),
         "{\"gradient\":[10.0,2.0,7.0]}");
    OPEN("{\"watch_accessed_variables\":false,\"watch\":\"x2\",\"graph\":\"z = x1 * x2\"}");
    SAYS(GRADIENT("t3", "{\"target\":\"z\",\"sources\":[\"x1\",\"x2\"],"
                        "\"unconnected_gradients\":\"zero\"}"),
         "{\"gradient\":[0.0,2.0]}");
    DELETE("t1");
}

static void nested_tapes_give_second_derivatives(void **state) {
    (void)state;
    OPEN("{\"persistent\":true}");
    OPEN("{}");
    SAYS(EXECUTE("{\"graph\":\"z = (x1 + 5) * x2 ** 2\"}"), "{\"value\":63.0}");
    SAYS(GRADIENT("t2", "{\"target\":\"z\",\"sources\":[\"x1\",\"x2\"],\"as\":[\"g1\",\"g2\"]}"),
         "{\"gradient\":[9.0,42.0]}");
    STOP("t1");
    SAYS(GRADIENT("t1", "{\"target\":\"g1\",\"sources\":[\"x1\",\"x2\"]}"),
         "{\"gradient\":[null,6.0]}");
    SAYS(GRADIENT("t1", "{\"target\":\"g2\",\"sources\":[\"x1\",\"x2\"]}"),
         "{\"gradient\":[6.0,14.0]}");
    SAYS(GRADIENT("t1", "{\"target\":[\"g1\",\"g2\"],\"sources\":[\"x1\",\"x2\"]}"),
         "{\"gradient\":[6.0,20.0]}");
    SAYS(ask_session(s, service_tape_jacobian, "t1",
                     "{\"target\":\"g2\",\"sources\":[\"x1\",\"x2\"]}"),
         "{\"jacobian\":[6.0,14.0]}");
    DELETE("t1");
}

static void a_long_recording_grows_by_what_each_execute_adds(void **state) {
    (void)state;
    enum { EXECUTES = 500, EACH_BYTES = 1100 };
    const size_t before = session_bytes(s);
    OPEN("{}");
    for (int i = 0; i < EXECUTES; i++)
        SAYS(EXECUTE("{\"graph\":\"y = x1 * x2 + 1\"}"), "{\"value\":7.0}");
    assert_in_range(session_bytes(s) - before, 1, EXECUTES * EACH_BYTES);
    SAYS(GRADIENT("t1", "{\"target\":\"y\",\"sources\":\"x1\"}"), "{\"gradient\":3.0}");
}

static void recorded_gradients_grow_by_what_each_adds(void **state) {
    (void)state;
    enum { STEPS = 100, STEP_BYTES = 5000 };
    const size_t before = session_bytes(s);
    OPEN("{\"persistent\":true}");
    for (int i = 0; i < STEPS; i++) {
        char tape[16];
        snprintf(tape, sizeof tape, "t%d", i + 2);
        OPEN("{}");
        EXECUTE("{\"graph\":\"y = x1 ** 3 * x2\"}");
        SAYS(GRADIENT(tape, "{\"target\":\"y\",\"sources\":\"x1\",\"as\":\"g\"}"),
             "{\"gradient\":36.0}");
    }
    assert_in_range(session_bytes(s) - before, 1, STEPS * STEP_BYTES);
    STOP("t1");
    SAYS(GRADIENT("t1", "{\"target\":\"g\",\"sources\":\"x1\"}"), "{\"gradient\":36.0}");
}

static void gradient_descent_leaves_nothing_behind(void **state) {
    (void)state;
    float x = 0;
    add("x", ITEM_VARIABLE, true, 0);
    size_t bytes = 0;
    for (int i = 0; i < 100; i++) {
        char tape[16], g[64];
        snprintf(tape, sizeof tape, "t%d", i + 1);
        OPEN("{\"graph\":\"y = 3 * x ** 2 + 2 * x - 1\"}");
        snprintf(g, sizeof g, "%s", GRADIENT(tape, "{\"target\":\"y\",\"sources\":\"x\"}"));
        float slope;
        assert_int_equal(sscanf(g, "{\"gradient\":%f}", &slope), 1);
        x -= 0.1f * slope;
        assign("x", x);
        if (i == 0) bytes = session_bytes(s);
    }
    assert_int_equal(session_bytes(s), bytes);
    assert_true(x > -0.33333335f && x < -0.3333332f);
}

static void reads_before_and_after_an_assignment_add_up(void **state) {
    (void)state;
    OPEN("{\"persistent\":true}");
    EXECUTE("{\"graph\":\"a = x1 * x1\"}");
    assign("x1", 10);
    EXECUTE("{\"graph\":\"b = a + x1 * x1\"}");
    SAYS(GRADIENT("t1", "{\"target\":\"b\",\"sources\":[\"x1\",\"a\"],\"output_gradients\":2}"),
         "{\"gradient\":[48.0,2.0],\"warnings\":[{\"code\":\"gradient_is_recorded\",\"detail\":"
         "\"Calling GradientTape.gradient on a persistent tape inside its context is significantly "
         "less efficient than calling it outside the context (it causes the gradient ops to be "
         "recorded on the tape, leading to increased CPU and memory usage). Only call "
         "GradientTape.gradient inside the context if you actually want to trace the gradient in "
         "order to compute higher order derivatives.\",\"pointer\":\"\"}]}");
    STOP("t1");
    EXECUTE("{\"graph\":\"d = b * x1\"}");
    SAYS(GRADIENT("t1", "{\"target\":\"d\",\"sources\":\"x1\"}"), "{\"gradient\":null}");
    DELETE("t1");
}

static void an_accumulator_pushes_tangents_forward(void **state) {
    (void)state;
    SAYS(OPEN("{\"mode\":\"forward\",\"tangents\":{\"x1\":1.0}}"),
         "{\"tape\":\"t1\",\"mode\":\"forward\",\"persistent\":false,\"recording\":true,"
         "\"watched_variables\":[\"x1\"],\"nodes\":2,\"bytes\":0}");
    OPEN("{}");
    EXECUTE("{\"graph\":\"z = (x1 + 5) * x2 ** 2\"}");
    GRADIENT("t2", "{\"target\":\"z\",\"sources\":[\"x1\",\"x2\"],\"as\":[\"g1\",\"g2\"]}");
    STOP("t1");
    SAYS(ask_session(s, service_tape_jvp, "t1", "{\"target\":[\"z\",\"g1\",\"g2\",\"x1\",\"x2\"]}"),
         "{\"jvp\":[9.0,null,6.0,1.0,null]}");
    DELETE("t1");
}

static void an_outer_tape_sees_the_tangents_of_an_inner_accumulator(void **state) {
    (void)state;
    OPEN("{\"persistent\":true}");
    OPEN("{\"mode\":\"forward\",\"tangents\":{\"x2\":1.0}}");
    EXECUTE("{\"graph\":\"z = x2 ** 3 * x1\"}");
    SAYS(ask_session(s, service_tape_jvp, "t2", "{\"target\":\"z\",\"as\":\"dz\"}"),
         "{\"jvp\":54.0}");
    STOP("t1");
    SAYS(GRADIENT("t1", "{\"target\":\"dz\",\"sources\":[\"x1\",\"x2\"]}"),
         "{\"gradient\":[27.0,36.0]}");
    DELETE("t2");
    DELETE("t1");
}

static void points_of_a_batch_have_their_own_jacobians(void **state) {
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    const struct tensor t = {DTYPE_F32, {2, {3, 2}}, data};
    session_add(s, "v", 1, ITEM_VARIABLE, true, &t);
    OPEN("{\"persistent\":true,\"graph\":\"y = v ** 2 * x1\"}");
    SAYS(ask_session(s, service_tape_batch_jacobian, "t1", "{\"target\":\"y\",\"source\":\"v\"}"),
         "{\"batch_jacobian\":[[[4.0,0.0],[0.0,8.0]],[[12.0,0.0],[0.0,16.0]],[[20.0,0.0],[0.0,24.0]"
         "]]}");
    SAYS(ask_session(s, service_tape_jacobian, "t1", "{\"target\":\"y\",\"sources\":\"x1\"}"),
         "{\"jacobian\":[[1.0,4.0],[9.0,16.0],[25.0,36.0]]}");
    DELETE("t1");
}

static void a_copy_goes_on_by_itself(void **state) {
    (void)state;
    OPEN("{\"persistent\":true}");
    OPEN("{\"mode\":\"forward\",\"tangents\":{\"x2\":1.0}}");
    EXECUTE("{\"graph\":\"y = x1 * x2; z = y ** 2\"}");
    struct session *copy = session_copy(s, "copy", 1 << 20), *original = s;
    assert_non_null(copy);
    DELETE("t1");
    DELETE("t2");
    assign("x1", 9);
    s = copy;
    EXECUTE("{\"graph\":\"w = z * x1\"}");
    STOP("t1");
    SAYS(GRADIENT("t1", "{\"target\":\"w\",\"sources\":[\"x1\",\"x2\",\"y\"]}"),
         "{\"gradient\":[108.0,48.0,24.0]}");
    SAYS(ask_session(s, service_tape_jvp, "t2", "{\"target\":[\"w\",\"z\"]}"),
         "{\"jvp\":[48.0,24.0]}");
    session_free(copy);
    s = original;
    SAYS(EXECUTE("{\"graph\":\"q = z + x1\"}"), "{\"value\":45.0}");
    assert_null(s->recorder);
}

static void what_fails_changes_nothing(void **state) {
    (void)state;
    OPEN("{\"persistent\":true}");
    EXECUTE("{\"graph\":\"z = x1 * x2\"}");
    const size_t bytes = session_bytes(s);
    const uint64_t changes = s->changes;
    SAYS(EXECUTE("{\"graph\":\"q = x1 + undefined\"}"),
         "unbound_name: no variable, constant or node is called \"undefined\" [/graph] (1:10) <q>");
    SAYS(EXECUTE("{\"graph\":\"x1 = c\"}"),
         "duplicate_name: \"x1\" is a variable and cannot be assigned [/graph] (1:1)");
    SAYS(OPEN("{\"graph\":\"w = c @ c\"}"),
         "shape_mismatch: matmul: a has shape (); a matrix (rank 2 or more) is expected [/graph] "
         "(1:7) <w>");
    SAYS(GRADIENT("t1", "{\"target\":\"nothing\"}"),
         "unbound_name: no variable, constant or node is called \"nothing\" [/target]");
    SAYS(OPEN("{\"watch\":\"zz\"}"), "unbound_name: no variable, constant or node is called "
                                     "\"zz\"; did you mean \"z\"? [/watch]");
    assert_int_equal(s->changes, changes);
    assert_int_equal(session_bytes(s), bytes);
    STOP("t1");
    SAYS(STOP("t1"), "tape_recording_state: Tape is not recording.");
    SAYS(GRADIENT("t1", "{\"target\":\"z\"}"), "{\"gradient\":{\"x1\":3.0,\"x2\":2.0}}");
    DELETE("t1");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_tape_is_used_once),
        TEST(a_persistent_tape_is_used_again),
        TEST(constants_need_a_watch),
        TEST(nested_tapes_give_second_derivatives),
        TEST(a_long_recording_grows_by_what_each_execute_adds),
        TEST(recorded_gradients_grow_by_what_each_adds),
        TEST(gradient_descent_leaves_nothing_behind),
        TEST(reads_before_and_after_an_assignment_add_up),
        TEST(an_accumulator_pushes_tangents_forward),
        TEST(an_outer_tape_sees_the_tangents_of_an_inner_accumulator),
        TEST(points_of_a_batch_have_their_own_jacobians),
        TEST(a_copy_goes_on_by_itself),
        TEST(what_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, ask_end);
}

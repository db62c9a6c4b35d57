/* Loops: the same bits as runs one by one whose results are copied by hand, whatever a result is a view
 * of; what stays readable; rebinding, restarting, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/loop.h"

enum { MOST = 4, ELEMENTS = 64 };

/* Some states of a shape, and one input that is bound from outside. */
struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
    struct shape shape;
    size_t n;
    node_id state[MOST], input, next[MOST];
    struct plan_cache *cache;
    struct plan *plan;
    struct loop_state states[MOST];
    size_t n_states;
    const struct tensor *bound[MOST + 1];
    uint32_t
        place[MOST + 1]; /* of each state and of the input among the plan's inputs; UINT32_MAX */
    struct tensor first[MOST], from_outside;
    double data[MOST + 1][ELEMENTS];
};

static void begin(struct fixture *f, const struct shape *shape, size_t n) {
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 512 << 20);
    error_clear(&f->error);
    tape_init(&f->tape, &f->arena, &f->error, (struct tape_limits){1000000, 1 << 27, 1000000000});
    f->shape = *shape;
    f->n = n;
    for (size_t i = 0; i < n; i++) f->state[i] = tape_input(&f->tape, DTYPE_F64, shape);
    f->input = tape_input(&f->tape, DTYPE_F64, shape);
    for (size_t i = 0; i <= n; i++)
        for (int k = 0; k < ELEMENTS; k++) f->data[i][k] = 0.25 * (double)(i + 1) + k;
    for (size_t i = 0; i < n; i++) f->first[i] = (struct tensor){DTYPE_F64, *shape, f->data[i]};
    f->from_outside = (struct tensor){DTYPE_F64, *shape, f->data[n]};
}

static void compile(struct fixture *f) {
    const node_id *inputs;
    size_t n_inputs;
    f->cache = plan_cache_new(10, 1 << 20, 3);
    f->plan = plan_get(f->cache, &f->tape, f->next, f->n, &inputs, &n_inputs, &f->arena, &f->error);
    assert_non_null(f->plan);
    for (size_t i = 0; i <= f->n; i++) {
        f->place[i] = UINT32_MAX;
        for (uint32_t k = 0; k < n_inputs; k++)
            if (inputs[k] == (i < f->n ? f->state[i] : f->input)) f->place[i] = k;
        if (f->place[i] == UINT32_MAX) continue;
        f->bound[f->place[i]] = i < f->n ? &f->first[i] : &f->from_outside;
        if (i < f->n) f->states[f->n_states++] = (struct loop_state){f->place[i], (uint32_t)i};
    }
}

static void end(struct fixture *f) {
    plan_release(f->plan);
    plan_cache_free(f->cache);
    arena_free(&f->arena);
}

/* One run whose inputs are `now`; its results replace them. */
static void run_by_hand(struct fixture *f, double (*now)[ELEMENTS], double *input) {
    struct tensor t[MOST + 1];
    const struct tensor *bound[MOST + 1];
    double next[MOST][ELEMENTS];
    for (size_t i = 0; i <= f->n; i++) {
        t[i] = (struct tensor){DTYPE_F64, f->shape, i < f->n ? now[i] : input};
        if (f->place[i] != UINT32_MAX) bound[f->place[i]] = &t[i];
    }
    struct run *run = plan_run(f->plan, bound, NULL, &f->error);
    assert_non_null(run);
    for (size_t i = 0; i < f->n; i++) {
        const struct tensor r = run_result(run, i);
        memcpy(next[i], r.data, tensor_bytes(&r));
    }
    run_end(run);
    memcpy(now, next, f->n * sizeof *next);
}

static void check_results(struct fixture *f, const struct loop *l, double (*expected)[ELEMENTS],
                          int back) {
    for (size_t i = 0; i < f->n; i++) {
        const struct tensor r = loop_result(l, i, back);
        assert_int_equal(tensor_bytes(&r), tensor_bytes(&f->first[i]));
        assert_memory_equal(r.data, expected[i], tensor_bytes(&r));
    }
}

/* Steps, each compared with a run by hand; the two before it too. Rebinds at every third step, and
 * restarts where `restart` says. */
static void compare(struct fixture *f, int64_t steps, int64_t restart) {
    double now[4][MOST][ELEMENTS], other[2][ELEMENTS];
    struct tensor input[2], set[MOST];
    compile(f);
    struct loop *l = loop_begin(f->plan, f->bound, f->states, f->n_states, NULL, &f->error);
    assert_non_null(l);
    memcpy(now[0], f->data, f->n * sizeof *f->data);
    memcpy(other[0], f->data[f->n], sizeof *other);
    for (int k = 0; k < ELEMENTS; k++) other[1][k] = 1.5 - k;
    for (int i = 0; i < 2; i++) input[i] = (struct tensor){DTYPE_F64, f->shape, other[i]};
    for (int64_t k = 0; k < steps; k++) {
        const int which = k % 3 == 1;
        double(*next)[ELEMENTS] = now[(k + 1) % 4];
        memcpy(next, now[k % 4], sizeof now[0]);
        if (k == restart) {
            for (size_t i = 0; i < f->n_states; i++) {
                const uint32_t state = f->states[i].result;
                for (int e = 0; e < ELEMENTS; e++) next[state][e] = 3 + e;
                set[i] = (struct tensor){DTYPE_F64, f->shape, next[state]};
            }
            loop_restart(l, set);
        }
        for (size_t i = 0; i < f->n_states; i++) {
            const struct tensor t = loop_input(l, f->states[i].input);
            assert_memory_equal(t.data, next[f->states[i].result], tensor_bytes(&t));
        }
        if (f->place[f->n] != UINT32_MAX) loop_bind(l, f->place[f->n], &input[which]);
        run_by_hand(f, next, other[which]);
        assert_true(loop_step(l));
        for (int back = 0; back < 3 && back <= k; back++)
            check_results(f, l, now[(k + 1 - back) % 4], back);
    }
    loop_end(l);
    end(f);
}

static const struct shape shapes[] = {{0, {0}}, {2, {1, 1}}, {1, {7}}, {2, {8, 8}}, {1, {0}}};
#define FOR_SHAPES for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)

static void states_are_what_the_run_before_has_left(void **state) {
    (void)state;
    FOR_SHAPES {
        struct fixture f;
        begin(&f, &shapes[s], 2);
        struct tape *t = &f.tape;
        f.next[0] = emit_add(t, emit_multiply(t, f.state[0], f.state[1]), f.input);
        f.next[1] = emit_sin(t, emit_subtract(t, f.state[1], f.next[0]));
        compare(&f, 20, 9);
    }
}

static void states_that_change_places_do(void **state) {
    (void)state;
    FOR_SHAPES {
        struct fixture f;
        begin(&f, &shapes[s], 2);
        f.next[0] = f.state[1];
        f.next[1] = f.state[0];
        compare(&f, 20, 9);
    }
}

static void states_wander_through_others_unharmed(void **state) {
    (void)state;
    FOR_SHAPES {
        struct fixture f;
        begin(&f, &shapes[s], 4);
        struct tape *t = &f.tape;
        f.next[0] = f.state[1];
        f.next[1] = f.state[2];
        f.next[2] = emit_add(t, f.state[3], f.input);
        f.next[3] = emit_sin(t, f.state[0]);
        compare(&f, 20, 11);
    }
}

static void a_state_that_does_not_change_stays(void **state) {
    (void)state;
    FOR_SHAPES {
        struct fixture f;
        begin(&f, &shapes[s], 3);
        f.next[0] = f.state[0];
        f.next[1] = f.input;
        f.next[2] = emit_add(&f.tape, f.state[0], f.state[2]);
        compare(&f, 20, 7);
    }
}

static void a_result_that_two_states_have_is_both(void **state) {
    (void)state;
    FOR_SHAPES {
        struct fixture f;
        begin(&f, &shapes[s], 3);
        f.next[0] = f.next[1] = emit_sin(&f.tape, emit_add(&f.tape, f.state[0], f.state[2]));
        f.next[2] = f.state[1];
        compare(&f, 20, 8);
    }
}

static void a_state_may_stand_still_while_it_is_read_in_another_shape(void **state) {
    (void)state;
    struct fixture f;
    const struct shape square = {2, {4, 4}}, flat = {1, {16}};
    begin(&f, &square, 2);
    struct tape *t = &f.tape;
    f.next[0] = emit_reshape(t, emit_reshape(t, f.state[1], &flat), &square);
    f.next[1] = emit_add(t, f.state[0], f.input);
    compare(&f, 20, 10);
}

static void a_cancelled_loop_keeps_what_it_had(void **state) {
    (void)state;
    struct fixture f;
    const struct shape shape = {1, {7}};
    double now[MOST][ELEMENTS];
    atomic_bool cancelled = false;
    const struct run_control control = {.cancelled = &cancelled};
    begin(&f, &shape, 1);
    f.next[0] = emit_add(&f.tape, f.state[0], f.input);
    compile(&f);
    struct loop *l = loop_begin(f.plan, f.bound, f.states, f.n_states, &control, &f.error);
    memcpy(now, f.data, sizeof *f.data);
    for (int k = 0; k < 5; k++) {
        assert_true(loop_step(l));
        run_by_hand(&f, now, f.data[1]);
    }
    atomic_store(&cancelled, true);
    int64_t k = 0;
    while (loop_step(l)) {
        run_by_hand(&f, now, f.data[1]);
        assert_true(++k < 10000);
    }
    assert_int_equal(f.error.code, ERROR_CANCELLED);
    check_results(&f, l, now, 0);
    loop_end(l);
    end(&f);
}

static void a_loop_says_what_memory_it_takes(void **state) {
    (void)state;
    struct fixture f;
    const struct shape shape = {1, {64}};
    begin(&f, &shape, 1);
    f.next[0] = emit_add(&f.tape, f.state[0], f.input);
    compile(&f);
    const size_t bytes = loop_bytes(f.plan, f.states, f.n_states);
    assert_true(bytes >= 3 * plan_run_bytes(f.plan) && bytes < 3 * plan_run_bytes(f.plan) + 4096);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_what_the_run_before_has_left),
        cmocka_unit_test(states_that_change_places_do),
        cmocka_unit_test(states_wander_through_others_unharmed),
        cmocka_unit_test(a_state_that_does_not_change_stays),
        cmocka_unit_test(a_result_that_two_states_have_is_both),
        cmocka_unit_test(a_state_may_stand_still_while_it_is_read_in_another_shape),
        cmocka_unit_test(a_cancelled_loop_keeps_what_it_had),
        cmocka_unit_test(a_loop_says_what_memory_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

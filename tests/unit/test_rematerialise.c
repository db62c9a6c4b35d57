/* Plans that compute values again where they are read late: the bits are those of the plan that keeps them, and
 * they take less memory, or are not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/plan.h"
#include "core/pool.h"

enum { WANTED_MOST = 12, INPUTS_MOST = 4 };

struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
    node_id inputs[INPUTS_MOST], wanted[WANTED_MOST];
    size_t n_inputs, n_wanted;
};

static void begin(struct fixture *f) {
    *f = (struct fixture){0};
    arena_init(&f->arena, (size_t)1 << 30);
    tape_init(&f->tape, &f->arena, &f->error, (struct tape_limits){1000000, 1 << 27, 1000000000});
}

static node_id input(struct fixture *f, const struct shape *shape) {
    return f->inputs[f->n_inputs++] = tape_input(&f->tape, DTYPE_F64, shape);
}

/* y is wanted, and the gradients of its sum by all inputs. */
static void want(struct fixture *f, node_id y) {
    const size_t n = f->n_inputs;
    const struct window all = {.watched = f->inputs, .n_watched = n, .end = f->tape.count};
    node_id gradients[INPUTS_MOST] = {0};
    f->wanted[f->n_wanted++] = y;
    if (!tape_ok(&f->tape) || !tape_gradient(&f->tape, &all, &y, NULL, 1, f->inputs, n, gradients))
        fail_msg("%s", f->error.detail);
    for (size_t i = 0; i < n; i++)
        if (gradients[i] != NODE_NONE) f->wanted[f->n_wanted++] = gradients[i];
}

/* The plan of what is wanted that takes no more than `room` bytes for a run, if it can. */
static struct plan *compile(struct fixture *f, size_t room) {
    struct plan_cache *cache = plan_cache_new(1, 64 << 20, 3);
    const node_id *inputs;
    size_t n;
    plan_cache_fit(cache, room);
    struct plan *plan =
        plan_get(cache, &f->tape, f->wanted, f->n_wanted, &inputs, &n, &f->arena, &f->error);
    if (!plan) fail_msg("%s", f->error.detail);
    plan_cache_free(cache);
    return plan;
}

/* ---- what it gains --------------------------------------------------------------------------------- */

/* Bytes of a run in a matrix's, and elementary operations in those of the plan that keeps all. */
struct taken {
    double matrices, work;
};

/* What a plan takes that may take the `part` of what one takes that keeps all. */
static struct taken take(struct fixture *f, double part, const struct shape *shape) {
    struct plan *kept = compile(f, SIZE_MAX);
    struct plan *plan = compile(f, (size_t)(part * (double)plan_run_bytes(kept)));
    const struct taken taken = {(double)plan_run_bytes(plan) / (double)shape_count(shape) / 8,
                                (double)plan_work(plan) / (double)plan_work(kept)};
    assert_true(plan_run_bytes(plan) <= plan_run_bytes(kept));
    assert_true(taken.work <= 1.5);
    plan_release(kept);
    plan_release(plan);
    arena_free(&f->arena);
    return taken;
}

static node_id unary(struct tape *t, int op, node_id x) { return tape_emit(t, op, &x, 1, NULL, 0); }

/* The gradient of so many tanh of each other over a million elements. */
static struct taken take_chain(int n, double part) {
    static struct fixture f;
    const struct shape shape = {.rank = 1, .dim = {1000000}};
    begin(&f);
    node_id y = input(&f, &shape);
    for (int i = 0; i < n; i++) y = unary(&f.tape, OP_tanh, y);
    want(&f, y);
    return take(&f, part, &shape);
}

static void a_chain_keeps_about_twice_the_root_of_its_length(void **unused) {
    (void)unused;
    assert_true(take_chain(100, 1).matrices > 100);
    const struct taken hundred = take_chain(100, 0.25), thousand = take_chain(1000, 0.07);
    assert_true(hundred.matrices < 27 && hundred.work < 1.25);
    assert_true(thousand.matrices < 80 && thousand.work < 1.25);
}

static void no_more_is_computed_again_than_must_be(void **unused) {
    (void)unused;
    assert_true(take_chain(100, 1).work <= 1);
    const struct taken half = take_chain(100, 0.55), quarter = take_chain(100, 0.3);
    assert_true(half.work > 1 && half.work < 1.15);
    assert_true(quarter.work > half.work && quarter.work < 1.21);
}

static void a_chain_that_runs_in_tiles_is_left_alone(void **unused) {
    (void)unused;
    const struct taken kept = take_chain(10, 1), fitted = take_chain(10, 0.5);
    assert_true(kept.matrices == fitted.matrices && fitted.work <= 1);
}

/* A net of so many layers, each of which centres its lines and, or not, adds what it has read. */
static node_id net(struct tape *t, node_id y, node_id w, int layers, bool adds) {
    for (int i = 0; i < layers; i++) {
        const node_id z = emit_matmul(t, y, w, false, false);
        const node_id mean = emit_reduce(t, OP_reduce_mean, z, 2, true);
        const node_id bent = unary(t, OP_tanh, emit_subtract(t, z, mean));
        y = adds ? emit_add(t, y, bent) : bent;
    }
    return emit_reduce(t, OP_reduce_sum, emit_square(t, y), 3, false);
}

static const struct shape lines = {.rank = 2, .dim = {2048, 64}},
                          square = {.rank = 2, .dim = {64, 64}};

static struct taken take_net(int layers, bool adds, double part) {
    static struct fixture f;
    begin(&f);
    const node_id x = input(&f, &lines), w = input(&f, &square);
    want(&f, net(&f.tape, x, w, layers, adds));
    return take(&f, part, &lines);
}

/* The gradient of a net by its weights, which are those of another one after a step along its gradient. */
static struct taken take_two_nets(double part) {
    static struct fixture f;
    begin(&f);
    const node_id x = input(&f, &lines), w = input(&f, &square);
    want(&f, net(&f.tape, x, w, 60, true));
    f.inputs[0] = emit_subtract(&f.tape, w, f.wanted[2]);
    f.n_inputs = 1;
    f.n_wanted = 0;
    want(&f, net(&f.tape, x, f.inputs[0], 60, true));
    return take(&f, part, &lines);
}

/* The second derivatives of a net of two weights along a vector. */
static struct taken take_curvature(double part) {
    static struct fixture f;
    begin(&f);
    struct tape *t = &f.tape;
    node_id y = input(&f, &lines), gradients[2];
    const node_id w[] = {input(&f, &square), input(&f, &square)};
    const node_id v[] = {tape_input(t, DTYPE_F64, &square), tape_input(t, DTYPE_F64, &square)};
    for (int i = 0; i < 60; i++) y = unary(t, OP_tanh, emit_matmul(t, y, w[i % 2], false, false));
    const struct window all = {.watched = w, .n_watched = 2, .end = t->count};
    if (!tape_gradient(t, &all, &y, NULL, 1, w, 2, gradients) ||
        !tape_hvp(t, &all, gradients, w, 2, w, v, 2, f.wanted))
        fail_msg("%s", f.error.detail);
    f.n_wanted = 2;
    return take(&f, part, &lines);
}

/* A net whose second half reads what its first half has made, the last first. */
static struct taken take_folded_net(double part) {
    enum { LAYERS = 60 };
    static struct fixture f;
    begin(&f);
    struct tape *t = &f.tape;
    node_id y = input(&f, &lines), made[LAYERS];
    const node_id w = input(&f, &square);
    for (int i = 0; i < LAYERS; i++) {
        if (i >= LAYERS / 2) y = emit_add(t, y, made[LAYERS - 1 - i]);
        made[i] = y = unary(t, OP_tanh, emit_matmul(t, y, w, false, false));
    }
    want(&f, emit_reduce(t, OP_reduce_sum, emit_square(t, y), 3, false));
    return take(&f, part, &lines);
}

static void a_net_keeps_some_of_its_layers(void **unused) {
    (void)unused;
    assert_true(take_net(60, true, 1).matrices > 120);
    const struct taken quarter = take_net(60, true, 0.25);
    assert_true(quarter.matrices < 30 && quarter.work < 1.34);
}

static void two_peaks_are_cut_one_after_the_other(void **unused) {
    (void)unused;
    assert_true(take_two_nets(1).matrices > 120);
    assert_true(take_two_nets(0.3).matrices < 40);
}

static void what_is_read_far_away_is_computed_again_there(void **unused) {
    (void)unused;
    assert_true(take_curvature(1).matrices > 260 && take_folded_net(1).matrices > 120);
    assert_true(take_curvature(0.33).matrices < 90);
    assert_true(take_folded_net(0.45).matrices < 56);
}

/* What only the gradient reads is not computed before it then, which costs nothing. */
static void what_is_read_late_is_first_computed_late(void **unused) {
    (void)unused;
    assert_true(take_net(60, false, 1).matrices > 120);
    const struct taken late = take_net(60, false, 0.6);
    assert_true(late.matrices < 70 && late.work <= 1);
}

/* ---- what it must not change ----------------------------------------------------------------------- */

static uint64_t state;

static uint32_t below(uint32_t n) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 33) % n);
}

/* One more node of the shape (n,n): what is made on the way may be of others. */
static node_id grow(struct tape *t, const node_id *made, uint32_t n, const struct shape *shape) {
    static const int unaries[] = {OP_sin, OP_tanh, OP_exp, OP_negative, OP_square, OP_softplus};
    const struct shape flat = {.rank = 1, .dim = {shape_count(shape)}};
    const node_id x = made[n - 1 - below(n < 4 ? n : 4)], y = made[below(n)];
    const int64_t turn[] = {1, 0};
    switch (below(12)) {
    case 0:
        return unary(t, OP_tanh, emit_matmul(t, x, y, below(2), below(2)));
    case 1:
        return emit_add(t, x, emit_reduce(t, OP_reduce_mean, y, 1 + below(3), true));
    case 2:
        return emit_reshape(t, unary(t, OP_sin, emit_reshape(t, x, &flat)), shape);
    case 3:
        return emit_transpose(t, x, turn);
    case 4: {
        const struct shape part = {.rank = 2, .dim = {shape->dim[0] / 4, shape->dim[1]}};
        node_id parts[4];
        for (int i = 0; i < 4; i++) {
            const int64_t from[] = {i * part.dim[0], 0}, step[] = {1, 1};
            parts[3 - i] = emit_strided_slice(t, below(2) ? x : y, &part, from, step);
        }
        return emit_concat(t, parts, 4, 0);
    }
    case 5:
        return emit_broadcast_to(t, emit_reduce(t, OP_reduce_max, x, 1, true), shape);
    case 6:
        return emit_multiply(t, emit_sin(t, x), y);
    case 7:
        return emit_where(t, emit_greater(t, x, y), x, unary(t, OP_tanh, y));
    default:
        return unary(t, unaries[below(6)], emit_sin(t, x));
    }
}

/* The bytes of all that is wanted, one behind the other, run by several threads. */
static char *run_all(struct fixture *f, const struct plan *plan, const struct tensor *const *inputs,
                     struct pool *pool, size_t *size) {
    const struct run_control control = {.pool = pool};
    struct run *run = plan_run(plan, inputs, &control, &f->error);
    if (!run) fail_msg("%s", f->error.detail);
    *size = 0;
    for (size_t i = 0; i < f->n_wanted; i++) {
        const struct tensor r = run_result(run, i);
        *size += tensor_bytes(&r);
    }
    char *bytes = arena_alloc(&f->arena, *size), *at = bytes;
    for (size_t i = 0; i < f->n_wanted; i++) {
        const struct tensor r = run_result(run, i);
        memcpy(at, r.data, tensor_bytes(&r));
        at += tensor_bytes(&r);
    }
    run_end(run);
    return bytes;
}

/* Whether the second plan takes less than the one that keeps all; its bits are the same. */
static bool compare(struct fixture *f, size_t room, const struct plan *kept, struct pool *pool,
                    const struct tensor *const *inputs) {
    struct plan *plan = compile(f, room);
    size_t size, again;
    const char *one = run_all(f, kept, inputs, pool, &size);
    const char *two = run_all(f, plan, inputs, pool, &again);
    assert_int_equal(size, again);
    assert_memory_equal(one, two, size);
    const bool less = plan_run_bytes(plan) < plan_run_bytes(kept);
    assert_true(less || plan_run_bytes(plan) == plan_run_bytes(kept));
    assert_true(plan_work(plan) - plan_work(kept) <= plan_work(kept) / 2);
    plan_release(plan);
    return less;
}

static uint32_t try_program(uint64_t seed, struct pool *pool) {
    enum { NODES = 60 };
    static struct fixture f;
    const struct shape shape = {.rank = 2, .dim = {32, 32}};
    struct tensor values[2];
    const struct tensor *inputs[2] = {&values[0], &values[1]};
    node_id made[NODES];
    uint32_t less = 0;
    state = seed;
    begin(&f);
    for (int i = 0; i < 2; i++) {
        made[i] = input(&f, &shape);
        values[i] = (struct tensor){DTYPE_F64, shape, arena_alloc_tensor(&f.arena, 32 * 32 * 8)};
        for (int k = 0; k < 32 * 32; k++)
            ((double *)values[i].data)[k] = ((double)below(2001) - 1000) / 1000;
    }
    for (uint32_t i = 2; i < NODES; i++) made[i] = grow(&f.tape, made, i, &shape);
    for (uint32_t i = below(4); i > 0; i--) f.wanted[f.n_wanted++] = made[2 + below(NODES - 2)];
    want(&f, made[NODES - 1]);
    struct plan *kept = compile(&f, SIZE_MAX);
    for (size_t eighths = 3; eighths <= 7; eighths += 2)
        less += compare(&f, plan_run_bytes(kept) / 8 * eighths, kept, pool, inputs);
    plan_release(kept);
    arena_free(&f.arena);
    return less;
}

static void the_bits_are_those_of_what_is_kept(void **unused) {
    (void)unused;
    struct pool *pool = pool_start(3);
    uint32_t less = 0;
    for (uint64_t seed = 0; seed < 400; seed++) less += try_program(seed, pool);
    assert_true(less > 1000);
    pool_stop(pool);
}

static void every_ceiling_of_memory_ends_in_a_failure_or_in_a_plan(void **unused) {
    (void)unused;
    static struct fixture f;
    struct plan *plan = NULL;
    for (size_t ceiling = 0; !plan; ceiling += 499) {
        struct arena scratch;
        const node_id *inputs;
        size_t n;
        begin(&f);
        arena_init(&scratch, ceiling);
        const struct shape shape = {.rank = 1, .dim = {1000}};
        node_id y = input(&f, &shape);
        for (int i = 0; i < 50; i++) y = unary(&f.tape, OP_tanh, y);
        want(&f, y);
        struct plan_cache *cache = plan_cache_new(1, 64 << 20, 3);
        plan_cache_fit(cache, 250000);
        plan = plan_get(cache, &f.tape, f.wanted, f.n_wanted, &inputs, &n, &scratch, &f.error);
        if (!plan) assert_int_equal(f.error.code, ERROR_MEMORY_BUDGET);
        plan_cache_free(cache);
        arena_free(&scratch);
        arena_free(&f.arena);
    }
    assert_true(plan_run_bytes(plan) <= 250000);
    plan_release(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_keeps_about_twice_the_root_of_its_length),
        cmocka_unit_test(no_more_is_computed_again_than_must_be),
        cmocka_unit_test(a_chain_that_runs_in_tiles_is_left_alone),
        cmocka_unit_test(a_net_keeps_some_of_its_layers),
        cmocka_unit_test(two_peaks_are_cut_one_after_the_other),
        cmocka_unit_test(what_is_read_far_away_is_computed_again_there),
        cmocka_unit_test(what_is_read_late_is_first_computed_late),
        cmocka_unit_test(the_bits_are_those_of_what_is_kept),
        cmocka_unit_test(every_ceiling_of_memory_ends_in_a_failure_or_in_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

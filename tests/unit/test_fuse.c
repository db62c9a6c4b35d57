/* Regions that run as one loop over tiles give the bits of their ops run one by one: random programs are
 * compiled whole and run on several threads, and node by node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/fuse.h"
#include "core/pool.h"
#include "core/program.h"

enum { NODES_MOST = 120, WANTED_MOST = 8 };

struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
    struct tensor value[NODES_MOST * 2]; /* of each node, computed alone */
};

static void begin(struct fixture *f) {
    arena_init(&f->arena, (size_t)1 << 30);
    error_clear(&f->error);
    tape_init(&f->tape, &f->arena, &f->error, (struct tape_limits){1000000, 1 << 27, 1000000000});
}

/* ---- random programs ----------------------------------------------------------------------------- */

static uint64_t state;

static uint32_t below(uint32_t n) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 33) % n);
}

static void fill(struct fixture *f, node_id n) {
    const struct node *node = tape_node(&f->tape, n);
    struct tensor *x = &f->value[n];
    *x = (struct tensor){(enum dtype)node->dtype, *node->shape, NULL};
    x->data = arena_alloc_tensor(&f->arena, tensor_bytes(x) + 1);
    for (int64_t i = 0; i < shape_count(&x->shape); i++) {
        const double v = ((double)below(2000001) - 1000000) / 500000;
        if (x->dtype == DTYPE_F32) ((float *)x->data)[i] = below(50) ? (float)v : -0.0F;
        if (x->dtype == DTYPE_F64) ((double *)x->data)[i] = below(50) ? v : -0.0;
    }
}

/* An input that broadcasts to the shape: axes of 1, and fewer of them. */
static node_id input_for(struct fixture *f, const struct shape *whole, enum dtype dtype) {
    struct shape shape = {.rank = (int)below((uint32_t)whole->rank + 1)};
    if (below(2)) shape.rank = whole->rank;
    const bool like = below(2);
    for (int k = 0; k < shape.rank; k++) {
        shape.dim[k] = whole->dim[whole->rank - shape.rank + k];
        if (!like && below(2)) shape.dim[k] = 1;
    }
    const node_id n = tape_input(&f->tape, dtype, &shape);
    fill(f, n);
    return n;
}

static node_id floating(struct fixture *f, enum dtype dtype, node_id x) {
    const enum dtype has = tape_dtype(&f->tape, x);
    return has == dtype ? x : emit_cast(&f->tape, x, dtype);
}

static bool broadcasts(struct fixture *f, node_id x, node_id y) {
    struct shape out;
    return shape_broadcast(tape_shape(&f->tape, x), tape_shape(&f->tape, y), &out);
}

/* One more node, of those below `n`. */
static node_id grow(struct fixture *f, node_id n) {
    struct tape *t = &f->tape;
    const enum dtype dtype = below(6) ? DTYPE_F32 : DTYPE_F64;
    const node_id x = floating(f, dtype, n - 1 - below(n < 12 ? n : 12));
    const node_id y = floating(f, dtype, below(n));
    const int rank = tape_shape(t, x)->rank;
    static const int folds[] = {OP_reduce_sum, OP_reduce_mean, OP_reduce_max, OP_reduce_prod};
    switch (below(12)) {
    case 0:
        return emit_negative(t, x);
    case 1:
        return emit_sin(t, x);
    case 2:
        return emit_square(t, x);
    case 3:
        return emit_reduce(t, folds[below(4)], x, below(1U << rank), below(2));
    case 4:
        return emit_reshape(t, x,
                            &(struct shape){.rank = 1, .dim = {shape_count(tape_shape(t, x))}});
    case 5:
        return emit_cast(t, x, below(3) ? DTYPE_F32 : DTYPE_F64);
    case 6:
        return emit_exp(t, x);
    default:
        if (!broadcasts(f, x, y)) return emit_negative(t, x);
        switch (below(5)) {
        case 0:
            return emit_add(t, x, y);
        case 1:
            return emit_subtract(t, x, y);
        case 2:
            return tape_emit(t, OP_maximum, (node_id[]){x, y}, 2, NULL, 0);
        case 3:
            return emit_where(t, emit_greater(t, x, y), x, y);
        default:
            return emit_multiply(t, x, y);
        }
    }
}

static struct pool *pool; /* threads for whole programs; a node alone is run without */

static int begin_threads(void **unused) {
    (void)unused;
    pool = pool_start(3);
    return pool ? 0 : -1;
}

static int end_threads(void **unused) {
    (void)unused;
    pool_stop(pool);
    return 0;
}

/* ---- both ways ----------------------------------------------------------------------------------- */

static void copy_of(struct fixture *f, const struct run *run, size_t i, struct tensor *out) {
    *out = run_result(run, i);
    void *data = arena_alloc_tensor(&f->arena, tensor_bytes(out) + 1);
    if (tensor_bytes(out)) memcpy(data, out->data, tensor_bytes(out));
    out->data = data;
}

static struct run *run_program(struct fixture *f, const struct program *p, struct plan **plan,
                               struct pool *threads) {
    const struct run_control control = {.pool = threads};
    const struct tensor *inputs[NODES_MOST * 2];
    uint32_t n = 0;
    *plan = plan_place(p, &f->arena, &f->error);
    if (!*plan) fail_msg("%s", f->error.detail);
    for (uint32_t i = 0; i < p->n; i++)
        if (program_is_input(p, i)) inputs[n++] = &f->value[p->node[i]];
    struct run *run = plan_run(*plan, inputs, &control, &f->error);
    if (!run) fail_msg("%s", f->error.detail);
    return run;
}

/* The value of every node, from those of its arguments. */
static void run_alone(struct fixture *f) {
    uint8_t known[NODES_MOST * 2];
    memset(known, 1, sizeof known);
    f->tape.known = known;
    for (node_id i = 0; i < f->tape.count; i++) {
        if (tape_node(&f->tape, i)->op == OP_input) continue;
        struct program p;
        struct plan *plan;
        f->tape.n_known = i;
        assert_true(program_number(&f->tape, &i, 1, false, &f->arena, &p));
        struct run *run = run_program(f, &p, &plan, NULL);
        copy_of(f, run, 0, &f->value[i]);
        run_end(run);
        plan_release(plan);
    }
    f->tape.known = NULL;
    f->tape.n_known = 0;
}

/* Compares, and says how many nodes stood in regions. */
static uint32_t compare(struct fixture *f, const node_id *wanted, size_t n) {
    struct program p;
    struct plan *plan;
    struct fusion fusion;
    assert_true(program_number(&f->tape, wanted, n, false, &f->arena, &p));
    assert_true(fuse(&p, &f->arena, &fusion));
    struct run *run = run_program(f, &p, &plan, pool);
    for (size_t i = 0; i < n; i++) {
        const struct tensor found = run_result(run, i), *alone = &f->value[wanted[i]];
        assert_int_equal(found.dtype, alone->dtype);
        assert_true(shape_equal(&found.shape, &alone->shape));
        if (tensor_bytes(&found))
            assert_memory_equal(found.data, alone->data, tensor_bytes(&found));
    }
    run_end(run);
    plan_release(plan);
    uint32_t fused = 0;
    for (uint32_t r = 0; r < fusion.n_regions; r++) fused += fusion.regions[r].n;
    return fused;
}

static uint32_t try_program(uint64_t seed, const struct shape *shape, uint32_t nodes) {
    static struct fixture f;
    node_id wanted[WANTED_MOST];
    state = seed;
    begin(&f);
    for (int i = 0; i < 4; i++) input_for(&f, shape, i % 3 == 2 ? DTYPE_F64 : DTYPE_F32);
    while (f.tape.count < nodes) grow(&f, f.tape.count);
    if (!tape_ok(&f.tape)) fail_msg("%s", f.error.detail);
    wanted[0] = f.tape.count - 1;
    for (int i = 1; i < WANTED_MOST; i++) {
        wanted[i] = below(f.tape.count);
        while (tape_node(&f.tape, wanted[i])->op == OP_input) wanted[i]++;
    }
    run_alone(&f);
    const uint32_t fused = compare(&f, wanted, 1 + below(WANTED_MOST));
    arena_free(&f.arena);
    return fused;
}

static void fused_programs_give_the_bits_of_their_ops_one_by_one(void **unused) {
    (void)unused;
    static const struct shape shapes[] = {{1, {7}},
                                          {1, {16}},
                                          {1, {1000}},
                                          {1, {4097}},
                                          {1, {70001}},
                                          {2, {3, 5}},
                                          {2, {40, 33}},
                                          {2, {300, 7}},
                                          {2, {5, 3000}},
                                          {2, {600, 70}},
                                          {2, {3000, 1024}},
                                          {3, {2, 1, 9}},
                                          {3, {17, 3, 31}},
                                          {4, {4, 5, 6, 7}},
                                          {2, {0, 3}},
                                          {2, {20, 1500}},
                                          {8, {2, 1, 3, 2, 1, 2, 3, 2}},
                                          {3, {100, 16, 16}},
                                          {2, {3, 200000}},
                                          {2, {100000, 3}},
                                          {1, {1}}};
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    uint32_t fused = 0;
    for (size_t s = 0; s < SHAPES; s++) {
        const int64_t count = shape_count(&shapes[s]);
        const int rounds = count > 100000 ? 2 : count > 10000 ? 10 : 60;
        for (int k = 0; k < rounds; k++)
            fused += try_program(s * 1000 + (uint64_t)k, &shapes[s], 10 + below(NODES_MOST - 12));
    }
    assert_true(fused > 10000);
}

/* ---- what regions are ----------------------------------------------------------------------------- */

static void find_regions(struct fixture *f, node_id y, struct program *p, struct fusion *fusion) {
    node_id *wanted = arena_alloc(&f->arena, sizeof *wanted);
    *wanted = y;
    assert_true(tape_ok(&f->tape));
    assert_true(program_number(&f->tape, wanted, 1, true, &f->arena, p));
    assert_true(fuse(p, &f->arena, fusion));
}

static void a_chain_and_its_sum_are_one_region(void **unused) {
    (void)unused;
    static struct fixture f;
    struct program p;
    struct fusion fusion;
    begin(&f);
    struct tape *t = &f.tape;
    const struct shape shape = {.rank = 2, .dim = {100, 1000}};
    const node_id x = tape_input(t, DTYPE_F32, &shape), w = tape_input(t, DTYPE_F32, &shape);
    const node_id y = emit_cosh(t, emit_add(t, emit_multiply(t, x, w), emit_sin(t, x)));
    find_regions(&f, emit_reduce(t, OP_reduce_sum, emit_square(t, y), 3, false), &p, &fusion);
    assert_int_equal(fusion.n_regions, 1);
    assert_int_equal(fusion.regions[0].n, 6);
    assert_int_equal(fusion.regions[0].n_folds, 1);
    /* Nothing but the arguments and the sum is in memory: a few tiles. */
    struct plan *plan = plan_place(&p, &f.arena, &f.error);
    assert_true(plan_run_bytes(plan) < 64 << 10);
    plan_release(plan);
    arena_free(&f.arena);
}

static void a_small_region_takes_little_memory(void **unused) {
    (void)unused;
    static struct fixture f;
    struct program p;
    struct fusion fusion;
    begin(&f);
    struct tape *t = &f.tape;
    const node_id x = tape_input(t, DTYPE_F64, &(struct shape){.rank = 1, .dim = {4}});
    const node_id y = emit_multiply(t, emit_sin(t, x), emit_exp(t, x));
    find_regions(&f, emit_reduce(t, OP_reduce_sum, y, 1, false), &p, &fusion);
    assert_int_equal(fusion.n_regions, 1);
    struct plan *plan = plan_place(&p, &f.arena, &f.error);
    assert_true(plan_run_bytes(plan) < 2 << 10);
    plan_release(plan);
    arena_free(&f.arena);
}

static void what_waits_for_the_sum_is_another_region(void **unused) {
    (void)unused;
    static struct fixture f;
    struct program p;
    struct fusion fusion;
    begin(&f);
    struct tape *t = &f.tape;
    const struct shape shape = {.rank = 1, .dim = {1000}};
    const node_id x = tape_input(t, DTYPE_F32, &shape), e = emit_exp(t, emit_negative(t, x));
    const node_id sum = emit_reduce(t, OP_reduce_sum, e, 1, true);
    find_regions(&f, emit_square(t, emit_divide(t, e, sum)), &p, &fusion);
    assert_int_equal(fusion.n_regions, 2);
    assert_int_equal(fusion.regions[0].n, 3);
    assert_int_equal(fusion.regions[1].n, 2);
    arena_free(&f.arena);
}

static void chains_that_share_nothing_are_two_regions(void **unused) {
    (void)unused;
    static struct fixture f;
    struct program p;
    struct fusion fusion;
    begin(&f);
    struct tape *t = &f.tape;
    const struct shape shape = {.rank = 1, .dim = {1000}};
    node_id sum[2];
    for (int i = 0; i < 2; i++) {
        const node_id x = tape_input(t, DTYPE_F32, &shape);
        sum[i] = emit_reduce(t, OP_reduce_sum, emit_sin(t, emit_exp(t, x)), 1, false);
    }
    find_regions(&f, emit_add(t, sum[0], sum[1]), &p, &fusion);
    assert_int_equal(fusion.n_regions, 2);
    arena_free(&f.arena);
}

/* ---- the end before the end ------------------------------------------------------------------------ */

static void a_region_stops_between_two_tiles(void **unused) {
    (void)unused;
    static struct fixture f;
    struct program p;
    struct fusion fusion;
    begin(&f);
    struct tape *t = &f.tape;
    const struct shape shape = {.rank = 1, .dim = {3000000}};
    const node_id x = tape_input(t, DTYPE_F32, &shape);
    fill(&f, x);
    find_regions(&f, emit_reduce(t, OP_reduce_sum, emit_sin(t, emit_exp(t, x)), 1, false), &p,
                 &fusion);
    assert_int_equal(fusion.n_regions, 1);
    struct plan *plan = plan_place(&p, &f.arena, &f.error);
    const struct run_control late = {.deadline = 1};
    assert_null(plan_run(plan, (const struct tensor *[]){&f.value[x]}, &late, &f.error));
    assert_int_equal(f.error.code, ERROR_DEADLINE_EXCEEDED);
    plan_release(plan);
    arena_free(&f.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_programs_give_the_bits_of_their_ops_one_by_one),
        cmocka_unit_test(a_chain_and_its_sum_are_one_region),
        cmocka_unit_test(a_small_region_takes_little_memory),
        cmocka_unit_test(what_waits_for_the_sum_is_another_region),
        cmocka_unit_test(chains_that_share_nothing_are_two_regions),
        cmocka_unit_test(a_region_stops_between_two_tiles),
    };
    return cmocka_run_group_tests(tests, begin_threads, end_threads);
}

/* Plans: dead code, liveness, the cache by structure, stopping, and the same bits every time. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/plan.h"

struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
};

static void begin(struct fixture *f) {
    arena_init(&f->arena, 512 << 20);
    error_clear(&f->error);
    tape_init(&f->tape, &f->arena, &f->error, (struct tape_limits){1000000, 1 << 27, 1000000000});
}

static struct plan *compile(struct fixture *f, struct plan_cache *cache, node_id wanted) {
    const node_id *inputs;
    size_t n;
    return plan_get(cache, &f->tape, &wanted, 1, &inputs, &n, &f->arena, &f->error);
}

/* sin(x) * factor + x at one point. */
static double answer(struct plan_cache *cache, double factor, double x) {
    struct fixture f;
    begin(&f);
    node_id in = tape_input(&f.tape, DTYPE_F64, &shape_scalar);
    node_id y = emit_add(
        &f.tape, emit_multiply(&f.tape, emit_sin(&f.tape, in), emit_like(&f.tape, in, factor)), in);
    struct plan *plan = compile(&f, cache, y);
    assert_non_null(plan);
    struct tensor value = {DTYPE_F64, {0}, &x};
    struct run *run = plan_run(plan, (const struct tensor *[]){&value}, NULL, &f.error);
    assert_non_null(run);
    double result = *(double *)run_result(run, 0).data;
    run_end(run);
    plan_release(plan);
    arena_free(&f.arena);
    return result;
}

static void the_same_structure_compiles_once_and_no_answer_is_kept(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(10, 1 << 20, 3);
    double first = answer(cache, 2, 1), second = answer(cache, 2, 2);
    assert_true(first != second);
    assert_true(answer(cache, 2, 1) == first);
    struct plan_stats stats = plan_cache_stats(cache);
    assert_int_equal(stats.compiled, 1);
    assert_int_equal(stats.hits, 2);
    answer(cache, 3, 1); /* a literal is part of the structure */
    assert_int_equal(plan_cache_stats(cache).compiled, 2);
    plan_cache_free(cache);
}

static void the_cache_is_bounded_and_drops_the_oldest(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 1 << 20, 3);
    for (int i = 0; i < 100; i++) answer(cache, i, 1);
    struct plan_stats stats = plan_cache_stats(cache);
    assert_int_equal(stats.plans, 4);
    assert_int_equal(stats.evicted, 96);
    answer(cache, 96, 1); /* used again, so 97 is the oldest now */
    answer(cache, 1000, 1);
    answer(cache, 96, 1);
    assert_int_equal(plan_cache_stats(cache).compiled, 101);
    answer(cache, 97, 1);
    assert_int_equal(plan_cache_stats(cache).compiled, 102);
    plan_cache_free(cache);

    cache = plan_cache_new(1000, 64 << 10, 3);
    for (int i = 0; i < 100; i++) answer(cache, i, 1);
    assert_true(plan_cache_stats(cache).bytes <= 64 << 10 && plan_cache_stats(cache).plans > 0);
    plan_cache_free(cache);
}

static void dead_code_is_dropped(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 1 << 20, 3);
    struct fixture f;
    begin(&f);
    node_id x = tape_input(&f.tape, DTYPE_I32, &shape_scalar);
    node_id fails = emit_floordiv(&f.tape, x, tape_scalar(&f.tape, DTYPE_I32, 0));
    node_id y = emit_square(&f.tape, x);
    int32_t value = 3;
    struct tensor bound = {DTYPE_I32, {0}, &value};
    struct plan *plan = compile(&f, cache, y);
    struct run *run = plan_run(plan, (const struct tensor *[]){&bound}, NULL, &f.error);
    assert_non_null(run);
    assert_int_equal(*(int32_t *)run_result(run, 0).data, 9);
    run_end(run);
    plan_release(plan);

    plan = compile(&f, cache, fails);
    assert_null(plan_run(plan, (const struct tensor *[]){&bound}, NULL, &f.error));
    assert_string_equal(f.error.detail, "floordiv: Integer division by zero");
    plan_release(plan);
    plan_cache_free(cache);
    arena_free(&f.arena);
}

static void a_chain_of_tensors_reuses_its_buffers(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 64 << 20, 3);
    struct fixture f;
    begin(&f);
    struct shape shape = {.rank = 1, .dim = {100000}};
    node_id x = tape_input(&f.tape, DTYPE_F64, &shape), y = x;
    for (int i = 0; i < 500; i++) y = emit_sin(&f.tape, y);
    struct plan *plan = compile(&f, cache, y);
    assert_true(plan_run_bytes(plan) < 3 * 800000);
    assert_int_equal(plan_work(plan), 500 * (100000 + 1));
    plan_release(plan);
    plan_cache_free(cache);
    arena_free(&f.arena);
}

/* Bytes of a run's memory for a graph of a matrix, in matrices; what is read by nobody else is written over, by an op
 * alone and by a region, but neither a result nor an input nor what is read once more. */
static double matrices(node_id (*y)(struct tape *t, node_id x)) {
    struct plan_cache *cache = plan_cache_new(4, 64 << 20, 3);
    struct fixture f;
    begin(&f);
    const struct shape shape = {.rank = 2, .dim = {256, 256}};
    struct plan *plan = compile(&f, cache, y(&f.tape, tape_input(&f.tape, DTYPE_F64, &shape)));
    const double n = (double)plan_run_bytes(plan) / (256 * 256 * 8);
    plan_release(plan);
    plan_cache_free(cache);
    arena_free(&f.arena);
    return n;
}
static node_id turned(struct tape *t, node_id x) {
    return emit_transpose(t, x, (const int64_t[]){1, 0});
}
static node_id sine_of_turned(struct tape *t, node_id x) { return emit_sin(t, turned(t, x)); }
static node_id chain_of_turned(struct tape *t, node_id x) {
    return emit_exp(t, emit_sin(t, turned(t, x)));
}
static node_id sine_of_input(struct tape *t, node_id x) { return emit_sin(t, x); }
static node_id read_once_more(struct tape *t, node_id x) {
    const node_id y = emit_matmul(t, x, x, false, false);
    return emit_matmul(t, emit_sin(t, y), y, false, false);
}
static void element_wise_ops_write_where_they_read(void **state) {
    (void)state;
    assert_true(matrices(sine_of_turned) < 1.1);
    assert_true(matrices(chain_of_turned) < 1.2);
    assert_true(matrices(sine_of_input) > 1 && matrices(sine_of_input) < 1.1);
    assert_true(matrices(read_once_more) > 3);
}

/* y of a plan at x; *work is that of the plan. */
static struct tensor at(struct fixture *f, struct plan_cache *cache, node_id y,
                        const struct tensor *x, int64_t *work) {
    struct plan *plan = compile(f, cache, y);
    assert_non_null(plan);
    *work = plan_work(plan);
    struct run *run = plan_run(plan, &x, NULL, &f->error);
    assert_non_null(run);
    struct tensor result = run_result(run, 0);
    result.data =
        memcpy(arena_alloc(&f->arena, tensor_bytes(&result)), result.data, tensor_bytes(&result));
    run_end(run);
    plan_release(plan);
    return result;
}

static void what_literals_make_is_made_once(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 1 << 20, 3);
    struct fixture f;
    double value = 3;
    int64_t work;
    const struct tensor x = {DTYPE_F64, {0}, &value};
    begin(&f);
    node_id in = tape_input(&f.tape, DTYPE_F64, &shape_scalar);
    node_id half = emit_divide(&f.tape, emit_like(&f.tape, in, 1), emit_like(&f.tape, in, 2));
    node_id sine = emit_sin(&f.tape, emit_subtract(&f.tape, half, emit_like(&f.tape, in, 0.25)));
    assert_true(*(double *)at(&f, cache, sine, &x, &work).data == sin(0.25));
    assert_int_equal(work, 0);
    assert_true(*(double *)at(&f, cache, emit_add(&f.tape, in, sine), &x, &work).data ==
                3 + sin(0.25));
    assert_int_equal(work, 2);
    plan_cache_free(cache);
    arena_free(&f.arena);
}

static void a_second_power_is_a_square_and_a_first_one_nothing(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 1 << 20, 3);
    struct fixture f;
    float value[3] = {3, -0.1f, 1e30f};
    int64_t work;
    const struct tensor x = {DTYPE_F32, {.rank = 1, .dim = {3}}, value};
    begin(&f);
    node_id in = tape_input(&f.tape, DTYPE_F32, &x.shape);
    const float *y =
        at(&f, cache, emit_pow(&f.tape, in, emit_like(&f.tape, in, 2)), &x, &work).data;
    assert_true(y[0] == 9 && y[1] == -0.1f * -0.1f && y[2] == INFINITY);
    node_id one = emit_subtract(&f.tape, emit_like(&f.tape, in, 2), emit_like(&f.tape, in, 1));
    y = at(&f, cache, emit_pow(&f.tape, in, one), &x, &work).data;
    assert_memory_equal(y, value, sizeof value);
    assert_int_equal(work, 0);
    const struct shape row = {.rank = 2, .dim = {1, 1}};
    node_id wide = emit_broadcast_to(&f.tape, emit_like(&f.tape, in, 1), &row);
    struct tensor power = at(&f, cache, emit_pow(&f.tape, in, wide), &x, &work);
    assert_int_equal(power.shape.rank, 2); /* the exponent has more axes than what it raises */
    assert_memory_equal(power.data, value, sizeof value);
    plan_cache_free(cache);
    arena_free(&f.arena);
}

/* A second, or more where everything is slower. */
static int64_t soon(void) {
    const char *patience = getenv("GRADD_TEST_PATIENCE");
    return INT64_C(1000000000) * (patience ? strtol(patience, NULL, 10) : 1);
}

static void a_cancelled_or_late_run_stops_and_says_so(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 64 << 20, 3);
    struct fixture f;
    begin(&f);
    struct tensor x = {DTYPE_F64, {.rank = 1, .dim = {1 << 20}}, NULL};
    x.data = calloc(1, tensor_bytes(&x));
    node_id y = tape_input(&f.tape, DTYPE_F64, &x.shape);
    for (int i = 0; i < 1000; i++) y = emit_sin(&f.tape, y);
    struct plan *plan = compile(&f, cache, y);
    atomic_bool cancelled = true;
    int64_t before = clock_now();
    assert_null(plan_run(plan, (const struct tensor *[]){&x},
                         &(struct run_control){.cancelled = &cancelled}, &f.error));
    assert_int_equal(f.error.code, ERROR_CANCELLED);
    error_clear(&f.error);
    struct run_control late = {.deadline = clock_now() + 1000000};
    assert_null(plan_run(plan, (const struct tensor *[]){&x}, &late, &f.error));
    assert_int_equal(f.error.code, ERROR_DEADLINE_EXCEEDED);
    assert_true(clock_now() - before < soon());
    plan_release(plan);
    plan_cache_free(cache);
    free(x.data);
    arena_free(&f.arena);
}

static void every_ceiling_of_memory_ends_in_a_failure_or_in_a_plan(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(4, 1 << 20, 3);
    struct plan *plan = NULL;
    for (size_t ceiling = 0; !plan; ceiling += 499) {
        struct fixture f;
        struct arena scratch;
        struct error error;
        begin(&f);
        arena_init(&scratch, ceiling);
        error_clear(&error);
        node_id x = tape_input(&f.tape, DTYPE_F32, &(struct shape){2, {3, 4}}), y = x;
        for (int i = 0; i < 100; i++)
            y = emit_multiply(&f.tape, emit_sin(&f.tape, y), emit_cos(&f.tape, x));
        const node_id *inputs;
        size_t n;
        plan = plan_get(cache, &f.tape, &y, 1, &inputs, &n, &scratch, &error);
        if (!plan) assert_int_equal(error.code, ERROR_MEMORY_BUDGET);
        arena_free(&scratch);
        arena_free(&f.arena);
    }
    plan_release(plan);
    plan_cache_free(cache);
}

static void *run_many(void *cache) {
    for (int i = 0; i < 500; i++) {
        double factor = i % 13;
        if (answer(cache, factor, i) != answer(cache, factor, i)) return cache;
    }
    return NULL;
}
static void threads_share_plans(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(8, 1 << 20, 3);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, cache), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(plan_cache_stats(cache).plans <= 8);
    plan_cache_free(cache);
}

static void a_sum_of_many_floats_is_accurate(void **state) {
    (void)state;
    struct plan_cache *cache = plan_cache_new(8, 1 << 20, 3);
    struct fixture f;
    begin(&f);
    struct tensor x = {DTYPE_F32, {.rank = 2, .dim = {1000003, 3}}, NULL};
    float *data = x.data = malloc(tensor_bytes(&x));
    for (int64_t i = 0; i < shape_count(&x.shape); i++) data[i] = 0.1f;
    node_id in = tape_input(&f.tape, DTYPE_F32, &x.shape);
    for (unsigned axes = 1; axes <= 3; axes += 2) {
        struct plan *plan =
            compile(&f, cache, emit_reduce(&f.tape, OP_reduce_sum, in, axes, false));
        struct run *run = plan_run(plan, (const struct tensor *[]){&x}, NULL, &f.error);
        double exact = (double)0.1f * 1000003 * (axes == 3 ? 3 : 1);
        double found = (double)*(float *)run_result(run, 0).data;
        assert_true(found / exact - 1 < 1e-6 && found / exact - 1 > -1e-6);
        run_end(run);
        plan_release(plan);
    }
    plan_cache_free(cache);
    free(data);
    arena_free(&f.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_structure_compiles_once_and_no_answer_is_kept),
        cmocka_unit_test(the_cache_is_bounded_and_drops_the_oldest),
        cmocka_unit_test(dead_code_is_dropped),
        cmocka_unit_test(a_chain_of_tensors_reuses_its_buffers),
        cmocka_unit_test(element_wise_ops_write_where_they_read),
        cmocka_unit_test(what_literals_make_is_made_once),
        cmocka_unit_test(a_second_power_is_a_square_and_a_first_one_nothing),
        cmocka_unit_test(a_cancelled_or_late_run_stops_and_says_so),
        cmocka_unit_test(every_ceiling_of_memory_ends_in_a_failure_or_in_a_plan),
        cmocka_unit_test(threads_share_plans),
        cmocka_unit_test(a_sum_of_many_floats_is_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Factorizations held by their backward errors: how far their product is from the matrix, and their
 * vectors from being orthonormal; of ordinary, ill-conditioned, singular and large matrices. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/op_spectral.h"
#include "core/plan.h"

/* A matrix of m rows and n columns, in float64 and again in the dtype that is factorized. */
struct bench {
    struct arena arena;
    struct error error;
    struct tape tape;
    node_id input, exact, x;
    struct tensor bound;
    enum dtype dtype;
    const char *label;
};

static double uniform(int64_t i, int64_t j) {
    return fmod(sin((double)(91 * i + 37 * j + 5)) * 1e4, 1);
}
static double hilbert(int64_t i, int64_t j) { return 1 / (double)(i + j + 1); }
static double graded(int64_t i, int64_t j) { return uniform(i, j) * pow(10, -(double)(i + j)); }
static double huge(int64_t i, int64_t j) { return uniform(i, j) * 1e30; }
static double tiny(int64_t i, int64_t j) { return uniform(i, j) * 1e-30; }
static double low_rank(int64_t i, int64_t j) { return (double)((i + 1) * (j + 2)); }
static double nothing(int64_t i, int64_t j) { return 0 * (double)(i + j); }
static double unit(int64_t i, int64_t j) { return i == j; }

static const struct matrix {
    const char *label;
    double (*element)(int64_t i, int64_t j);
    int64_t m, n;
} matrices[] = {{"a square", uniform, 5, 5},    {"a standing one", uniform, 9, 4},
                {"a lying one", uniform, 3, 7}, {"Hilbert's", hilbert, 8, 8},
                {"a graded one", graded, 6, 6}, {"large numbers", huge, 4, 4},
                {"small numbers", tiny, 4, 4},  {"rank 1", low_rank, 6, 5},
                {"zeros", nothing, 4, 4},       {"the unit", unit, 5, 5},
                {"one", uniform, 1, 1},         {"a large one", uniform, 90, 90},
                {"a tall one", uniform, 200, 3}};

static void begin(struct bench *b, const struct matrix *a, enum dtype dtype, bool symmetric) {
    const struct shape shape = {.rank = 2, .dim = {a->m, a->n}};
    memset(b, 0, sizeof *b);
    b->label = a->label;
    b->dtype = dtype;
    arena_init(&b->arena, 64 << 20);
    tape_init(&b->tape, &b->arena, &b->error, (struct tape_limits){100000, 1 << 24, 10000000});
    b->bound = (struct tensor){DTYPE_F64, shape, NULL};
    double *data = b->bound.data = arena_alloc_tensor(&b->arena, tensor_bytes(&b->bound));
    assert_non_null(data);
    for (int64_t i = 0; i < a->m; i++)
        for (int64_t j = 0; j < a->n; j++)
            data[i * a->n + j] = a->element(symmetric && j > i ? j : i, symmetric && j > i ? i : j);
    b->input = tape_input(&b->tape, DTYPE_F64, &shape);
    b->x = emit_cast(&b->tape, b->input, dtype);
    b->exact = emit_cast(&b->tape, b->x, DTYPE_F64);
}

/* At most `factor` units of the dtype's rounding, and one more for each row and column. */
static void assert_small(struct bench *b, const char *what, node_id y, double factor) {
    const node_id *inputs;
    const struct tensor *bound[1] = {&b->bound};
    size_t n;
    struct plan_cache *plans = plan_cache_new(4, 16 << 20, 1);
    struct plan *plan = plan_get(plans, &b->tape, &y, 1, &inputs, &n, &b->arena, &b->error);
    if (!plan) fail_msg("%s: %s", b->label, b->error.detail);
    struct run *run = plan_run(plan, bound, NULL, &b->error);
    if (!run) fail_msg("%s: %s", b->label, b->error.detail);
    const double found = *(const double *)run_result(run, 0).data;
    const double unit_of = b->dtype == DTYPE_F32 ? FLT_EPSILON : DBL_EPSILON;
    factor += (double)(b->bound.shape.dim[0] + b->bound.shape.dim[1]);
    if (!(found <= factor * unit_of))
        fail_msg("%s in %s: %s is %g units", b->label, dtype_name(b->dtype), what, found / unit_of);
    run_end(run);
    plan_release(plan);
    plan_cache_free(plans);
}

static node_id exactly(struct bench *b, node_id x) { return emit_cast(&b->tape, x, DTYPE_F64); }
static node_id product(struct bench *b, node_id x, node_id y, bool tx, bool ty) {
    return emit_matmul(&b->tape, x, y, tx, ty);
}
/* The largest magnitude. */
static node_id size_of(struct bench *b, node_id x) {
    return emit_reduce(&b->tape, OP_reduce_max, emit1(&b->tape, OP_abs, x), 3, false);
}
/* The largest error of `found`, of the largest magnitude in `expected`. */
static node_id error_of(struct bench *b, node_id found, node_id expected) {
    return emit2(&b->tape, OP_divide_no_nan, size_of(b, emit_subtract(&b->tape, found, expected)),
                 size_of(b, expected));
}
/* How far q's columns are from being orthonormal. */
static node_id skew_of(struct bench *b, node_id q) {
    const int64_t n = tape_shape(&b->tape, q)->dim[1];
    const node_id one = emit_cast(&b->tape, emit_index_mask(&b->tape, OP_equal, n), DTYPE_F64);
    return size_of(b, emit_subtract(&b->tape, product(b, q, q, true, false), one));
}

static const node_id *factors(struct bench *b, int op, struct op_arg second) {
    const struct op_arg args[OP_PARAMS_MAX] = {{.given = true, .node = b->x}, second};
    const node_id *results;
    size_t n;
    if (!op_table[op]->emit_many(&b->tape, args, &results, &n)) fail_msg("%s", b->error.detail);
    return results;
}

/* Of the leading columns of x, as many as y has. */
static node_id leading(struct bench *b, node_id x, node_id s) {
    return emit_columns(&b->tape, x, 0, tape_shape(&b->tape, s)->dim[0]);
}

static void check_svd(const struct matrix *a, enum dtype dtype, bool full) {
    struct bench b;
    begin(&b, a, dtype, false);
    const node_id *f = factors(&b, OP_svd, (struct op_arg){.given = true, .b = full});
    const node_id s = exactly(&b, f[0]), u = exactly(&b, f[1]), v = exactly(&b, f[2]);
    const node_id us = emit_multiply(&b.tape, leading(&b, u, s), emit_as_row(&b.tape, s));
    assert_small(&b, "U S V^T - A",
                 error_of(&b, product(&b, us, leading(&b, v, s), false, true), b.exact), 24);
    assert_small(&b, "U^T U - I", skew_of(&b, u), 24);
    assert_small(&b, "V^T V - I", skew_of(&b, v), 24);
    arena_free(&b.arena);
}
static void check_qr(const struct matrix *a, enum dtype dtype, bool full) {
    struct bench b;
    begin(&b, a, dtype, false);
    const node_id *f = factors(&b, OP_qr, (struct op_arg){.given = true, .b = full});
    const node_id q = exactly(&b, f[0]), r = exactly(&b, f[1]);
    assert_small(&b, "Q R - A", error_of(&b, product(&b, q, r, false, false), b.exact), 24);
    assert_small(&b, "Q^T Q - I", skew_of(&b, q), 24);
    assert_small(&b, "R below its diagonal", size_of(&b, emit_band(&b.tape, r, INT64_MIN, -1)), 0);
    arena_free(&b.arena);
}
static void check_eigh(const struct matrix *a, enum dtype dtype) {
    struct bench b;
    begin(&b, a, dtype, true);
    const node_id *f = factors(&b, OP_eigh, (struct op_arg){.given = false});
    const node_id e = exactly(&b, f[0]), v = exactly(&b, f[1]);
    const node_id ve = emit_multiply(&b.tape, v, emit_as_row(&b.tape, e));
    assert_small(&b, "V E V^T - A", error_of(&b, product(&b, ve, v, false, true), b.exact), 24);
    assert_small(&b, "V^T V - I", skew_of(&b, v), 24);
    arena_free(&b.arena);
}

static void every_matrix_is_the_product_of_its_factors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        for (int dtype = DTYPE_F32; dtype <= DTYPE_F64; dtype++) {
            for (int full = 0; full < 2; full++) {
                check_svd(&matrices[i], (enum dtype)dtype, full);
                check_qr(&matrices[i], (enum dtype)dtype, full);
            }
            if (matrices[i].m == matrices[i].n) check_eigh(&matrices[i], (enum dtype)dtype);
        }
}

/* Penrose's first two conditions, where the condition of the matrix leaves anything of them. */
static void a_pseudoinverse_meets_its_conditions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        for (int dtype = DTYPE_F32; dtype <= DTYPE_F64; dtype++) {
            struct bench b;
            if (matrices[i].element == hilbert || matrices[i].element == graded) continue;
            begin(&b, &matrices[i], (enum dtype)dtype, false);
            const struct op_arg args[OP_PARAMS_MAX] = {{.given = true, .node = b.x}};
            const node_id p = exactly(&b, op_table[OP_pinv]->emit(&b.tape, args));
            const node_id ap = product(&b, b.exact, p, false, false);
            assert_small(&b, "A P A - A",
                         error_of(&b, product(&b, ap, b.exact, false, false), b.exact), 2000);
            assert_small(&b, "P A P - P", error_of(&b, product(&b, p, ap, false, false), p), 2000);
            arena_free(&b.arena);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_matrix_is_the_product_of_its_factors),
        cmocka_unit_test(a_pseudoinverse_meets_its_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

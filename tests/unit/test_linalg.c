/* Matrices large enough for BLAS and for the blocks of the factors: residuals, what is not read, NaN, and
 * stopping. Small ones stand in the table of op cases. */
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

enum { INPUTS = 2 };

/* One tape with bound inputs. */
struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
    struct plan_cache *plans;
    node_id in[INPUTS];
    struct tensor bound[INPUTS];
    size_t n_in;
};

static void begin(struct fixture *f) {
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 1 << 30);
    error_clear(&f->error);
    tape_init(&f->tape, &f->arena, &f->error, (struct tape_limits){1000000, 1 << 27, 1000000000});
    f->plans = plan_cache_new(4, 64 << 20, 1);
}
static void end(struct fixture *f) {
    plan_cache_free(f->plans);
    arena_free(&f->arena);
}

static double *space(struct fixture *f, int64_t n) {
    double *x = arena_alloc_tensor(&f->arena, (size_t)n * sizeof(double) + 8);
    if (!x) abort();
    return x;
}

static uint64_t state = 7;
static double uniform(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-52 - 1;
}
static double *random_matrix(struct fixture *f, int64_t m, int64_t n) {
    double *x = space(f, m * n);
    for (int64_t i = 0; i < m * n; i++) x[i] = uniform();
    return x;
}

static node_id bind(struct fixture *f, int64_t m, int64_t n, double *data) {
    const struct shape shape = {.rank = 2, .dim = {m, n}};
    const size_t i = f->n_in++;
    f->bound[i] = (struct tensor){DTYPE_F64, shape, data};
    return f->in[i] = tape_input(&f->tape, DTYPE_F64, &shape);
}

/* The value of y, in the arena; NULL after a failure, which f->error says. */
static double *value(struct fixture *f, node_id y, const struct run_control *control) {
    const node_id *inputs;
    const struct tensor *bound[INPUTS];
    size_t n;
    struct plan *plan = plan_get(f->plans, &f->tape, &y, 1, &inputs, &n, &f->arena, &f->error);
    if (!plan) return NULL;
    for (size_t i = 0; i < n; i++) bound[i] = &f->bound[inputs[i] == f->in[0] ? 0 : 1];
    struct run *run = plan_run(plan, bound, control, &f->error);
    double *out = NULL;
    if (run) {
        const struct tensor result = run_result(run, 0);
        out = space(f, shape_count(&result.shape));
        memcpy(out, result.data, tensor_bytes(&result));
    }
    run_end(run);
    plan_release(plan);
    return out;
}

/* The sum over k of op(a)_ik op(b)_kj, and of the terms' magnitudes. */
static double entry(const double *a, const double *b, bool ta, bool tb, int64_t m, int64_t n,
                    int64_t k, int64_t i, int64_t j, double *magnitude) {
    double sum = 0;
    *magnitude = 0;
    for (int64_t l = 0; l < k; l++) {
        const double term = a[ta ? l * m + i : i * k + l] * b[tb ? j * k + l : l * n + j];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static void assert_product(const double *a, const double *b, bool ta, bool tb, int64_t m, int64_t n,
                           int64_t k, const double *c, double factor) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double magnitude;
            const double expected = entry(a, b, ta, tb, m, n, k, i, j, &magnitude);
            const double found = c[i * n + j];
            const double within = factor * 0x1p-52 * (double)(k + 1) * (magnitude + fabs(found));
            if (isnan(expected)   ? isnan(found)
                : isinf(expected) ? found == expected
                                  : fabs(found - expected) <= within)
                continue;
            fail_msg("%lld x %lld x %lld: (%lld,%lld) is %.17g where %.17g is expected",
                     (long long)m, (long long)n, (long long)k, (long long)i, (long long)j, found,
                     expected);
        }
}

/* Shapes on both sides of every choice: loop, vector, matrix. */
static const int64_t product_shapes[][3] = {{1, 1, 1},   {2, 3, 4},    {8, 8, 3},  {8, 8, 4},
                                            {1, 9, 40},  {40, 1, 9},   {1, 1, 70}, {65, 66, 67},
                                            {3, 130, 2}, {130, 2, 129}};

static void check_products(double zero_times) {
    for (size_t s = 0; s < sizeof product_shapes / sizeof *product_shapes; s++)
        for (int t = 0; t < 4; t++) {
            const int64_t m = product_shapes[s][0], n = product_shapes[s][1],
                          k = product_shapes[s][2];
            struct fixture f;
            begin(&f);
            double *a = random_matrix(&f, m, k), *b = random_matrix(&f, k, n);
            const bool ta = t & 1, tb = t & 2;
            if (zero_times != 0) {
                a[0] = 0;
                b[0] = zero_times;
                b[k * n - 1] = zero_times;
            }
            const node_id x = bind(&f, ta ? k : m, ta ? m : k, a);
            const node_id y = bind(&f, tb ? n : k, tb ? k : n, b);
            const double *c = value(&f, emit_matmul(&f.tape, x, y, ta, tb), NULL);
            assert_non_null(c);
            assert_product(a, b, ta, tb, m, n, k, c, 1);
            end(&f);
        }
}
static void products_are_sums_of_products(void **unused) {
    (void)unused;
    check_products(0);
}
static void nan_and_infinity_pass_through_products_as_in_arithmetic(void **unused) {
    (void)unused;
    check_products(NAN);
    check_products(INFINITY);
}

/* ---- factors and solutions ------------------------------------------------------------------------- */

static const int64_t sides[] = {1, 2, 7, 127, 128, 129, 256, 257, 300, 515};
#define FOR_SIDES(n) for (size_t s_ = 0; s_ < 10 && (n = sides[s_], true); s_++)

/* a is regular and every triangle of it well conditioned. */
static double *regular(struct fixture *f, int64_t n) {
    double *a = random_matrix(f, n, n);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) a[i * n + j] /= sqrt((double)n);
        a[i * n + i] += i % 3 ? 3 : -3;
    }
    return a;
}

static void check_solution(int64_t n, int64_t m, bool adjoint) {
    struct fixture f;
    begin(&f);
    double *a = regular(&f, n), *b = random_matrix(&f, n, m);
    /* Rows in another order, so that pivots are needed. */
    for (int64_t i = 0; i + 1 < n; i += 2)
        for (int64_t j = 0; j < n; j++) {
            const double x = a[i * n + j];
            a[i * n + j] = a[(i + 1) * n + j];
            a[(i + 1) * n + j] = x;
        }
    const struct op_arg args[] = {{.given = true, .node = bind(&f, n, n, a)},
                                  {.given = true, .node = bind(&f, n, m, b)},
                                  {.given = true, .b = adjoint}};
    double *x = value(&f, op_table[OP_solve]->emit(&f.tape, args), NULL);
    assert_non_null(x);
    double *product = space(&f, n * m);
    for (int64_t i = 0; i < n * m; i++) {
        double unused;
        product[i] = entry(a, x, adjoint, false, n, m, n, i / m, i % m, &unused);
        assert_true(fabs(product[i] - b[i]) <= 1e-12);
    }
    end(&f);
}
static void solve_leaves_no_residual(void **unused) {
    (void)unused;
    int64_t n;
    FOR_SIDES(n) {
        check_solution(n, 1, false);
        check_solution(n, 1, true);
        check_solution(n, 5, false);
        check_solution(n, 5, true);
    }
    check_solution(3, 4099, false); /* more columns than are solved at a time */
    check_solution(3, 4097, true);
}

static void check_triangle(int64_t n, int64_t m, bool lower, bool adjoint) {
    struct fixture f;
    begin(&f);
    double *a = regular(&f, n), *b = random_matrix(&f, n, m);
    for (int64_t i = 0; i < n * n; i++)
        if (lower ? i % n > i / n : i % n < i / n) a[i] = NAN; /* must not be read */
    const node_id y =
        emit_triangular_solve(&f.tape, bind(&f, n, n, a), bind(&f, n, m, b), lower, adjoint);
    double *x = value(&f, y, NULL), unused;
    assert_non_null(x);
    for (int64_t i = 0; i < n * n; i++)
        if (isnan(a[i])) a[i] = 0;
    for (int64_t i = 0; i < n * m; i++)
        assert_true(fabs(entry(a, x, adjoint, false, n, m, n, i / m, i % m, &unused) - b[i]) <=
                    1e-12);
    end(&f);
}
static void triangles_leave_no_residual_and_the_other_half_is_not_read(void **unused) {
    (void)unused;
    int64_t n;
    FOR_SIDES(n)
    for (int t = 0; t < 4; t++) {
        check_triangle(n, 1, t & 1, t & 2);
        check_triangle(n, 4, t & 1, t & 2);
    }
    check_triangle(2, 4097, true, false);
}

static void cholesky_factors_what_its_lower_triangle_says(void **unused) {
    (void)unused;
    int64_t n;
    FOR_SIDES(n) {
        struct fixture f;
        begin(&f);
        double *x = regular(&f, n), *a = space(&f, n * n), *l, magnitude;
        for (int64_t i = 0; i < n * n; i++)
            a[i] =
                i % n > i / n ? NAN : entry(x, x, false, true, n, n, n, i / n, i % n, &magnitude);
        l = value(&f, emit1(&f.tape, OP_cholesky, bind(&f, n, n, a)), NULL);
        assert_non_null(l);
        for (int64_t i = 0; i < n * n; i++) {
            if (i % n > i / n) assert_true(l[i] == 0);
            if (i % n > i / n) continue;
            const double back = entry(l, l, false, true, n, n, n, i / n, i % n, &magnitude);
            assert_true(fabs(back - a[i]) <= 1e-12 * (1 + magnitude));
        }
        end(&f);
    }
}

static void inverse_and_determinants_agree(void **unused) {
    (void)unused;
    int64_t n;
    FOR_SIDES(n) {
        struct fixture f;
        begin(&f);
        double *a = regular(&f, n), magnitude;
        const node_id x = bind(&f, n, n, a);
        const double *y = value(&f, emit1(&f.tape, OP_inverse, x), NULL);
        const double *det = value(&f, emit1(&f.tape, OP_det, x), NULL);
        const double *both = value(&f, emit1(&f.tape, OP_signed_log_det, x), NULL);
        assert_true(y && det && both);
        for (int64_t i = 0; i < n * n; i++)
            assert_true(fabs(entry(a, y, false, false, n, n, n, i / n, i % n, &magnitude) -
                             (i / n == i % n)) <= 1e-12);
        assert_true(both[0] == 1 || both[0] == -1);
        assert_true(signbit(det[0]) == signbit(both[0]));
        assert_true(fabs(log(fabs(det[0])) - both[1]) <= 1e-12 * (1 + fabs(both[1])));
        end(&f);
    }
}

static void a_determinant_overflows_only_where_it_is_too_large(void **unused) {
    (void)unused;
    struct fixture f;
    begin(&f);
    double a[16] = {0, 1e200, 0, 0, 1e200, 0, 0, 0, 0, 0, 1e-300, 0, 0, 0, 0, 1e-101};
    const node_id x = bind(&f, 4, 4, a);
    assert_true(fabs(*value(&f, emit1(&f.tape, OP_det, x), NULL) + 0.1) < 1e-15);
    const double *both = value(&f, emit1(&f.tape, OP_signed_log_det, x), NULL);
    assert_true(both[0] == -1 && fabs(both[1] - log(0.1)) < 1e-12);
    a[15] = 1e300;
    assert_true(*value(&f, emit1(&f.tape, OP_det, x), NULL) == -INFINITY);
    a[15] = 0;
    assert_true(*value(&f, emit1(&f.tape, OP_det, x), NULL) == 0);
    both = value(&f, emit1(&f.tape, OP_signed_log_det, x), NULL);
    assert_true(both[0] == 0 && both[1] == -INFINITY);
    end(&f);
}

/* ---- threads --------------------------------------------------------------------------------------- */

enum { ROWS = 300, THREADS = 4 };

/* One thread's own tape of a product and a solution, from the same numbers. */
static void *product_and_solution(void *out) {
    struct fixture f;
    begin(&f);
    double *a = space(&f, ROWS * ROWS);
    for (int64_t i = 0; i < ROWS * ROWS; i++)
        a[i] = sin((double)i) + (i % (ROWS + 1) == 0 ? 30 : 0);
    const node_id x = bind(&f, ROWS, ROWS, a), y = emit_matmul(&f.tape, x, x, false, true);
    const struct op_arg args[] = {{.given = true, .node = x}, {.given = true, .node = y}, {0}};
    const double *found = value(&f, op_table[OP_solve]->emit(&f.tape, args), NULL);
    if (found) memcpy(out, found, ROWS * ROWS * sizeof *found);
    end(&f);
    return NULL;
}
static void threads_side_by_side_get_the_same_bits(void **unused) {
    (void)unused;
    const size_t size = ROWS * ROWS * sizeof(double);
    pthread_t threads[THREADS];
    double *out[THREADS + 1];
    for (int i = 0; i <= THREADS; i++) assert_non_null(out[i] = calloc(1, size));
    product_and_solution(out[THREADS]);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, product_and_solution, out[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_true(out[THREADS][0] != 0);
    for (int i = 0; i < THREADS; i++) assert_memory_equal(out[i], out[THREADS], size);
    for (int i = 0; i <= THREADS; i++) free(out[i]);
}

/* ---- failures -------------------------------------------------------------------------------------- */

static void a_long_run_stops_at_its_deadline(void **unused) {
    (void)unused;
    enum { SIDE = 700 }; /* more than one block of everything */
    static const int ops[] = {OP_cholesky, OP_inverse, OP_det, OP_matmul};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct fixture f;
        begin(&f);
        double *a = space(&f, SIDE * SIDE);
        for (int64_t k = 0; k < SIDE * SIDE; k++) a[k] = k % (SIDE + 1) == 0;
        const node_id x = bind(&f, SIDE, SIDE, a);
        const struct run_control past = {.deadline = 1};
        const node_id y = ops[i] == OP_matmul ? emit_matmul(&f.tape, x, x, false, false)
                                              : emit1(&f.tape, ops[i], x);
        assert_null(value(&f, y, &past));
        assert_int_equal(f.error.code, ERROR_DEADLINE_EXCEEDED);
        end(&f);
    }
}

static void what_has_no_answer_says_why(void **unused) {
    (void)unused;
    static const struct {
        int op;
        double a[4];
        const char *detail;
    } rows[] = {
        {OP_cholesky,
         {1, 2, 2, 1},
         "cholesky: Cholesky decomposition was not successful. The input might not be valid."},
        {OP_cholesky,
         {1, 0, NAN, 1},
         "cholesky: Input is not finite; element 2 of its matrices is nan"},
        {OP_inverse, {1, 2, 2, 4}, "inverse: Input is not invertible."},
        {OP_inverse, {0, 0, 0, 0}, "inverse: Input is not invertible."},
        {OP_inverse,
         {1, INFINITY, 0, 1},
         "inverse: Input is not finite; element 1 of its matrices is inf"},
        {OP_det, {NAN, 0, 0, 1}, "det: Input is not finite; element 0 of its matrices is nan"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        double a[4];
        memcpy(a, rows[i].a, sizeof a);
        assert_null(value(&f, emit1(&f.tape, rows[i].op, bind(&f, 2, 2, a)), NULL));
        assert_string_equal(f.error.detail, rows[i].detail);
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_sums_of_products),
        cmocka_unit_test(nan_and_infinity_pass_through_products_as_in_arithmetic),
        cmocka_unit_test(solve_leaves_no_residual),
        cmocka_unit_test(triangles_leave_no_residual_and_the_other_half_is_not_read),
        cmocka_unit_test(cholesky_factors_what_its_lower_triangle_says),
        cmocka_unit_test(inverse_and_determinants_agree),
        cmocka_unit_test(a_determinant_overflows_only_where_it_is_too_large),
        cmocka_unit_test(threads_side_by_side_get_the_same_bits),
        cmocka_unit_test(a_long_run_stops_at_its_deadline),
        cmocka_unit_test(what_has_no_answer_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

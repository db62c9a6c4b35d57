/* What a plan computes in place of what was recorded: the same bits, in less work. Each program is compiled
 * twice, as it is and simplified. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/program.h"

struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
};

static void begin(struct fixture *f, size_t ceiling) {
    arena_init(&f->arena, ceiling);
    error_clear(&f->error);
    tape_init(&f->tape, &f->arena, &f->error, (struct tape_limits){1000000, 1 << 27, 1000000000});
}

/* The plan of one node; NULL after a failure. */
static struct plan *plan_of(struct fixture *f, node_id wanted, bool simplified) {
    struct program p;
    assert_true(program_number(&f->tape, &wanted, 1, true, &f->arena, &p));
    return simplified ? plan_compile(&p, SIZE_MAX, &f->arena, &f->error)
                      : plan_place(&p, &f->arena, &f->error);
}

static struct tensor run_of(struct fixture *f, const struct plan *plan, const struct tensor *x) {
    struct run *run = plan_run(plan, (const struct tensor *[]){x}, NULL, &f->error);
    if (!run) fail_msg("%s", f->error.detail);
    struct tensor result = run_result(run, 0);
    void *copy = arena_alloc(&f->arena, tensor_bytes(&result) + 1);
    memcpy(copy, result.data, tensor_bytes(&result));
    result.data = copy;
    run_end(run);
    return result;
}

static void assert_same_bits(const struct tensor *a, const struct tensor *b) {
    for (int64_t i = 0; i < shape_count(&a->shape); i++) {
        const double *was = (const double *)a->data + i, *is = (const double *)b->data + i;
        if (isnan(*was) && isnan(*is)) continue; /* A NaN has no sign. */
        assert_memory_equal(was, is, sizeof *is);
    }
}

/* What a function of x is, simplified and as it is; *less is how much less work it is. */
typedef node_id (*function)(struct tape *t, node_id x);
static void compare(function y, const struct tensor *x, int64_t *less) {
    struct fixture f;
    begin(&f, 1 << 26);
    const node_id wanted = y(&f.tape, tape_input(&f.tape, x->dtype, &x->shape));
    struct plan *plain = plan_of(&f, wanted, false), *simple = plan_of(&f, wanted, true);
    assert_non_null(plain);
    assert_non_null(simple);
    const struct tensor a = run_of(&f, plain, x), b = run_of(&f, simple, x);
    assert_int_equal(a.dtype, b.dtype);
    assert_true(shape_equal(&a.shape, &b.shape));
    assert_same_bits(&a, &b);
    *less = plan_work(plain) - plan_work(simple);
    plan_release(plain);
    plan_release(simple);
    arena_free(&f.arena);
}

static double values[] = {0.0, -0.0, 1.5, -2.25, 1e300, 5e-324, INFINITY, -INFINITY, 0.1, 3, -1, 7};
static const struct tensor row = {DTYPE_F64, {.rank = 1, .dim = {12}}, values};
static const struct tensor grid = {DTYPE_F64, {.rank = 2, .dim = {3, 4}}, values};

/* ---- values that rules find --------------------------------------------------------------------- */

#define FUNCTION(name, expression)                                                                 \
    static node_id name(struct tape *t, node_id x) { return expression; }
#define LIKE(value) emit_like(t, x, value)
FUNCTION(add_nothing, emit_add(t, x, LIKE(-0.0)))
FUNCTION(subtract_nothing, emit_subtract(t, x, LIKE(0)))
FUNCTION(times_one, emit_multiply(t, LIKE(1), x))
FUNCTION(times_minus_one, emit_multiply(t, x, LIKE(-1)))
FUNCTION(over_one, emit_divide(t, x, LIKE(1)))
FUNCTION(first_power, emit_pow(t, x, LIKE(1)))
FUNCTION(minus_minus, emit_negative(t, emit_negative(t, x)))
FUNCTION(plus_minus, emit_add(t, emit_square(t, x), emit_negative(t, x)))
FUNCTION(minus_of_minus, emit_subtract(t, emit_square(t, x), emit_negative(t, x)))
FUNCTION(signs, emit_multiply(t, emit_negative(t, x), emit_negative(t, emit_sin(t, x))))
FUNCTION(sign_into_literal, emit_multiply(t, emit_negative(t, x), LIKE(3)))
FUNCTION(twice_the_same, emit_add(t, emit_sin(t, x), emit_sin(t, x)))
FUNCTION(either_order,
         emit_subtract(t, emit_multiply(t, x, emit_sin(t, x)), emit_multiply(t, emit_sin(t, x), x)))
FUNCTION(of_literals, emit_add(t, x, emit_exp(t, emit_sin(t, LIKE(0.5)))))

static void rules_keep_every_bit_and_save_work(void **state) {
    (void)state;
    static const function all[] = {
        add_nothing,       subtract_nothing, times_one,    times_minus_one, over_one,
        first_power,       minus_minus,      plus_minus,   minus_of_minus,  signs,
        sign_into_literal, twice_the_same,   either_order, of_literals};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t less;
        compare(all[i], &row, &less);
        if (less <= 0 && all[i] != times_minus_one) fail_msg("rule %zu saves nothing", i);
        for (size_t k = 0; k < 12; k++) {
            const struct tensor one = {DTYPE_F64, {0}, &values[k]};
            compare(all[i], &one, &less);
        }
    }
}

/* Every element of x as a slice of its own, twice over, and all of them added. */
static node_id elements_twice(struct tape *t, node_id x) {
    static const int64_t stride[] = {1};
    const struct shape one = {.rank = 1, .dim = {1}};
    node_id sum = NODE_NONE;
    for (int64_t i = 0; i < 24; i++) {
        const node_id element = emit_strided_slice(t, x, &one, (int64_t[]){i % 12}, stride);
        sum = sum == NODE_NONE ? element : emit_add(t, sum, element);
    }
    return sum;
}

static void however_many_read_one_value_the_same_is_computed_once(void **state) {
    (void)state;
    int64_t less;
    compare(elements_twice, &row, &less);
    assert_int_equal(less, 12 * 2); /* a slice of one element is one operation and a step */
}

FUNCTION(add_zero, emit_add(t, x, LIKE(0)))
FUNCTION(half, emit_divide(t, x, LIKE(4)))
FUNCTION(third, emit_divide(t, x, LIKE(3)))
static void what_is_not_the_same_stays(void **state) {
    (void)state;
    int64_t less;
    compare(add_zero, &row, &less); /* -0 + 0 is 0 */
    assert_int_equal(less, 0);
    compare(third, &row, &less); /* x / 3 is not x (1/3) */
    compare(half, &row, &less);
}

/* A power that is a product is the product, which is rounded once. */
FUNCTION(squared, emit_pow(t, x, LIKE(2)))
FUNCTION(inverse, emit_pow(t, x, LIKE(-1)))
static void powers_of_two_and_minus_one_are_rounded_once(void **state) {
    (void)state;
    static const function all[] = {squared, inverse};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        begin(&f, 1 << 20);
        struct plan *plan =
            plan_of(&f, all[i](&f.tape, tape_input(&f.tape, DTYPE_F64, &row.shape)), true);
        const struct tensor y = run_of(&f, plan, &row);
        for (size_t k = 0; k < 12; k++) {
            const double x = values[k], wanted = i ? 1 / x : x * x;
            assert_memory_equal((double *)y.data + k, &wanted, sizeof wanted);
        }
        plan_release(plan);
        arena_free(&f.arena);
    }
}

/* ---- shapes ------------------------------------------------------------------------------------- */

static node_id spread(struct tape *t, node_id x) {
    const struct shape wide = {.rank = 3, .dim = {2, 3, 4}};
    return emit_multiply(t, emit_broadcast_to(t, x, &wide),
                         emit_broadcast_to(t, emit_sin(t, x), &wide));
}
static node_id spread_one(struct tape *t, node_id x) {
    return emit_multiply(t, x, emit_broadcast_to(t, emit_like(t, x, 3), tape_shape(t, x)));
}
static node_id there_and_back(struct tape *t, node_id x) {
    return emit_add(t, x,
                    emit_transpose(t, emit_transpose(t, x, (int64_t[]){1, 0}), (int64_t[]){1, 0}));
}
static node_id product(struct tape *t, node_id x) {
    return emit_matmul(t, emit_transpose(t, x, (int64_t[]){1, 0}), x, false, false);
}
static node_id eight_times(struct tape *t, node_id x) {
    const struct shape wide = {.rank = 3, .dim = {8, 3, 4}};
    return emit_reduce(t, OP_reduce_sum, emit_broadcast_to(t, x, &wide), 1, false);
}
static void shapes_are_not_made_in_vain(void **state) {
    (void)state;
    static const function all[] = {spread, spread_one, there_and_back, product};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t less;
        compare(all[i], &grid, &less);
        if (less <= 0) fail_msg("shape %zu saves nothing", i);
    }
}

static void a_sum_of_copies_is_rounded_once(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, 1 << 20);
    struct plan *plan =
        plan_of(&f, eight_times(&f.tape, tape_input(&f.tape, DTYPE_F64, &grid.shape)), true);
    const struct tensor y = run_of(&f, plan, &grid);
    for (size_t k = 0; k < 12; k++) {
        const double wanted = 8 * values[k];
        assert_memory_equal((double *)y.data + k, &wanted, sizeof wanted);
    }
    plan_release(plan);
    arena_free(&f.arena);
}

static node_id literal_tensor(struct tape *t, node_id x) {
    const struct shape s = {.rank = 1, .dim = {12}};
    double data[12];
    for (int i = 0; i < 12; i++) data[i] = i / 10.0;
    return emit_multiply(t, x, emit_sin(t, emit_exp(t, tape_const(t, DTYPE_F64, &s, data))));
}
static void tensors_of_literals_are_made_once(void **state) {
    (void)state;
    int64_t less;
    compare(literal_tensor, &row, &less);
    assert_true(less > 0);
}

/* Work of x times the sines of so many literals, in elements, and of so many such products. */
static int64_t work_of_sines(int64_t n, int products) {
    struct fixture f;
    begin(&f, 64 << 20);
    const struct shape s = {.rank = 1, .dim = {n}};
    const node_id x = tape_input(&f.tape, DTYPE_F64, &shape_scalar);
    double *data = calloc((size_t)n, sizeof *data);
    node_id y = x;
    for (int i = 0; i < products; i++) {
        data[0] = i;
        const node_id sine = emit_sin(&f.tape, tape_const(&f.tape, DTYPE_F64, &s, data));
        y = emit_multiply(&f.tape, y, sine);
    }
    free(data);
    struct plan *plan = plan_of(&f, y, true);
    assert_non_null(plan);
    const int64_t work = plan_work(plan) / n;
    plan_release(plan);
    arena_free(&f.arena);
    return work;
}
static void literals_are_made_once_where_they_are_not_too_large(void **state) {
    (void)state;
    assert_int_equal(work_of_sines(30000, 1), 1);
    assert_int_equal(work_of_sines(100000, 1), 2); /* one literal */
    assert_int_equal(work_of_sines(60000, 4), 4);
    assert_int_equal(work_of_sines(60000, 5), 6); /* all of them */
}

static void a_failure_of_literals_is_left_to_the_run(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, 1 << 20);
    const struct shape s = {.rank = 1, .dim = {2}};
    const node_id x = tape_input(&f.tape, DTYPE_F64, &row.shape);
    const node_id one = tape_const(&f.tape, DTYPE_I64, &s, (int64_t[]){1, 1}),
                  none = tape_const(&f.tape, DTYPE_I64, &s, (int64_t[]){1, 0});
    struct plan *plan = plan_of(&f, emit_floordiv(&f.tape, one, none), true);
    assert_non_null(plan);
    assert_null(plan_run(plan, (const struct tensor *[]){&row}, NULL, &f.error));
    assert_int_equal(f.error.code, ERROR_INVALID_ARGUMENT);
    plan_release(plan);
    (void)x;
    arena_free(&f.arena);
}

/* ---- values of one element, many at a time ------------------------------------------------------- */

static uint32_t next(uint64_t *state, uint32_t n) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

/* A random program of one element each, shapes () and (1,) mixed. */
static node_id scalars(struct tape *t, node_id x) {
    static const int unary[] = {OP_negative, OP_sin, OP_tanh, OP_exp, OP_square, OP_sigmoid};
    static const int binary[] = {OP_add, OP_subtract, OP_multiply, OP_divide, OP_maximum};
    node_id all[700];
    uint64_t seed = 5;
    size_t n = 0;
    all[n++] = x;
    for (int i = 0; i < 8; i++) all[n++] = emit_like(t, x, i - 3.5);
    while (n < 700) {
        const node_id a = all[next(&seed, (uint32_t)n)], b = all[next(&seed, (uint32_t)n)];
        const uint32_t kind = next(&seed, 12);
        if (kind < 6)
            all[n] = emit1(t, unary[kind], a);
        else if (kind < 11)
            all[n] = emit2(t, binary[kind - 6], a, b);
        else
            all[n] = emit_where(t, emit_greater(t, a, b), a, b);
        n++;
    }
    node_id sum = all[0];
    for (size_t i = 1; i < n; i++) sum = emit_add(t, sum, emit1(t, OP_tanh, all[i]));
    return sum;
}
static void scalars_side_by_side_have_the_bits_of_one_after_the_other(void **state) {
    (void)state;
    double x = 0.3;
    const struct tensor alone = {DTYPE_F64, {0}, &x},
                        boxed = {DTYPE_F64, {.rank = 1, .dim = {1}}, &x};
    for (int i = 0; i < 20; i++) {
        int64_t less;
        x = 0.3 + 0.17 * i;
        compare(scalars, &alone, &less);
        compare(scalars, &boxed, &less);
    }
}

/* ---- memory --------------------------------------------------------------------------------------- */

/* A random sum of boxes of x, of x itself, and of sums of them, with numbers of either sign of 0. */
static uint32_t sum_seed;
static int64_t drawn(int64_t n) {
    sum_seed = sum_seed * 1664525 + 1013904223;
    return (int64_t)(sum_seed >> 8) % n;
}
static node_id a_box(struct tape *t, node_id x) {
    const struct shape whole = *tape_shape(t, x);
    struct shape part = whole;
    int64_t begin[RANK_MAX] = {0}, stride[RANK_MAX];
    for (int i = 0; i < whole.rank; i++) {
        part.dim[i] = 1 + drawn(whole.dim[i]);
        begin[i] = drawn(whole.dim[i] - part.dim[i] + 1);
        stride[i] = 1;
    }
    const node_id box = emit_strided_slice(t, x, &part, begin, stride);
    return emit_slice_grad(t, drawn(2) ? emit_negative(t, box) : box, &whole, begin, stride);
}
static node_id sum_of_boxes(struct tape *t, node_id x) {
    node_id sum = drawn(3) ? a_box(t, x) : emit_sin(t, x), kept = NODE_NONE;
    for (int64_t n = 1 + drawn(8); n > 0; n--) {
        const node_id more = drawn(6) ? a_box(t, x) : emit_multiply(t, x, x);
        sum = drawn(2) ? emit_add(t, sum, more) : emit_add(t, more, sum);
        if (!drawn(6)) kept = sum;
    }
    return kept == NODE_NONE ? sum : emit_subtract(t, sum, kept);
}
static void sums_of_slices_keep_every_bit(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < 2000; seed++) {
        struct fixture f;
        begin(&f, 1 << 24);
        const struct tensor *x = seed % 2 ? &row : &grid;
        const node_id input = tape_input(&f.tape, x->dtype, &x->shape);
        sum_seed = seed;
        const node_id wanted = sum_of_boxes(&f.tape, input);
        struct plan *plain = plan_of(&f, wanted, false), *simple = plan_of(&f, wanted, true);
        const struct tensor a = run_of(&f, plain, x), b = run_of(&f, simple, x);
        assert_same_bits(&a, &b);
        plan_release(plain);
        plan_release(simple);
        arena_free(&f.arena);
    }
}

/* What a gradient of n elements one by one adds up takes work in proportion to n. */
static node_id one_by_one(struct tape *t, node_id x) {
    const struct shape whole = *tape_shape(t, x), part = {.rank = 1, .dim = {1}};
    const int64_t stride = 1;
    node_id sum = NODE_NONE;
    for (int64_t i = 0; i < whole.dim[0]; i++) {
        const node_id box = emit_sin(t, emit_strided_slice(t, x, &part, &i, &stride));
        const node_id term = emit_slice_grad(t, box, &whole, &i, &stride);
        sum = sum == NODE_NONE ? term : emit_add(t, sum, term);
    }
    return sum;
}
static void many_slices_take_little_work(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, 1 << 26);
    const struct shape shape = {.rank = 1, .dim = {1000}};
    struct plan *plan =
        plan_of(&f, one_by_one(&f.tape, tape_input(&f.tape, DTYPE_F64, &shape)), true);
    assert_in_range(plan_work(plan), 4000, 40000);
    plan_release(plan);
    arena_free(&f.arena);
}

static void every_ceiling_ends_in_a_failure_or_in_a_plan(void **state) {
    (void)state;
    static const function all[] = {scalars, spread, product, literal_tensor, one_by_one};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct plan *plan = NULL;
        int failures = 0;
        for (size_t ceiling = 1 << 12; !plan; ceiling += i ? 1021 : 40009) {
            struct fixture f;
            begin(&f, 1 << 24);
            const struct tensor *x = i == 1 || i == 2 ? &grid : &row;
            const struct tensor one = {DTYPE_F64, {0}, values};
            if (i == 0) x = &one;
            const node_id wanted = all[i](&f.tape, tape_input(&f.tape, x->dtype, &x->shape));
            struct program p;
            assert_true(program_number(&f.tape, &wanted, 1, true, &f.arena, &p));
            struct arena scratch;
            arena_init(&scratch, ceiling);
            plan = plan_compile(&p, SIZE_MAX, &scratch, &f.error);
            if (!plan) assert_int_equal(f.error.code, ERROR_MEMORY_BUDGET);
            failures += !plan;
            arena_free(&scratch);
            arena_free(&f.arena);
        }
        assert_true(failures > 0);
        plan_release(plan);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_keep_every_bit_and_save_work),
        cmocka_unit_test(however_many_read_one_value_the_same_is_computed_once),
        cmocka_unit_test(what_is_not_the_same_stays),
        cmocka_unit_test(powers_of_two_and_minus_one_are_rounded_once),
        cmocka_unit_test(shapes_are_not_made_in_vain),
        cmocka_unit_test(a_sum_of_copies_is_rounded_once),
        cmocka_unit_test(tensors_of_literals_are_made_once),
        cmocka_unit_test(literals_are_made_once_where_they_are_not_too_large),
        cmocka_unit_test(a_failure_of_literals_is_left_to_the_run),
        cmocka_unit_test(scalars_side_by_side_have_the_bits_of_one_after_the_other),
        cmocka_unit_test(sums_of_slices_keep_every_bit),
        cmocka_unit_test(many_slices_take_little_work),
        cmocka_unit_test(every_ceiling_ends_in_a_failure_or_in_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

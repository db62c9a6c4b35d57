/* The tape: what is recorded, who gets a gradient and who gets None, and what the limits say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"

struct fixture {
    struct arena arena;
    struct error error;
    struct tape tape;
};

static const struct tape_limits plenty = {100000, 1 << 20, 10000000};

static void begin(struct fixture *f, struct tape_limits limits) {
    arena_init(&f->arena, 64 << 20);
    error_clear(&f->error);
    tape_init(&f->tape, &f->arena, &f->error, limits);
}

static node_id scalar_input(struct fixture *f) {
    return tape_input(&f->tape, DTYPE_F32, &shape_scalar);
}

/* The gradient of one target with everything so far recorded. */
static bool gradient(struct fixture *f, node_id target, const node_id *watched, size_t n_watched,
                     const node_id *sources, size_t n, node_id *g) {
    struct window w = {
        .watched = watched, .n_watched = n_watched, .begin = 0, .end = f->tape.count};
    return tape_gradient(&f->tape, &w, &target, NULL, 1, sources, n, g);
}

/* A piece with a chunk of its own leaves the room of the chunk before to what comes next; and what is given back
 * is room again, whichever chunk it is in. */
static void a_large_piece_of_an_arena_wastes_no_room(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX / 2);
    char *first = arena_alloc(&a, 16);
    const size_t held = a.held;
    const struct arena_mark mark = arena_mark(&a);
    memset(arena_alloc(&a, 8 << 20), 1, 8 << 20);
    assert_ptr_equal(arena_alloc(&a, 16), first + 16);
    arena_rewind(&a, mark);
    assert_int_equal(a.held, held);
    assert_ptr_equal(arena_alloc(&a, 16), first + 16);
    arena_free(&a);
    assert_int_equal(a.held, 0);
}

static void an_arena_keeps_its_ceiling_and_its_alignment(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t i = 1; i < 100; i++) {
        assert_int_equal((uintptr_t)arena_alloc(&a, i) % 16, 0);
        assert_int_equal((uintptr_t)arena_alloc_tensor(&a, i) % 64, 0);
    }
    assert_null(arena_alloc(&a, 1 << 20));
    assert_null(arena_alloc(&a, SIZE_MAX));
    size_t got = 0;
    while (arena_alloc(&a, 1000)) got += 1000;
    assert_true(got > 900000 && a.held <= 1 << 20);
    arena_free(&a);
    assert_int_equal(a.held, 0);
    assert_non_null(arena_alloc(&a, 1000));
    arena_free(&a);
}

static void a_constant_that_is_not_watched_has_no_gradient(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id x = scalar_input(&f), g;
    node_id z = emit_square(&f.tape, x);
    assert_true(gradient(&f, z, NULL, 0, &x, 1, &g));
    assert_true(g == NODE_NONE);
    assert_true(gradient(&f, z, &x, 1, &x, 1, &g));
    assert_true(g != NODE_NONE);
    arena_free(&f.arena);
}

static void an_unwatched_argument_of_a_recorded_op_has_none(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id x = scalar_input(&f), c = scalar_input(&f), g[2];
    node_id deeper = emit_exp(&f.tape, c);
    node_id z = emit_multiply(&f.tape, x, deeper);
    assert_true(gradient(&f, z, &x, 1, (node_id[]){c, deeper}, 2, g));
    assert_true(g[0] == NODE_NONE && g[1] == NODE_NONE);
    arena_free(&f.arena);
}

static void a_target_that_is_a_source_has_its_seed_even_unwatched(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id x = scalar_input(&f), seed = scalar_input(&f), g;
    struct window w = {.watched = NULL, .n_watched = 0, .begin = 0, .end = f.tape.count};
    assert_true(tape_gradient(&f.tape, &w, &x, &seed, 1, &x, 1, &g));
    assert_int_equal(g, seed);
    arena_free(&f.arena);
}

static void integers_and_stop_gradient_cut_the_path(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id x = scalar_input(&f), g;
    node_id by_int = emit_cast(&f.tape, emit_cast(&f.tape, x, DTYPE_I32), DTYPE_F32);
    node_id stopped = emit1(&f.tape, OP_stop_gradient, x);
    assert_true(gradient(&f, by_int, &x, 1, &x, 1, &g));
    assert_true(g == NODE_NONE);
    assert_true(gradient(&f, emit_square(&f.tape, stopped), &x, 1, &x, 1, &g));
    assert_true(g == NODE_NONE);
    node_id half = emit_multiply(&f.tape, x, emit1(&f.tape, OP_stop_gradient, x));
    assert_true(gradient(&f, half, &x, 1, &x, 1, &g));
    assert_true(g != NODE_NONE);
    arena_free(&f.arena);
}

static void a_window_sees_only_what_it_recorded(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id x = scalar_input(&f), g[2];
    node_id y = emit_square(&f.tape, x);
    node_id begin_at = f.tape.count;
    node_id z = emit_exp(&f.tape, y);
    struct window w = {
        .watched = (node_id[]){x, y}, .n_watched = 2, .begin = begin_at, .end = f.tape.count};
    assert_true(tape_gradient(&f.tape, &w, &z, NULL, 1, (node_id[]){x, y}, 2, g));
    assert_true(g[0] == NODE_NONE && g[1] != NODE_NONE);
    arena_free(&f.arena);
}

static void a_second_derivative_is_null_or_zero_as_in_tensorflow(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id x = scalar_input(&f), y = scalar_input(&f), both[2] = {x, y}, g[2], h[2];
    node_id bigger = emit2(&f.tape, OP_maximum, x, y);
    assert_true(gradient(&f, bigger, both, 2, both, 2, g));
    assert_true(gradient(&f, g[0], both, 2, both, 2, h));
    assert_true(h[0] == NODE_NONE && h[1] == NODE_NONE);
    int connected[] = {OP_relu, OP_abs};
    for (size_t i = 0; i < 2; i++) {
        assert_true(gradient(&f, emit1(&f.tape, connected[i], x), &x, 1, &x, 1, g));
        assert_true(gradient(&f, g[0], &x, 1, &x, 1, h));
        assert_true(h[0] != NODE_NONE);
    }
    arena_free(&f.arena);
}

static void the_first_failure_is_kept_and_later_emits_do_nothing(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, plenty);
    node_id a = tape_input(&f.tape, DTYPE_F32, &(struct shape){2, {2, 3}});
    node_id b = tape_input(&f.tape, DTYPE_F32, &(struct shape){1, {4}});
    node_id c = emit_add(&f.tape, a, b);
    assert_true(c == NODE_NONE);
    assert_string_equal(f.error.detail, "add: shapes (2,3) and (4,) do not broadcast");
    uint32_t count = f.tape.count;
    assert_true(emit_exp(&f.tape, emit_multiply(&f.tape, c, a)) == NODE_NONE);
    assert_true(emit_exp(&f.tape, a) == NODE_NONE);
    assert_int_equal(f.tape.count, count);
    assert_int_equal(f.error.code, ERROR_SHAPE_MISMATCH);
    arena_free(&f.arena);
}

static void refused(const char *expected, enum error_code code, node_id (*build)(struct tape *)) {
    struct fixture f;
    begin(&f, plenty);
    assert_true(build(&f.tape) == NODE_NONE);
    assert_string_equal(f.error.detail, expected);
    assert_int_equal(f.error.code, code);
    arena_free(&f.arena);
}

static node_id zeros(struct tape *t, enum dtype d, int rank, int64_t m, int64_t n) {
    return tape_input(t, d, &(struct shape){rank, {m, n}});
}
static node_id bad_dtypes(struct tape *t) {
    return emit_add(t, zeros(t, DTYPE_F32, 1, 2, 0), zeros(t, DTYPE_F64, 1, 2, 0));
}
static node_id bad_kernel(struct tape *t) { return emit_exp(t, zeros(t, DTYPE_I32, 1, 2, 0)); }
static node_id bad_inner(struct tape *t) {
    return emit_matmul(t, zeros(t, DTYPE_F32, 2, 2, 3), zeros(t, DTYPE_F32, 2, 2, 3), false, false);
}
static node_id bad_rank(struct tape *t) {
    return emit_matmul(t, zeros(t, DTYPE_F32, 1, 3, 0), zeros(t, DTYPE_F32, 2, 3, 3), false, false);
}
static node_id bad_broadcast(struct tape *t) {
    return emit_broadcast_to(t, zeros(t, DTYPE_F32, 1, 3, 0), &(struct shape){2, {3, 2}});
}
static node_id too_large(struct tape *t) {
    return emit_broadcast_to(t, zeros(t, DTYPE_F32, 0, 0, 0), &(struct shape){2, {1 << 20, 2}});
}
static node_id bad_where(struct tape *t) {
    node_id x = zeros(t, DTYPE_F32, 1, 3, 0);
    return emit_where(t, x, x, x);
}
static void wrong_arguments_are_refused_with_both_values(void **state) {
    (void)state;
    refused(
        "add: input #1 (zero-based) was expected to be a float32 tensor but is a float64 tensor",
        ERROR_DTYPE_MISMATCH, bad_dtypes);
    refused("exp: a int32 tensor was found where one of float32, float64 is expected",
            ERROR_DTYPE_MISMATCH, bad_kernel);
    refused("matmul: inner dimensions 3 and 2 of shapes (2,3) and (2,3) differ",
            ERROR_SHAPE_MISMATCH, bad_inner);
    refused("matmul: a has shape (3,); a matrix (rank 2 or more) is expected", ERROR_SHAPE_MISMATCH,
            bad_rank);
    refused("broadcast_to: shape (3,) does not broadcast to (3,2)", ERROR_SHAPE_MISMATCH,
            bad_broadcast);
    refused("broadcast_to: a result of shape (1048576,2) has more than the 1048576 elements a "
            "tensor may have",
            ERROR_TOO_MANY_ELEMENTS, too_large);
    refused("where: condition is float32 where bool is expected", ERROR_DTYPE_MISMATCH, bad_where);
}

static void one_node_more_than_the_limit_is_refused(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, (struct tape_limits){10, 1 << 20, 1000});
    node_id x = scalar_input(&f);
    for (int i = 0; i < 9; i++) x = emit_exp(&f.tape, x);
    assert_true(x != NODE_NONE);
    assert_true(emit_exp(&f.tape, x) == NODE_NONE);
    assert_string_equal(
        f.error.detail,
        "the graph has more than the 10 nodes a graph may have, derivatives included");
    assert_int_equal(f.error.code, ERROR_GRAPH_TOO_LARGE);
    arena_free(&f.arena);
}

static void many_derivatives_of_a_long_program_meet_the_walk_limit(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, (struct tape_limits){1000000, 1 << 20, 100000});
    node_id x = scalar_input(&f), y = x, g;
    for (int i = 0; i < 1000; i++) y = emit_sin(&f.tape, y);
    while (gradient(&f, y, &x, 1, &x, 1, &g)) {
    }
    assert_int_equal(f.error.code, ERROR_TOO_MUCH_WORK);
    assert_true(f.tape.walked <= 110000);
    arena_free(&f.arena);
}

static void every_ceiling_of_memory_ends_in_a_failure_or_in_success(void **state) {
    (void)state;
    bool done = false;
    for (size_t ceiling = 0; !done; ceiling += 997) {
        struct fixture f;
        begin(&f, plenty);
        arena_init(&f.arena, ceiling);
        node_id x = tape_input(&f.tape, DTYPE_F32, &(struct shape){2, {3, 4}}), y = x, g;
        for (int i = 0; i < 200; i++) y = emit_multiply(&f.tape, emit_sin(&f.tape, y), x);
        y = emit_concat(&f.tape, (node_id[]){y, x, y, x, y}, 5, 0);
        done = tape_ok(&f.tape) && gradient(&f, y, &x, 1, &x, 1, &g);
        if (!done) assert_int_equal(f.error.code, ERROR_MEMORY_BUDGET);
        arena_free(&f.arena);
    }
}

static void names_are_found_with_their_aliases_and_prefixes(void **state) {
    (void)state;
    assert_int_equal(op_find("reduce_sum"), OP_reduce_sum);
    assert_int_equal(op_find("sum"), OP_reduce_sum);
    assert_int_equal(op_find("tf.math.sigmoid"), OP_sigmoid);
    assert_int_equal(op_find("tf.nn.relu"), OP_relu);
    assert_int_equal(op_find("tf.reduce_mean"), OP_reduce_mean);
    assert_int_equal(op_find("recurrence"), -1);
    assert_int_equal(op_find(""), -1);
    assert_string_equal(op_nearest("redcue_sum"), "reduce_sum");
    assert_string_equal(op_nearest("simoid"), "sigmoid");
    assert_null(op_nearest("completely_different"));
    assert_null(name_nearest("x", (const char *const[]){"y"}, 1));
    assert_string_equal(name_nearest("x3", (const char *const[]){"learning", "x1"}, 2), "x1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_piece_of_an_arena_wastes_no_room),
        cmocka_unit_test(an_arena_keeps_its_ceiling_and_its_alignment),
        cmocka_unit_test(a_constant_that_is_not_watched_has_no_gradient),
        cmocka_unit_test(an_unwatched_argument_of_a_recorded_op_has_none),
        cmocka_unit_test(a_target_that_is_a_source_has_its_seed_even_unwatched),
        cmocka_unit_test(integers_and_stop_gradient_cut_the_path),
        cmocka_unit_test(a_window_sees_only_what_it_recorded),
        cmocka_unit_test(a_second_derivative_is_null_or_zero_as_in_tensorflow),
        cmocka_unit_test(the_first_failure_is_kept_and_later_emits_do_nothing),
        cmocka_unit_test(wrong_arguments_are_refused_with_both_values),
        cmocka_unit_test(one_node_more_than_the_limit_is_refused),
        cmocka_unit_test(many_derivatives_of_a_long_program_meet_the_walk_limit),
        cmocka_unit_test(every_ceiling_of_memory_ends_in_a_failure_or_in_success),
        cmocka_unit_test(names_are_found_with_their_aliases_and_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

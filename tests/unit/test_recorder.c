/* The recorder by itself: transactions that end at any byte, tapes that end in any order, programs that
 * do not grow with what was thrown away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/emit.h"
#include "core/plan.h"
#include "core/recorder.h"

/* SOME: bytes of a small program with what a recorder leaves lying about. */
enum { VARIABLES = 3, SOME = 160 << 10 };

/* A recorder and what a session has around it. */
struct fixture {
    struct account account;
    struct recorder *r;
    struct held value[VARIABLES];
    struct places places[VARIABLES], result;
    size_t empty; /* what the account had without a recorder */
    struct plan_cache *plans;
    struct arena arena; /* of the request */
    struct error error;
    struct tape t;
};

static int begin(void **state) {
    static struct fixture f;
    f = (struct fixture){.account = {.limit = 64 << 20}};
    for (int i = 0; i < VARIABLES; i++) {
        float x = (float)(i + 2);
        held_copy(&f.account, &(struct tensor){DTYPE_F32, shape_scalar, &x}, &f.value[i]);
    }
    f.empty = f.account.bytes;
    f.r = recorder_new(&f.account, 1);
    f.plans = plan_cache_new(16, 1 << 20, 7);
    arena_init(&f.arena, 64 << 20);
    *state = &f;
    return 0;
}

static void free_places(struct fixture *f) {
    for (int i = 0; i < VARIABLES; i++) places_free(&f->account, &f->places[i]);
    places_free(&f->account, &f->result);
}

/* Whatever a test has done, nothing is left of it. */
static int end(void **state) {
    struct fixture *f = *state;
    recorder_free(f->r);
    free_places(f);
    assert_int_equal(f->account.bytes, f->empty);
    for (int i = 0; i < VARIABLES; i++) block_release(f->value[i].owner);
    assert_int_equal(f->account.bytes, 0);
    plan_cache_free(f->plans);
    arena_free(&f->arena);
    return 0;
}

static struct recording *open_tape(struct fixture *f, uint64_t number) {
    struct recording *tape = recorder_open(f->r, number);
    if (!tape) return NULL;
    tape->persistent = tape->watches_variables = true;
    return tape;
}

static void lend(struct fixture *f) {
    error_clear(&f->error);
    arena_free(&f->arena);
    tape_init(&f->t, &f->arena, &f->error, (struct tape_limits){1 << 20, 1 << 20, 1 << 20});
    recorder_begin(f->r, &f->t, 64 << 20);
}

static node_id read_variable(struct fixture *f, int i) {
    return recorder_read(f->r, &f->places[i], &f->value[i], (uint64_t)i + 1, true);
}

/* Runs what recording tapes need of the nodes from `first` on, and keeps it. */
static bool keep_needed(struct fixture *f, node_id first) {
    node_id *needed;
    const node_id *inputs;
    size_t n, n_inputs;
    bool taken = false;
    if (!recorder_needs(f->r, &f->arena, first, NULL, 0, &needed, &n)) return false;
    struct plan *plan =
        plan_get(f->plans, &f->t, needed, n, &inputs, &n_inputs, &f->arena, &f->error);
    struct tensor *values = arena_alloc(&f->arena, (n_inputs + 1) * sizeof *values);
    const struct tensor **bound = arena_alloc(&f->arena, (n_inputs + 1) * sizeof *bound);
    for (size_t i = 0; i < n_inputs; i++) {
        assert_true(recorder_is_known(f->r, inputs[i]));
        values[i] = recorder_value(f->r, inputs[i]);
        bound[i] = &values[i];
    }
    struct run *run = plan_run(plan, bound, &(struct run_control){0}, &f->error);
    const bool kept = recorder_keep(f->r, needed, n, run, plan, 0, &taken);
    if (taken) return kept;
    run_end(run);
    plan_release(plan);
    return kept;
}

/* result = sin(a * b) + a, for two variables. False, and nothing has changed, past the limit. */
static bool execute(struct fixture *f, int a, int b) {
    lend(f);
    const node_id first = f->t.count;
    const node_id x = read_variable(f, a), y = read_variable(f, b);
    const node_id z = emit_add(&f->t, emit_sin(&f->t, emit_multiply(&f->t, x, y)), x);
    if (z != NODE_NONE && recorder_record(f->r, first) && keep_needed(f, first) &&
        recorder_put(f->r, &f->result, z) && recorder_pay(f->r)) {
        recorder_commit(f->r);
        return true;
    }
    assert_int_equal(f->error.code, ERROR_MEMORY_BUDGET);
    recorder_cancel(f->r);
    return false;
}

/* Every value that the backward pass of a tape reads. */
static void assert_has_what_it_needs(const struct fixture *f, const struct recording *tape) {
    const struct tape *t = f->r->program;
    for (node_id n = 0; n < tape->n_seen; n++) {
        if (!(tape->flags[n] & TAPE_RECORDED)) continue;
        assert_true(n < t->count && recorder_is_known(f->r, n));
        for (uint32_t i = 0; i < tape_node(t, n)->n_args; i++)
            assert_true(recorder_is_known(f->r, tape_arg(t, n, i)) ||
                        tape_node(t, tape_arg(t, n, i))->op == OP_const);
    }
}

static void settle(struct fixture *f) {
    for (int i = 0; i < VARIABLES; i++) places_cut(f->r, &f->places[i]);
    places_cut(f->r, &f->result);
}

static void a_transaction_that_fails_at_any_byte_leaves_nothing(void **state) {
    struct fixture *f = *state;
    const size_t limit = f->account.limit;
    struct recording *one = open_tape(f, 1), *two = open_tape(f, 2);
    assert_true(one && two && execute(f, 0, 1));
    two->is_recording = false;
    int failures = 0;
    for (int round = 0; round < 8; round++) {
        const size_t bytes = f->account.bytes;
        const uint32_t count = f->r->own.count, seen = one->n_seen, watched = one->n_watched;
        const struct places before = f->places[0];
        size_t room = 0;
        for (;; room += 24, failures++) {
            f->account.limit = bytes + room;
            if (execute(f, round % VARIABLES, 2)) break;
            assert_int_equal(f->account.bytes, bytes);
            assert_true(f->r->own.count == count && one->n_seen == seen);
            assert_true(one->n_watched == watched && f->places[0].n_reads == before.n_reads);
            assert_has_what_it_needs(f, one);
        }
        assert_true(f->account.bytes <= f->account.limit);
        f->account.limit = limit;
        assert_has_what_it_needs(f, one);
    }
    assert_true(failures > 20);
    assert_has_what_it_needs(f, two);
}

static void a_watch_that_is_cancelled_is_no_watch(void **state) {
    struct fixture *f = *state;
    struct recording *tape = open_tape(f, 1);
    tape->watches_variables = false;
    assert_true(execute(f, 0, 1));
    tape->is_recording = false;
    const size_t bytes = f->account.bytes;
    const uint32_t seen = tape->n_seen;
    lend(f);
    assert_int_not_equal(read_variable(f, 2), NODE_NONE);
    assert_true(recorder_watch_variable(f->r, tape, 3, &f->places[2]));
    assert_true(recorder_watch_variable(f->r, tape, 1, &f->places[0]));
    assert_int_equal(tape->n_watched, 2);
    recorder_cancel(f->r);
    assert_int_equal(tape->n_watched, 0);
    assert_int_equal(tape->n_seen, seen);
    assert_int_equal(f->places[2].n_reads, 0);
    assert_int_equal(f->account.bytes, bytes);
    for (node_id n = 0; n < seen; n++) assert_false(tape->flags[n] & TAPE_ON);
}

/* Every other number below 4000, from the end to the beginning, then the others. */
static void watch_many(struct fixture *f, struct recording *tape, uint64_t least) {
    struct places nowhere = {0};
    lend(f);
    for (uint64_t id = 4000 - least; id > 0; id -= id > 1 ? 2 : id) {
        assert_true(recorder_watch_variable(f->r, tape, id, &nowhere));
        assert_true(recorder_watch_variable(f->r, tape, id, &nowhere));
    }
}

static void many_variables_are_watched_in_the_order_of_their_creation(void **state) {
    struct fixture *f = *state;
    struct recording *tape = open_tape(f, 1);
    const size_t bytes = f->account.bytes;
    watch_many(f, tape, 0);
    recorder_cancel(f->r);
    assert_true(tape->n_watched == 0 && f->account.bytes == bytes);
    for (uint64_t least = 0; least < 2; least++) {
        watch_many(f, tape, least);
        assert_true(recorder_pay(f->r));
        recorder_commit(f->r);
        watch_many(f, tape, 1);
        recorder_cancel(f->r);
        assert_true(tape->n_watched >= 2000 && tape->n_watched == tape->n_sorted);
        for (uint32_t i = 1; i < tape->n_watched; i++)
            assert_true(tape->watched[i - 1].variable < tape->watched[i].variable);
        if (least == 0) assert_int_equal(tape->n_watched, 2000);
    }
    assert_int_equal(tape->n_watched, 4000);
}

static void overlapping_tapes_end_in_any_order(void **state) {
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct fixture *f = *state;
    for (size_t k = 0; k < 6; k++) {
        struct recording *tapes[3];
        for (int i = 0; i < 3; i++) {
            assert_non_null(tapes[i] = open_tape(f, (uint64_t)i + 1));
            assert_true(execute(f, i, (i + 1) % VARIABLES));
            if (i) tapes[i - 1]->is_recording = false;
            assert_true(execute(f, 0, i));
        }
        for (int i = 0; i < 3; i++) {
            const size_t bytes = f->account.bytes;
            recorder_drop(f->r, tapes[orders[k][i]]);
            tapes[orders[k][i]] = NULL;
            settle(f);
            assert_true(f->account.bytes < bytes);
            for (int j = 0; j < 3; j++)
                if (tapes[j]) assert_has_what_it_needs(f, tapes[j]);
            if (i < 2) assert_true(execute(f, 1, 2));
        }
        recorder_free(f->r);
        free_places(f);
        assert_int_equal(f->account.bytes, f->empty);
        assert_non_null(f->r = recorder_new(&f->account, k + 2));
    }
}

static void a_program_takes_the_memory_of_its_nodes(void **state) {
    struct fixture *f = *state;
    struct recording *tape = open_tape(f, 1);
    for (int i = 0; i < 3000; i++) assert_true(execute(f, i % VARIABLES, 1));
    const uint32_t count = f->r->own.count;
    assert_true(count >= 9000 && f->r->arena.held < SOME + 6 * count * sizeof(struct node));
    assert_has_what_it_needs(f, tape);
}

static void a_reset_gives_memory_back(void **state) {
    struct fixture *f = *state;
    struct recording *tape = open_tape(f, 1);
    for (int i = 0; i < 1000; i++) {
        assert_true(execute(f, 0, 1) && execute(f, 2, 1));
        recorder_reset(f->r, tape);
        settle(f);
        assert_true(f->account.bytes < SOME);
    }
    assert_int_equal(f->r->own.count, 0);
}

static void what_a_short_tape_recorded_goes_with_it(void **state) {
    struct fixture *f = *state;
    struct recording *outer = open_tape(f, 1);
    assert_true(execute(f, 0, 1));
    outer->is_recording = false;
    const uint32_t count = f->r->own.count;
    for (uint64_t i = 0; i < 1000; i++) {
        struct recording *inner = open_tape(f, i + 2);
        lend(f);
        const node_id first = f->t.count;
        const node_id x = emit_reshape(&f->t, read_variable(f, 2), &(struct shape){1, {1}});
        emit_concat(&f->t, (node_id[]){x, x, x, x, x, x}, 6, 0);
        assert_true(recorder_record(f->r, first) && keep_needed(f, first) && recorder_pay(f->r));
        recorder_commit(f->r);
        recorder_drop(f->r, inner);
        settle(f);
        assert_true(f->r->own.count == count && f->r->own.n_pool == 0);
        assert_true(f->account.bytes < SOME);
    }
    assert_has_what_it_needs(f, outer);
}

static void a_copy_is_whole_or_none(void **state) {
    struct fixture *f = *state;
    struct recording *tape = open_tape(f, 1);
    open_tape(f, 2)->is_recording = false;
    for (int i = 0; i < 20; i++) assert_true(execute(f, i % VARIABLES, 1));
    struct account account = {0};
    struct recorder *copy = NULL;
    int failures = 0;
    for (; !(copy = recorder_copy(f->r, &account)); failures++) {
        assert_int_equal(account.bytes, 0);
        account.limit += 64;
    }
    assert_true(failures > 20 && account.bytes <= account.limit);
    recorder_drop(f->r, tape);
    settle(f);
    struct fixture other = {.r = copy};
    assert_int_equal(copy->n_tapes, 2);
    assert_has_what_it_needs(&other, recorder_find(copy, 1));
    recorder_free(copy);
    assert_int_equal(account.bytes, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_that_fails_at_any_byte_leaves_nothing),
        TEST(a_watch_that_is_cancelled_is_no_watch),
        TEST(many_variables_are_watched_in_the_order_of_their_creation),
        TEST(overlapping_tapes_end_in_any_order),
        TEST(a_program_takes_the_memory_of_its_nodes),
        TEST(a_reset_gives_memory_back),
        TEST(what_a_short_tape_recorded_goes_with_it),
        TEST(a_copy_is_whole_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

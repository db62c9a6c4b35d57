/* The answer: every node that it shows is wanted of one plan, one run computes them, and they are
 * written in the structure that the request gave them. */
#include <inttypes.h>
#include <stdio.h>

#include "api/known.h"
#include "api/oneshot.h"

/* Walks a structure in the order in which its nodes were wanted. */
struct printer {
    const struct run *run;
    struct writer *out;
    enum tensor_format format;
    size_t next;
    const struct batch *batch;
};

static size_t count_nodes(const struct value *v) {
    if (v->kind != VALUE_LIST && v->kind != VALUE_OBJECT) return v->kind == VALUE_NODE;
    size_t n = 0;
    for (uint32_t i = 0; i < v->n; i++) n += count_nodes(&v->items[i]);
    return n;
}

static void want(const struct value *v, node_id *wanted, size_t *n) {
    if (v->kind == VALUE_NODE) wanted[(*n)++] = v->node;
    if (v->kind != VALUE_LIST && v->kind != VALUE_OBJECT) return;
    for (uint32_t i = 0; i < v->n; i++) want(&v->items[i], wanted, n);
}

/* A tensor of the points that have not failed, point by point, with null in place of the others. */
static void print_points(struct printer *p, const struct tensor *t) {
    const struct batch *b = p->batch;
    struct tensor one = {.dtype = t->dtype, .shape.rank = t->shape.rank - 1, .data = t->data};
    for (int i = 0; i < one.shape.rank; i++) one.shape.dim[i] = t->shape.dim[i + 1];
    int64_t failed = 0;
    write_text(p->out, "[");
    for (int64_t i = 0; i < b->n; i++) {
        if (i) write_text(p->out, ",");
        if (failed < b->n_failures && b->failures[failed].point == i) {
            write_text(p->out, "null");
            failed++;
            continue;
        }
        write_tensor(p->out, &one, p->format);
        one.data = (char *)one.data + tensor_bytes(&one);
    }
    write_text(p->out, "]");
}

static void print(struct printer *p, const struct value *v) {
    if (v->kind == VALUE_NODE) {
        const struct tensor t = run_result(p->run, p->next++);
        if (p->batch->n_failures)
            print_points(p, &t);
        else
            write_tensor(p->out, &t, p->format);
    } else if (v->kind == VALUE_LIST) {
        write_text(p->out, "[");
        for (uint32_t i = 0; i < v->n; i++) {
            if (i) write_text(p->out, ",");
            print(p, &v->items[i]);
        }
        write_text(p->out, "]");
    } else if (v->kind == VALUE_OBJECT) {
        write_text(p->out, "{");
        for (uint32_t i = 0; i < v->n; i += 2) {
            if (i) write_text(p->out, ",");
            write_string(p->out, v->items[i].string);
            write_text(p->out, ":");
            print(p, &v->items[i + 1]);
        }
        write_text(p->out, "}");
    } else if (v->kind == VALUE_INT) {
        write_int(p->out, v->i);
    } else {
        write_text(p->out, "null");
    }
}

void oneshot_write_value(const struct oneshot *o, const struct run *run, size_t at,
                         const struct value *v, struct writer *out) {
    struct printer p = {
        .run = run, .out = out, .format = o->request.tensor_format, .next = at, .batch = &o->batch};
    print(&p, v);
}

void oneshot_write_warnings(const struct oneshot *o, struct writer *out) {
    write_text(out, ",\"warnings\":[");
    for (const struct warning *w = o->warnings; w; w = w->next) {
        write_text(out, w == o->warnings ? "{\"code\":" : ",{\"code\":");
        write_string(out, w->code);
        write_text(out, ",\"detail\":");
        write_string(out, w->detail);
        write_text(out, ",\"pointer\":");
        write_string(out, w->pointer);
        write_text(out, "}");
    }
    write_text(out, "]");
}

static void print_member(struct printer *p, const char *name, const struct value *v) {
    write_text(p->out, p->out->length ? "," : "{");
    write_string(p->out, name);
    write_text(p->out, ":");
    print(p, v);
}

static bool print_answer(struct oneshot *o, struct run *run, struct plan *plan,
                         const struct extra *extra, struct writer *out, bool *taken) {
    struct printer p = {
        .run = run, .out = out, .format = o->request.tensor_format, .batch = &o->batch};
    if (!o->hides_value) print_member(&p, "value", &o->value);
    for (uint32_t i = 0; i < o->n_derivatives; i++)
        print_member(&p, o->derivatives[i].name, &o->derivatives[i].value);
    if (o->has_fetched) print_member(&p, "fetched", &o->fetched);
    if (extra && !extra->finish(o, run, plan, p.next, out, taken)) return false;
    if (o->batch.n_failures) batch_write_failures(o, out);
    if (o->warnings) oneshot_write_warnings(o, out);
    if (o->request.wants_diagnosis) diagnose_write(o, run, p.next, out);
    write_text(out, "}");
    return writer_whole(out, o->error);
}

/* Both are refused before anything is spent. */
bool oneshot_within_budget(struct oneshot *o, const struct plan *plan, size_t held) {
    const struct service_limits *limits = o->call->limits;
    const int64_t work = plan_work(plan);
    if (work > limits->max_work) {
        return error_set(o->error, ERROR_TOO_MUCH_WORK,
                         "the request needs about %" PRId64 " operations; the limit is %" PRId64,
                         work, limits->max_work);
    }
    const size_t left = o->arena.ceiling > held ? o->arena.ceiling - held : 0;
    if (plan_run_bytes(plan) > left) {
        return error_set(
            o->error, ERROR_MEMORY_BUDGET,
            "the request needs %zu bytes of memory beside the %zu it holds; the limit is %zu",
            plan_run_bytes(plan), held, o->arena.ceiling);
    }
    return true;
}

void oneshot_add(struct oneshot *o, const char *name, struct value value) {
    o->derivatives[o->n_derivatives++] = (struct derivative){.name = name, .value = value};
}

const struct late *oneshot_late(const struct oneshot *o, node_id input) {
    uint32_t low = 0, high = o->n_late;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (o->late[middle].node <= input)
            low = middle;
        else
            high = middle;
    }
    return low < o->n_late && o->late[low].node == input ? &o->late[low] : NULL;
}

const struct tensor *oneshot_bound(const struct oneshot *o, node_id input) {
    if (input < o->n_bound) return &o->tensors[input];
    if (o->work && session_knows(o, input)) return session_bound(o, input);
    const struct late *late = oneshot_late(o, input);
    return late ? &late->tensor : NULL;
}

struct plan *oneshot_plan(struct oneshot *o, const node_id *wanted, size_t n,
                          const struct tensor ***bound, const node_id **inputs, size_t *n_inputs) {
    /* What compiling takes besides is no part of the account, which is the same where a plan is found. */
    o->held.built = o->arena.held;
    struct plan *plan =
        plan_get(o->call->plans, &o->b.tape, wanted, n, inputs, n_inputs, &o->arena, o->error);
    if (!plan) return NULL;
    *bound = arena_alloc(&o->arena, (*n_inputs + 1) * sizeof **bound);
    bool whole = *bound;
    for (size_t i = 0; whole && i < *n_inputs; i++) {
        (*bound)[i] = oneshot_bound(o, (*inputs)[i]);
        whole = (*bound)[i];
    }
    if (!whole || !oneshot_within_budget(o, plan, o->held.built)) {
        if (!whole) build_fail_memory(&o->b);
        plan_release(plan);
        return NULL;
    }
    o->bound = *bound;
    return plan;
}

bool oneshot_in_time(struct oneshot *o) {
    const atomic_bool *cancelled = o->call->control.cancelled;
    const int64_t deadline = o->request.deadline;
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed))
        return error_set(o->error, ERROR_CANCELLED, "the run was cancelled");
    return !deadline || clock_now() <= deadline ||
           error_set(o->error, ERROR_DEADLINE_EXCEEDED, "the run passed its deadline");
}

struct run *oneshot_run(struct oneshot *o, const struct plan *plan,
                        const struct tensor *const *bound) {
    enum { LOOK_EVERY = 256 };
    struct run_control control = o->call->control;
    control.deadline = o->request.deadline;
    if (++o->n_runs % LOOK_EVERY == 0 && !oneshot_in_time(o)) return NULL;
    return plan_run(plan, bound, &control, o->error);
}

bool oneshot_runs_within(struct oneshot *o, int64_t runs, int64_t work) {
    enum { BEGIN = 256 }; /* operations that beginning and ending a run costs */
    const int64_t limit = o->call->limits->max_work;
    int64_t all;
    if (!__builtin_add_overflow(work, BEGIN, &work) && !__builtin_mul_overflow(runs, work, &all) &&
        all <= limit)
        return true;
    return error_set(o->error, ERROR_TOO_MUCH_WORK,
                     "the request takes up to %" PRId64 " runs of about %" PRId64
                     " operations each; the limit is %" PRId64 " operations",
                     runs, work, limit);
}

enum outcome { ANSWERED, REFUSED, RUN_FAILED };

static enum outcome answer(struct oneshot *o, const node_id *wanted, size_t n,
                           const struct extra *extra, struct writer *out) {
    const struct tensor **bound;
    const node_id *inputs;
    size_t n_inputs;
    struct plan *plan = oneshot_plan(o, wanted, n, &bound, &inputs, &n_inputs);
    if (!plan) return REFUSED;
    struct run *run = oneshot_run(o, plan, bound);
    bool taken = false;
    const enum outcome outcome = !run                                             ? RUN_FAILED
                                 : print_answer(o, run, plan, extra, out, &taken) ? ANSWERED
                                                                                  : REFUSED;
    if (outcome == ANSWERED && !extra) known_keep(o, plan, inputs, n_inputs);
    if (taken) return outcome;
    run_end(run);
    plan_release(plan);
    return outcome;
}

/* All points at once; where the data of some fails, all others at once. */
static bool answer_batch(struct oneshot *o, const node_id *wanted, size_t n, struct writer *out) {
    node_id *mapped = arena_alloc(&o->arena, (n + 1) * sizeof *mapped);
    if (!mapped) return build_fail_memory(&o->b);
    for (int attempt = 0; attempt < 2; attempt++) {
        for (size_t i = 0; i < n; i++) mapped[i] = wanted[i];
        if (!batch_map(o, mapped, n)) return false;
        const enum outcome outcome = answer(o, mapped, n, NULL, out);
        if (outcome != RUN_FAILED) return outcome == ANSWERED;
        if (attempt || !batch_find_failures(o, wanted, n)) return false;
    }
    return false;
}

bool oneshot_answer_again(struct oneshot *o, struct plan *plan, struct writer *out) {
    bool taken = false;
    struct run *run = oneshot_run(o, plan, o->bound);
    const bool done = run && print_answer(o, run, plan, NULL, out, &taken);
    run_end(run);
    return done;
}

bool oneshot_answer(struct oneshot *o, struct writer *out) {
    return oneshot_answer_with(o, NULL, out);
}

bool oneshot_answer_with(struct oneshot *o, const struct extra *extra, struct writer *out) {
    size_t most = 2 * o->n_suspects + (extra ? extra->n : 0), n = 0;
    if (!o->hides_value) most += count_nodes(&o->value);
    for (uint32_t i = 0; i < o->n_derivatives; i++) most += count_nodes(&o->derivatives[i].value);
    if (o->has_fetched) most += count_nodes(&o->fetched);
    node_id *wanted = arena_alloc(&o->arena, (most + 1) * sizeof *wanted);
    if (!wanted) return build_fail_memory(&o->b);
    if (!o->hides_value) want(&o->value, wanted, &n);
    for (uint32_t i = 0; i < o->n_derivatives; i++) want(&o->derivatives[i].value, wanted, &n);
    if (o->has_fetched) want(&o->fetched, wanted, &n);
    for (size_t i = 0; i < o->n_suspects; i++) wanted[n++] = o->suspects[i];
    for (size_t i = 0; i < o->n_suspects; i++) {
        if (o->suspect_gradients[i] != NODE_NONE) wanted[n++] = o->suspect_gradients[i];
    }
    for (size_t i = 0; extra && i < extra->n; i++) wanted[n++] = extra->nodes[i];
    return o->batch.given ? answer_batch(o, wanted, n, out)
                          : answer(o, wanted, n, extra, out) == ANSWERED;
}

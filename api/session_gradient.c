/* What a tape answers: gradient, jacobian, batch_jacobian, and the jvp of an accumulator. Each appends
 * its derivative to the program; where no tape looks on, that is thrown away after the answer. */
#include <string.h>

#include "api/expr.h"
#include "api/place.h"
#include "api/session_journal.h"
#include "api/session_question.h"
#include "api/session_services.h"
#include "api/session_tape.h"
#include "core/emit.h"

/* One request. */
struct asking {
    struct oneshot o; /* first, so that it is found from there */
    struct session_work w;
    struct recording *tape;
    bool was_recording;
    struct window window;
    node_id *targets, *seeds;
    size_t n_targets;
    struct value structure; /* of the sources */
    node_id *sources;       /* its leaves */
    size_t n_sources;
    node_id *reads; /* those of source i are reads[first[i]] up to reads[first[i + 1]] */
    size_t *first;
};

static node_id *new_nodes(struct asking *a, size_t n) {
    node_id *nodes = arena_alloc(&a->o.arena, (n + 1) * sizeof *nodes);
    if (!nodes) build_fail_memory(&a->o.b);
    return nodes;
}

/* ---- targets and sources --------------------------------------------------------------------------- */

static bool read_targets(struct asking *a) {
    struct oneshot *o = &a->o;
    const struct json *target = o->request.target;
    if (!target) return error_set(o->error, ERROR_INVALID_REQUEST, "member \"target\" is missing");
    if (json_type(target) == JSON_NULL) {
        error_set(o->error, ERROR_MISSING_GRADIENT,
                  "Argument `target` should be a list or nested structure of Tensors, Variables or "
                  "CompositeTensors to be differentiated, but received None.");
        return error_under(o->error, "target");
    }
    return oneshot_targets(o, &a->targets, &a->seeds, &a->n_targets);
}

/* Every variable that the tape watches, by name. */
static bool watched_by_name(struct asking *a) {
    struct oneshot *o = &a->o;
    struct value *items = arena_alloc(&o->arena, (2 * a->w.n_items + 1) * sizeof *items);
    size_t n = 0;
    uint32_t at = 0;
    if (!items) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < a->w.n_items; i++) {
        struct item *item = a->w.items[i];
        while (at < a->tape->n_watched && a->tape->watched[at].variable < item->id) at++;
        if (at == a->tape->n_watched || a->tape->watched[at].variable != item->id) continue;
        if (item->kind != ITEM_VARIABLE) continue;
        items[n++] = value_string(item->name);
        if (!build_lookup(&o->b, item->name, item->length, &items[n++])) return false;
    }
    return build_object(&o->b, items, n, &a->structure);
}

static bool has_reads(const struct recorder *r, const struct item *item) {
    return item && item->kind == ITEM_VARIABLE && recorder_knows(r, &item->places);
}

/* All reads of the sources that are variables; of others themselves. */
static bool expand_sources(struct asking *a) {
    struct oneshot *o = &a->o;
    const struct recorder *r = a->w.session->recorder;
    struct item **items = session_items_of(o);
    a->first = arena_alloc(&o->arena, (a->n_sources + 2) * sizeof *a->first);
    if (!items) return false;
    if (!a->first) return build_fail_memory(&o->b);
    size_t n = 0;
    for (size_t i = 0; i < a->n_sources; i++) {
        const struct item *item = items[a->sources[i]];
        a->first[i] = n;
        n += has_reads(r, item) ? item->places.n_reads : 1;
    }
    a->first[a->n_sources] = n;
    if (!(a->reads = new_nodes(a, n))) return false;
    for (size_t i = 0; i < a->n_sources; i++) {
        const struct item *item = items[a->sources[i]];
        const node_id *reads = has_reads(r, item) ? item->places.reads : &a->sources[i];
        memcpy(a->reads + a->first[i], reads, (a->first[i + 1] - a->first[i]) * sizeof *a->reads);
    }
    return true;
}

static bool read_sources(struct asking *a, const struct json *sources, const char *member) {
    struct oneshot *o = &a->o;
    if (sources ? !oneshot_names(o, sources, member, "source", &a->structure) : !watched_by_name(a))
        return false;
    if (!oneshot_leaves(o, &a->structure, &a->sources, &a->n_sources)) return false;
    for (size_t i = 0; i < a->n_sources; i++) {
        if (a->sources[i] != NODE_NONE) continue;
        error_set(o->error, ERROR_MISSING_GRADIENT, "a source is a gradient that is None");
        return error_under(o->error, member);
    }
    return expand_sources(a);
}

/* The derivative by each source: the sum over its reads. */
static void gather_reads(struct asking *a, const node_id *by_read, node_id *by_source) {
    for (size_t i = 0; i < a->n_sources; i++) {
        node_id sum = NODE_NONE;
        for (size_t k = a->first[i]; k < a->first[i + 1]; k++) {
            if (by_read[k] == NODE_NONE) continue;
            sum = sum == NODE_NONE ? by_read[k] : emit_add(&a->o.b.tape, sum, by_read[k]);
        }
        by_source[i] = sum;
    }
}

/* ---- names for the results ------------------------------------------------------------------------- */

static bool name_leaves(struct asking *a, const struct json *as, const struct value *v);

/* The members of an object, by name. */
static bool name_members(struct asking *a, const struct json *as, const struct value *v) {
    struct oneshot *o = &a->o;
    struct names members;
    names_init(&members, &o->arena, o->call->seed);
    for (uint32_t k = 0; k < v->n; k += 2) {
        const char *key = v->items[k].string;
        bool added;
        struct name *name = names_add(&members, key, strlen(key), &added);
        if (!name) return build_fail_memory(&o->b);
        name->value = v->items[k + 1];
    }
    for (const struct json *m = json_first(as); m; m = json_next(m)) {
        const char *key = json_key(m);
        const struct name *name = names_find(&members, key, strlen(key));
        if (!name)
            error_set(o->error, ERROR_INVALID_VALUE, "the answer has no member \"%.80s\"", key);
        if (!name || !name_leaves(a, m, &name->value)) return error_under(o->error, key);
    }
    return true;
}

/* `as` in the structure of the derivative: a name for each leaf, null for none. */
static bool name_leaves(struct asking *a, const struct json *as, const struct value *v) {
    struct oneshot *o = &a->o;
    if (v->kind == VALUE_NODE || v->kind == VALUE_MISSING) {
        if (json_type(as) == JSON_NULL) return true;
        if (json_type(as) == JSON_STRING && expr_is_name(json_string(as)))
            return session_name(o, json_string(as), v->kind == VALUE_NODE ? v->node : NODE_NONE);
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "a result gets a name that matches [A-Za-z_][A-Za-z0-9_]*, found %s%.80s",
                         json_type_name(as), json_type(as) == JSON_STRING ? json_string(as) : "");
    }
    const bool object = v->kind == VALUE_OBJECT;
    const size_t n = object ? v->n / 2 : v->n;
    if (json_type(as) != (object ? JSON_OBJECT : JSON_ARRAY) || json_length(as) != n) {
        return error_set(o->error, ERROR_INVALID_VALUE,
                         "as must have the structure of the answer, %s of %zu; found %s of %zu",
                         object ? "an object" : "a list", n, json_type_name(as), json_length(as));
    }
    if (object) return name_members(a, as, v);
    uint32_t i = 0;
    for (const struct json *m = json_first(as); m; m = json_next(m), i++)
        if (!name_leaves(a, m, &v->items[i])) return error_under_index(o->error, i);
    return true;
}

static bool add_answer(struct asking *a, const char *name, const struct value *v) {
    struct oneshot *o = &a->o;
    const struct json *as = o->request.as;
    oneshot_add(o, name, *v);
    a->w.results = arena_alloc(&o->arena, (build_leaves(v) + 1) * sizeof *a->w.results);
    names_init(&a->w.named, &o->arena, o->call->seed);
    if (!a->w.results) return build_fail_memory(&o->b);
    return !as || name_leaves(a, as, v) || error_under(o->error, "as");
}

/* ---- what is asked --------------------------------------------------------------------------------- */

static bool gradient(struct asking *a) {
    struct oneshot *o = &a->o;
    struct value packed;
    if (!read_sources(a, o->request.sources, "sources")) return false;
    node_id *by_read = new_nodes(a, a->first[a->n_sources]),
            *by_source = new_nodes(a, a->n_sources);
    if (!by_read || !by_source) return false;
    a->window = recorder_window(a->w.session->recorder, a->tape);
    if (!tape_gradient(&o->b.tape, &a->window, a->targets, a->seeds, a->n_targets, a->reads,
                       a->first[a->n_sources], by_read))
        return false;
    gather_reads(a, by_read, by_source);
    const node_id *at = by_source;
    return tape_ok(&o->b.tape) &&
           build_pack(&o->b, &a->structure, o->request.zero_unconnected, &at, &packed) &&
           add_answer(a, "gradient", &packed);
}

static bool fail_one_target(struct asking *a) {
    error_set(a->o.error, ERROR_INVALID_VALUE, "a Jacobian has one target, found %s of %zu",
              a->o.value.kind == VALUE_LIST ? "a list" : "an object", a->n_targets);
    return error_under(a->o.error, "target");
}

static bool jacobian(struct asking *a) {
    struct oneshot *o = &a->o;
    struct value packed;
    if (o->value.kind != VALUE_NODE) return fail_one_target(a);
    if (!read_sources(a, o->request.sources, "sources")) return false;
    node_id *by_read = new_nodes(a, a->first[a->n_sources]),
            *by_source = new_nodes(a, a->n_sources);
    if (!by_read || !by_source) return false;
    a->window = recorder_window(a->w.session->recorder, a->tape);
    if (!tape_jacobian(&o->b.tape, &a->window, a->targets[0], a->reads, a->first[a->n_sources],
                       by_read))
        return false;
    gather_reads(a, by_read, by_source);
    for (size_t i = 0; tape_ok(&o->b.tape) && i < a->n_sources; i++)
        if (!oneshot_fill_missing(o, tape_shape(&o->b.tape, a->targets[0]), a->sources[i],
                                  &by_source[i]))
            return false;
    const node_id *at = by_source;
    return tape_ok(&o->b.tape) && build_pack(&o->b, &a->structure, false, &at, &packed) &&
           add_answer(a, "jacobian", &packed);
}

/* TensorFlow's checks of a batch_jacobian, in its order and words. */
static bool check_batch(struct asking *a, const struct shape *y, const struct shape *x) {
    char target[SHAPE_TEXT], source[SHAPE_TEXT];
    if (y->rank < 2 || x->rank < 2) {
        return error_set(a->o.error, ERROR_SHAPE_MISMATCH, "Shape %s must have rank at least 2",
                         shape_tuple(y->rank < 2 ? y : x, target));
    }
    if (y->dim[0] != x->dim[0]) {
        return error_set(
            a->o.error, ERROR_SHAPE_MISMATCH,
            "Need first dimension of target shape (%s) and source shape (%s) to match.",
            shape_tuple(y, target), shape_tuple(x, source));
    }
    if (y->rank + x->rank - 1 > RANK_MAX) {
        return error_set(a->o.error, ERROR_GRAPH_TOO_LARGE,
                         "the derivative has rank %d; at most %d is allowed", y->rank + x->rank - 1,
                         RANK_MAX);
    }
    return true;
}

/* Row j of the Jacobian of all points at once is the gradient of the sum over points of element j of the
 * target: seeds of shape (m, b) + the target's rest, from one identity of size m. */
static node_id point_seeds(struct tape *t, const struct shape *y, enum dtype dtype, int64_t m) {
    struct shape rows = {.rank = 3, .dim = {m, 1, m}}, points = rows, all = {.rank = y->rank + 1};
    const node_id one = op_table[OP_eye]->emit(
        t, (struct op_arg[]){
               {.given = true, .i = m}, {.given = false}, {.given = true, .dtype = dtype}});
    if (one == NODE_NONE) return NODE_NONE;
    points.dim[1] = y->dim[0];
    all.dim[0] = m;
    for (int i = 0; i < y->rank; i++) all.dim[i + 1] = y->dim[i];
    return emit_reshape(t, emit_broadcast_to(t, emit_reshape(t, one, &rows), &points), &all);
}

static node_id by_points(struct tape *t, node_id rows, const struct shape *y, const struct shape *x,
                         enum dtype dtype) {
    int64_t perm[RANK_MAX + 1];
    struct shape out = {.rank = y->rank + x->rank - 1};
    for (int i = 0; i < y->rank; i++) out.dim[i] = y->dim[i];
    for (int i = 1; i < x->rank; i++) out.dim[y->rank + i - 1] = x->dim[i];
    if (rows == NODE_NONE) return tape_fill(t, dtype, &out, 0); /* always zeros, in TensorFlow */
    perm[0] = 1;
    perm[1] = 0;
    for (int i = 2; i <= x->rank; i++) perm[i] = i;
    return emit_reshape(t, emit_transpose(t, rows, perm), &out);
}

static bool batch_jacobian(struct asking *a) {
    struct oneshot *o = &a->o;
    struct tape *t = &o->b.tape;
    if (o->value.kind != VALUE_NODE) return fail_one_target(a);
    if (!o->request.source)
        return error_set(o->error, ERROR_INVALID_REQUEST, "member \"source\" is missing");
    if (json_type(o->request.source) != JSON_STRING) {
        error_set(o->error, ERROR_INVALID_REQUEST, "the source is one name, found %s",
                  json_type_name(o->request.source));
        return error_under(o->error, "source");
    }
    if (!read_sources(a, o->request.source, "source")) return false;
    const struct shape *y = tape_shape(t, a->targets[0]), *x = tape_shape(t, a->sources[0]);
    if (!check_batch(a, y, x)) return false;
    int64_t m = 1;
    for (int i = 1; i < y->rank; i++) m *= y->dim[i];
    const enum dtype dtype = tape_dtype(t, a->targets[0]);
    node_id *by_read = new_nodes(a, a->first[1]), rows = NODE_NONE;
    if (!by_read) return false;
    a->window = recorder_window(a->w.session->recorder, a->tape);
    if (dtype_is_float(dtype)) {
        const node_id seeds = point_seeds(t, y, dtype, m);
        if (seeds == NODE_NONE ||
            !tape_vjp_batch(t, &a->window, a->targets, &seeds, 1, a->reads, a->first[1], by_read))
            return false;
        gather_reads(a, by_read, &rows);
    }
    const struct value v = value_node(by_points(t, rows, y, x, dtype));
    return v.node != NODE_NONE && add_answer(a, "batch_jacobian", &v);
}

/* ---- the request ----------------------------------------------------------------------------------- */

static bool finish(struct oneshot *o, struct run *run, struct plan *plan, size_t at,
                   struct writer *out, bool *taken) {
    struct asking *a = (struct asking *)o;
    (void)out;
    if (question_fits(a->tape, o)) o->plan = plan_hold(plan);
    return session_keep(o, run, plan, at, taken);
}

static const char recorded_words[] =
    "Calling GradientTape.gradient on a persistent tape inside its context is significantly less "
    "efficient than calling it outside the context (it causes the gradient ops to be recorded on "
    "the tape, leading to increased CPU and memory usage). Only call GradientTape.gradient inside "
    "the context if you actually want to trace the gradient in order to compute higher order "
    "derivatives.";

static bool ask(struct asking *a, bool (*differentiate)(struct asking *a), enum journal_what what,
                struct writer *out) {
    struct oneshot *o = &a->o;
    struct recorder *r = a->w.session->recorder;
    struct extra extra = {.finish = finish};
    if (a->tape->is_forward) {
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "this tape is an accumulator, which answers jvp");
    }
    /* A tape that is used up by this has stopped before, so that it does not see its own gradient. */
    if (!a->tape->persistent) a->tape->is_recording = false;
    if (a->tape->is_recording && !oneshot_warn(o, "gradient_is_recorded", "", "%s", recorded_words))
        return false;
    o->hides_value = true;
    session_lend(o);
    if (!session_names(o) || !read_targets(a)) return false;
    if (!differentiate(a)) return false;
    a->w.scratch = !recorder_is_recording(r);
    if (!a->w.scratch && !recorder_record(r, o->b.begin)) return false;
    return session_extra(o, &extra) && oneshot_answer_with(o, &extra, out) &&
           (a->w.scratch || journal_note(o, what, a->tape->number));
}

static bool serve(const struct service_call *call, enum request_route route, const char *consumed,
                  bool (*differentiate)(struct asking *a), enum journal_what what,
                  struct writer *out, struct error *error) {
    struct asking a = {.tape = tape_of(call, consumed, error)};
    struct session *s = call->session;
    if (!a.tape) return false;
    if (question_answered(a.tape, call, route, out, error)) return !error->code;
    a.was_recording = a.tape->is_recording;
    const bool ok =
        session_begin(&a.o, &a.w, call, route, error) && ask(&a, differentiate, what, out);
    const bool changes = a.w.n_results || !a.w.scratch || !a.tape->persistent;
    if (ok) {
        session_commit(&a.o);
        if (a.w.scratch) session_discard(&a.o);
        question_keep(a.tape, &a.o, call, route);
    } else {
        a.tape->is_recording = a.was_recording;
        plan_release(a.o.plan);
    }
    session_end(&a.o);
    if (ok && !a.tape->persistent) tape_end(s, a.tape, true);
    if (ok && changes) session_changed(call);
    return ok;
}

bool service_tape_gradient(const struct service_call *call, struct writer *out,
                           struct error *error) {
    return serve(call, REQUEST_TAPE_GRADIENT, tape_consumed_words, gradient, JOURNAL_GRADIENT, out,
                 error);
}

bool service_tape_jacobian(const struct service_call *call, struct writer *out,
                           struct error *error) {
    return serve(call, REQUEST_TAPE_JACOBIAN, tape_consumed_words, jacobian, JOURNAL_JACOBIAN, out,
                 error);
}

bool service_tape_batch_jacobian(const struct service_call *call, struct writer *out,
                                 struct error *error) {
    /* The words are TensorFlow's, to the missing space. */
    return serve(
        call, REQUEST_TAPE_BATCH_JACOBIAN,
        "A non-persistent GradientTape can only be used tocompute one set of gradients (or "
        "jacobians)",
        batch_jacobian, JOURNAL_BATCH_JACOBIAN, out, error);
}

/* ---- jvp ------------------------------------------------------------------------------------------- */

static node_id tangent_of(const struct recording *tape, const struct item *item, node_id target) {
    const bool variable = item && item->kind == ITEM_VARIABLE;
    const node_id tangent = variable ? recorder_tangent(tape, item->id) : NODE_NONE;
    if (tangent != NODE_NONE) return tangent;
    return target < tape->n_seen ? tape->tangent[target] : NODE_NONE;
}

static bool jvp(struct asking *a, struct writer *out) {
    struct oneshot *o = &a->o;
    struct extra extra = {.finish = finish};
    struct value packed;
    if (!a->tape->is_forward) {
        return error_set(o->error, ERROR_INVALID_REQUEST,
                         "this tape is a GradientTape; a jvp is what a tape of mode \"forward\" "
                         "answers");
    }
    o->hides_value = true;
    session_lend(o);
    if (!session_names(o) || !read_targets(a)) return false;
    a->w.scratch = !o->request.as;
    node_id *tangents = new_nodes(a, a->n_targets);
    struct item **items = session_items_of(o);
    if (!tangents || !items) return false;
    for (size_t i = 0; i < a->n_targets; i++)
        tangents[i] = tangent_of(a->tape, items[a->targets[i]], a->targets[i]);
    const node_id *at = tangents;
    return build_pack(&o->b, &o->value, o->request.zero_unconnected, &at, &packed) &&
           add_answer(a, "jvp", &packed) && session_extra(o, &extra) &&
           oneshot_answer_with(o, &extra, out) &&
           (a->w.scratch || journal_note(o, JOURNAL_JVP, a->tape->number));
}

bool service_tape_jvp(const struct service_call *call, struct writer *out, struct error *error) {
    struct asking a = {.tape = tape_of(call, tape_consumed_words, error)};
    if (!a.tape) return false;
    const bool ok = session_begin(&a.o, &a.w, call, REQUEST_TAPE_JVP, error) && jvp(&a, out);
    if (ok) {
        const bool changes = a.w.n_results;
        session_commit(&a.o);
        if (a.w.scratch) session_discard(&a.o);
        if (changes) session_changed(call);
    }
    session_end(&a.o);
    return ok;
}

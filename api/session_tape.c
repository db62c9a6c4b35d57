/* Tapes: opened, watched, stopped, resumed, reset, described and deleted. What they answer about
 * derivatives is in session_gradient.c. */
#include "api/session_tape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/place.h"
#include "api/session_journal.h"
#include "api/session_services.h"

const char tape_consumed_words[] = "A non-persistent GradientTape can only be used to compute one "
                                   "set of gradients (or jacobians)";

enum { CONSUMED_KEPT = 64 }; /* bits of session.consumed */

void session_changed(const struct service_call *call) {
    struct service_change *change = &call->reply->change;
    change->kind = CHANGE_SESSION;
    snprintf(change->id, sizeof change->id, "%s", call->session->id);
}

/* ---- which tape ------------------------------------------------------------------------------------ */

/* The number of "t12", 0 where it is no tape's name. */
static uint64_t number_of(const char *name) {
    const size_t n = strlen(name);
    if (name[0] != 't' || n < 2 || n > 20 || name[1] == '0' ||
        strspn(name + 1, "0123456789") != n - 1)
        return 0;
    return strtoull(name + 1, NULL, 10);
}

static uint64_t consumed_bit(const struct session *s, uint64_t number) {
    if (number > s->last_tape || s->last_tape - number >= CONSUMED_KEPT) return 0;
    return s->consumed & UINT64_C(1) << (s->last_tape - number);
}

struct recording *tape_of(const struct service_call *call, const char *consumed,
                          struct error *error) {
    struct session *s = call->session;
    const char *name = call->places[1];
    const uint64_t number = number_of(name);
    struct recording *tape = number ? recorder_find(s->recorder, number) : NULL;
    if (tape) return tape;
    if (number && consumed_bit(s, number)) {
        error_set(error, ERROR_TAPE_CONSUMED, "%s", consumed);
    } else {
        const struct recording *last = s->recorder ? s->recorder->tapes : NULL;
        while (last && last->next) last = last->next;
        error_set(error, ERROR_NOT_FOUND, "there is no tape \"%.40s\" in this session; %s", name,
                  last ? "its tapes are listed by GET .../tapes" : "it has none");
    }
    return NULL;
}

void tape_end(struct session *s, struct recording *tape, bool consumed) {
    if (consumed && s->last_tape - tape->number < CONSUMED_KEPT)
        s->consumed |= UINT64_C(1) << (s->last_tape - tape->number);
    const uint64_t number = tape->number;
    recorder_drop(s->recorder, tape);
    journal_ended(s, number);
    session_settle(s);
    s->changes++;
}

/* ---- descriptions ---------------------------------------------------------------------------------- */

void tape_describe(const struct session *s, const struct recording *tape, struct writer *out) {
    uint32_t nodes, at = 0, n = 0;
    size_t bytes;
    recorder_measure(s->recorder, tape, &nodes, &bytes);
    write_text(out, ",\"watched_variables\":[");
    /* Both are in the order of creation; a variable that was deleted has no name any more. */
    for (uint32_t i = 0; i < s->items.n && at < tape->n_watched; i++) {
        const struct item *item = s->items.list[i];
        while (item && at < tape->n_watched && tape->watched[at].variable < item->id) at++;
        if (!item || at == tape->n_watched || tape->watched[at].variable != item->id) continue;
        if (n++) write_text(out, ",");
        write_string(out, item->name);
    }
    write_text(out, "],\"nodes\":");
    write_int(out, nodes);
    write_text(out, ",\"bytes\":");
    write_int(out, (int64_t)bytes);
}

static void write_head(const struct recording *tape, struct writer *out) {
    char name[24];
    snprintf(name, sizeof name, "t%" PRIu64, tape->number);
    write_text(out, "{\"tape\":");
    write_string(out, name);
    write_text(out, ",\"mode\":");
    write_string(out, tape->is_forward ? "forward" : "reverse");
    write_text(out, tape->persistent ? ",\"persistent\":true" : ",\"persistent\":false");
    write_text(out, tape->is_recording ? ",\"recording\":true" : ",\"recording\":false");
}

static bool write_tape(const struct session *s, const struct recording *tape, struct writer *out,
                       struct error *error) {
    write_head(tape, out);
    tape_describe(s, tape, out);
    write_text(out, "}");
    return writer_whole(out, error);
}

bool service_tape_get(const struct service_call *call, struct writer *out, struct error *error) {
    const struct recording *tape = tape_of(call, tape_consumed_words, error);
    return tape && write_tape(call->session, tape, out, error);
}

bool service_tape_list(const struct service_call *call, struct writer *out, struct error *error) {
    const struct recorder *r = call->session->recorder;
    write_text(out, "{\"tapes\":[");
    for (const struct recording *tape = r ? r->tapes : NULL; tape; tape = tape->next) {
        if (tape != r->tapes) write_text(out, ",");
        if (!write_tape(call->session, tape, out, error)) return false;
    }
    write_text(out, "]}");
    return writer_whole(out, error);
}

bool service_tape_delete(const struct service_call *call, struct writer *out, struct error *error) {
    struct session *s = call->session;
    const uint64_t number = number_of(call->places[1]);
    (void)out;
    if (number && consumed_bit(s, number)) {
        s->consumed &= ~consumed_bit(s, number);
        s->changes++;
    } else {
        struct recording *tape = tape_of(call, tape_consumed_words, error);
        if (!tape) return false;
        tape_end(s, tape, false);
    }
    call->reply->status = 204;
    session_changed(call);
    return true;
}

/* ---- stop, resume, reset --------------------------------------------------------------------------- */

/* A body is not needed, and where there is one it is an empty object. */
static bool read_nothing(const struct service_call *call, struct error *error) {
    struct oneshot o;
    struct session_work w;
    if (!call->body_length) return true;
    const bool ok = session_begin(&o, &w, call, REQUEST_TAPE_STATE, error);
    session_end(&o);
    return ok;
}

static const char not_recording[] = "Tape is not recording.";

enum state { STOP, RESUME, RESET };

static bool set_state(const struct service_call *call, enum state state, struct writer *out,
                      struct error *error) {
    struct recording *tape = tape_of(call, tape_consumed_words, error);
    if (!tape || !read_nothing(call, error)) return false;
    if (state == RESUME && tape->is_recording) {
        return error_set(error, ERROR_TAPE_RECORDING_STATE,
                         "Tape is still recording, This can happen if you try to re-enter an "
                         "already-active tape.");
    }
    if (state != RESUME && !tape->is_recording)
        return error_set(error, ERROR_TAPE_RECORDING_STATE, "%s", not_recording);
    struct recording will = *tape;
    will.is_recording = state != STOP;
    if (state == RESET) will.n_watched = will.n_seen = 0;
    if (!write_tape(call->session, &will, out, error)) return false;
    static const enum journal_what notes[] = {
        [STOP] = JOURNAL_STOP, [RESUME] = JOURNAL_RESUME, [RESET] = JOURNAL_RESET};
    if (!journal_add(call->session, notes[state], tape->number))
        return session_fail_memory(call->session, error);
    tape->is_recording = will.is_recording;
    if (state == RESET) {
        recorder_reset(call->session->recorder, tape);
        session_settle(call->session);
        journal_shorten(call->session);
    }
    call->session->changes++;
    session_changed(call);
    return true;
}

bool service_tape_stop(const struct service_call *call, struct writer *out, struct error *error) {
    return set_state(call, STOP, out, error);
}

bool service_tape_resume(const struct service_call *call, struct writer *out, struct error *error) {
    return set_state(call, RESUME, out, error);
}

bool service_tape_reset(const struct service_call *call, struct writer *out, struct error *error) {
    return set_state(call, RESET, out, error);
}

/* ---- watching -------------------------------------------------------------------------------------- */

static bool watch(struct oneshot *o, struct recording *tape) {
    struct recorder *r = o->work->session->recorder;
    struct value v;
    node_id *nodes;
    size_t n;
    if (!oneshot_names(o, o->request.watch, "watch", "watched tensor", &v) ||
        !oneshot_leaves(o, &v, &nodes, &n) ||
        !oneshot_warn_of_integers(o, o->request.watch, &v, "/watch"))
        return false;
    struct item **items = session_items_of(o);
    if (!items) return false;
    for (size_t i = 0; i < n; i++) {
        if (nodes[i] == NODE_NONE) {
            error_set(o->error, ERROR_MISSING_GRADIENT,
                      "Passed in object None of type 'NoneType', not tf.Tensor or tf.Variable or "
                      "ExtensionType.");
            return error_under(o->error, "watch");
        }
        struct item *item = items[nodes[i]];
        if (item && item->kind == ITEM_VARIABLE
                ? !recorder_watch_variable(r, tape, item->id, &item->places)
                : !recorder_watch(r, tape, nodes[i]))
            return false;
    }
    return true;
}

/* One primal with its tangent. The tangent's value stays while the tape lives. */
static bool push(struct oneshot *o, struct recording *tape, const struct json *v) {
    struct session *s = o->work->session;
    struct held held;
    node_id primal, tangent;
    if (!oneshot_node(o, json_key(v), &primal)) return false;
    if (!dtype_is_float(tape_dtype(&o->b.tape, primal))) {
        return oneshot_warn(
            o, "watched_dtype", "/tangents",
            "The dtype of the watched primal must be floating (e.g. tf.float32), got tf.%s",
            dtype_name(tape_dtype(&o->b.tape, primal)));
    }
    if (!oneshot_bind_late(o, v, "tangent", primal, &tangent)) return false;
    held_copy(&s->account, oneshot_bound(o, tangent), &held);
    const bool known = held.owner && recorder_define(s->recorder, tangent, &held);
    block_release(held.owner);
    if (!known) return session_fail_memory(s, o->error);
    struct item *item = session_find(s, json_key(v), strlen(json_key(v)));
    return item && item->kind == ITEM_VARIABLE
               ? recorder_push_variable(s->recorder, tape, item->id, &item->places, tangent)
               : recorder_push(s->recorder, tape, primal, tangent);
}

static bool push_all(struct oneshot *o, struct recording *tape) {
    const struct json *v = o->request.tangents;
    if (!v) return error_set(o->error, ERROR_INVALID_REQUEST, "member \"tangents\" is missing");
    if (json_type(v) != JSON_OBJECT) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "expected an object of tensors by name, found %s", json_type_name(v));
        return error_under(o->error, "tangents");
    }
    for (v = json_first(v); v; v = json_next(v)) {
        if (push(o, tape, v)) continue;
        error_under(o->error, json_key(v));
        return error_under(o->error, "tangents");
    }
    return true;
}

static bool check_mode(struct oneshot *o) {
    const struct request *r = &o->request;
    const char *wrong = NULL;
    if (r->is_forward) {
        wrong = r->watch                      ? "watch"
                : r->persistent               ? "persistent"
                : r->watch_accessed_variables ? "watch_accessed_variables"
                                              : NULL;
    } else if (r->tangents) {
        wrong = "tangents";
    }
    if (!wrong) return true;
    error_set(o->error, ERROR_INVALID_REQUEST, "a tape of mode \"%s\" has no \"%s\"",
              r->is_forward ? "forward" : "reverse", wrong);
    return error_under(o->error, wrong);
}

/* Reads by name are not reads by an op: the graph reads anew. */
static void forget_reads(struct oneshot *o) {
    for (uint32_t i = 0; i < o->work->n_items; i++)
        o->b.names.list[i].value = value_node(NODE_NONE);
}

bool service_tape_watch(const struct service_call *call, struct writer *out, struct error *error) {
    struct oneshot o;
    struct session_work w;
    struct recording *tape = tape_of(call, tape_consumed_words, error);
    if (!tape) return false;
    bool ok = session_begin(&o, &w, call, REQUEST_TAPE_WATCH, error);
    if (ok && tape->is_forward)
        ok = error_set(error, ERROR_INVALID_REQUEST,
                       "an accumulator watches what its \"tangents\" name");
    if (ok && !o.request.watch)
        ok = error_set(error, ERROR_INVALID_REQUEST, "member \"watch\" is missing");
    if (ok) session_lend(&o);
    ok = ok && session_names(&o) && watch(&o, tape);
    ok = ok && recorder_pay(call->session->recorder);
    if (ok) {
        write_head(tape, out);
        tape_describe(call->session, tape, out);
        if (o.warnings) oneshot_write_warnings(&o, out);
        write_text(out, "}");
        ok = writer_whole(out, error) && journal_note(&o, JOURNAL_WATCH, tape->number);
    }
    if (ok) {
        session_commit(&o);
        call->session->changes++;
        session_changed(call);
    }
    session_end(&o);
    return ok;
}

/* ---- opening --------------------------------------------------------------------------------------- */

struct opening {
    struct oneshot o; /* first, so that it is found from there */
    struct session_work w;
    struct recording *tape;
};

static bool finish(struct oneshot *o, struct run *run, struct plan *plan, size_t at,
                   struct writer *out, bool *taken) {
    struct opening *opening = (struct opening *)o;
    if (!session_keep(o, run, plan, at, taken)) return false;
    tape_describe(o->work->session, opening->tape, out);
    return true;
}

/* The graph is recorded, and then the tape stops. */
static bool record_graph(struct opening *opening, struct writer *out) {
    struct oneshot *o = &opening->o;
    struct extra extra = {.finish = finish};
    node_id *nodes;
    size_t n;
    o->work->executes = true;
    if (!oneshot_build(o) || !oneshot_values(o, &nodes, &n) || !session_collect(o) ||
        !recorder_record(o->work->session->recorder, o->b.begin) || !session_extra(o, &extra))
        return false;
    opening->tape->is_recording = false;
    write_head(opening->tape, out);
    return oneshot_answer_with(o, &extra, out);
}

static bool open_empty(struct opening *opening, struct writer *out) {
    struct oneshot *o = &opening->o;
    if (o->request.fetch) {
        error_set(o->error, ERROR_INVALID_REQUEST, "\"fetch\" needs a \"graph\"");
        return error_under(o->error, "fetch");
    }
    if (!recorder_pay(o->work->session->recorder)) return false;
    write_head(opening->tape, out);
    tape_describe(o->work->session, opening->tape, out);
    if (o->warnings) oneshot_write_warnings(o, out);
    write_text(out, "}");
    return writer_whole(out, o->error);
}

static bool open_tape(struct opening *opening, struct writer *out) {
    struct oneshot *o = &opening->o;
    struct session *s = o->work->session;
    const int64_t most = o->call->limits->max_tapes, has = s->recorder ? s->recorder->n_tapes : 0;
    if (!check_mode(o)) return false;
    if (has >= most) {
        return error_set(o->error, ERROR_TOO_MANY_TAPES,
                         "the session has %" PRId64 " tapes and may have %" PRId64 " (max_tapes)",
                         has, most);
    }
    if (!s->recorder) s->recorder = recorder_new(&s->account, ++s->changes);
    struct recording *tape = s->recorder ? recorder_open(s->recorder, s->last_tape + 1) : NULL;
    if (!tape) return session_fail_memory(s, o->error);
    opening->tape = tape;
    tape->persistent = o->request.is_persistent;
    tape->watches_variables = o->request.watches_variables;
    tape->is_forward = o->request.is_forward;
    session_lend(o);
    if (!session_names(o) || (o->request.watch && !watch(o, tape)) ||
        (tape->is_forward && !push_all(o, tape)))
        return false;
    forget_reads(o);
    return (o->request.graph ? record_graph(opening, out) : open_empty(opening, out)) &&
           journal_note(o, JOURNAL_OPEN, tape->number);
}

bool service_tape_open(const struct service_call *call, struct writer *out, struct error *error) {
    struct opening opening = {.tape = NULL};
    struct session *s = call->session;
    const uint64_t changes = s->changes;
    const bool ok = session_begin(&opening.o, &opening.w, call, REQUEST_TAPE, error) &&
                    open_tape(&opening, out);
    if (ok) {
        session_commit(&opening.o);
        s->last_tape++;
        s->consumed <<= 1;
        s->changes++;
        session_changed(call);
        call->reply->status = 201;
        snprintf(call->reply->location, sizeof call->reply->location,
                 "/v1/sessions/%.64s/tapes/t%" PRIu64, s->id, s->last_tape);
    }
    session_end(&opening.o);
    if (ok) return true;
    if (opening.tape) recorder_close(s->recorder, opening.tape);
    if (s->recorder && !s->recorder->tapes) session_settle(s);
    s->changes = changes;
    return false;
}

/* A journal that is done again: each request on the values that it had, in its order, by the services
 * that did it first. It trusts nothing that it reads. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/binding.h"
#include "api/place.h"
#include "api/session_io.h"
#include "api/session_journal.h"
#include "api/session_services.h"
#include "api/session_tape.h"

struct replay {
    const struct service_call *call;
    struct session *session;
    struct arena *arena;
    struct error *error;
};

static const struct {
    const char *route;
    service_function serve;
} services[] = {
#define JOURNAL_SERVICE(tag, route, serve) {route, serve},
    JOURNAL(JOURNAL_SERVICE)
#undef JOURNAL_SERVICE
};

static bool fail(struct replay *r, const char *member, const char *wants) {
    error_set(r->error, ERROR_INVALID_VALUE, "expected %s", wants);
    return error_under(r->error, member);
}

static bool read_number(struct replay *r, const struct json *object, const char *member,
                        uint64_t *out) {
    const struct json *v = json_member(object, member);
    int64_t number;
    if (!v || !json_int(v, &number) || number < 0) return fail(r, member, "a whole number");
    *out = (uint64_t)number;
    return true;
}

static const char *read_text(struct replay *r, const struct json *object, const char *member) {
    const struct json *v = json_member(object, member);
    if (v && json_type(v) == JSON_STRING) return json_string(v);
    fail(r, member, "a string");
    return NULL;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static bool find_kind(const char *text, enum item_kind *out) {
    for (int i = 0; i < 3; i++) {
        if (strcmp(item_kind_names[i], text) != 0) continue;
        *out = (enum item_kind)i;
        return true;
    }
    return false;
}

/* The item as the request found it: another identity of the name is another item, null: no
 * variable and no constant has the name. */
static bool place_value(struct replay *r, const struct json *v) {
    struct session *s = r->session;
    struct tensor value;
    uint64_t id = 0;
    enum item_kind kind;
    const char *name = read_text(r, v, "name"), *text = name ? read_text(r, v, "kind") : NULL;
    const struct json *data = json_member(v, "value"), *trainable = json_member(v, "trainable");
    if (!text || !binding_check_name(name, r->error) || !read_number(r, v, "id", &id)) return false;
    if (!find_kind(text, &kind)) return fail(r, "kind", "variable, constant or tensor");
    if (!data) return fail(r, "value", "a tensor");
    struct item *item = session_find(s, name, strlen(name));
    if (json_type(data) == JSON_NULL) {
        if (item && item->kind != ITEM_TENSOR) session_remove(s, item);
        return true;
    }
    if (!json_tensor(r->arena, data, s->dtype, r->call->limits->max_elements, "/value", &value,
                     r->error))
        return false;
    if (item && (item->kind != kind || (kind == ITEM_VARIABLE && item->id != id))) {
        session_remove(s, item);
        item = NULL;
    }
    const bool trains = trainable && json_type(trainable) == JSON_BOOL && json_bool(trainable);
    if (item) {
        item->trainable = trains;
        return session_set(s, item, &value) || session_fail_memory(s, r->error);
    }
    item = session_add(s, name, strlen(name), kind, trains, &value);
    if (!item) return session_fail_memory(s, r->error);
    item->id = id;
    return true;
}

static bool place_values(struct replay *r, const struct json *values) {
    size_t i = 0;
    if (!values || json_type(values) != JSON_ARRAY) return fail(r, "values", "a list");
    for (const struct json *v = json_first(values); v; v = json_next(v), i++) {
        if (json_type(v) == JSON_OBJECT ? place_value(r, v) : fail(r, "", "an object")) continue;
        error_under_index(r->error, i);
        return error_under(r->error, "values");
    }
    session_sort(r->session); /* what tapes watch is found in the order of creation */
    return true;
}

/* ---- requests -------------------------------------------------------------------------------------- */

static bool serve(struct replay *r, enum journal_what what, uint64_t tape, const char *body) {
    char name[24];
    struct writer unused;
    struct service_reply reply = {.status = 0};
    snprintf(name, sizeof name, "t%" PRIu64, tape);
    const char *const places[] = {r->session->id, name};
    struct service_call call = *r->call;
    call.body = body;
    call.body_length = strlen(body);
    call.session = r->session;
    call.places = places;
    call.reply = &reply;
    call.if_match = call.if_none_match = NULL;
    writer_init(&unused, (size_t)call.limits->max_answer_bytes);
    const bool ok = services[what].serve(&call, &unused, r->error);
    writer_free(&unused);
    return ok;
}

static bool replay_entry(struct replay *r, const struct json *v) {
    uint64_t tape = 0;
    int what = 0;
    if (json_type(v) != JSON_OBJECT) return fail(r, "", "an object");
    const char *route = read_text(r, v, "do"), *body = route ? read_text(r, v, "body") : NULL;
    if (!body || !read_number(r, v, "tape", &tape) || !place_values(r, json_member(v, "values")))
        return false;
    while (what < JOURNAL_COUNT && strcmp(services[what].route, route) != 0) what++;
    if (what == JOURNAL_COUNT) return fail(r, "do", "what a session's journal has");
    if (what == JOURNAL_OPEN) {
        if (tape <= r->session->last_tape) return fail(r, "tape", "a number that was not used");
        r->session->last_tape = tape - 1;
    }
    if (serve(r, (enum journal_what)what, tape, body)) return true;
    /* Where it is in that request is of no use to whoever imports. */
    r->error->pointer[0] = '\0';
    return error_under(r->error, "body");
}

static bool is_listed(const struct json *numbers, uint64_t number) {
    const struct json *v = numbers ? json_first(numbers) : NULL;
    for (int64_t n; v; v = json_next(v))
        if (json_int(v, &n) && n > 0 && (uint64_t)n == number) return true;
    return false;
}

/* A list of numbers as values of their own; NULL where it is none, or without memory. */
static const struct json *numbers_of(struct replay *r, const struct json *tapes,
                                     const char *member) {
    const struct json *v = json_member(tapes, member);
    const bool is_list = v && (json_type(v) == JSON_NUMBERS || json_type(v) == JSON_ARRAY);
    if (is_list && json_type(v) == JSON_NUMBERS) v = json_split(r->arena, v);
    if (is_list && !v) error_set(r->error, ERROR_MEMORY_BUDGET, "no memory for the tapes' numbers");
    if (!is_list) fail(r, member, "a list of tapes' numbers");
    return is_list ? v : NULL;
}

static bool finish(struct replay *r, const struct json *tapes) {
    struct session *s = r->session;
    uint64_t last = 0;
    const struct json *live = numbers_of(r, tapes, "live"),
                      *consumed = live ? numbers_of(r, tapes, "consumed") : NULL;
    if (!live || !consumed) return false;
    if (!read_number(r, tapes, "last", &last)) return false;
    if (last < s->last_tape) return fail(r, "last", "the number of the newest tape");
    for (struct recording *tape = s->recorder ? s->recorder->tapes : NULL, *next; tape;
         tape = next) {
        next = tape->next;
        if (!is_listed(live, tape->number)) tape_end(s, tape, false);
    }
    s->last_tape = last;
    s->consumed = 0;
    for (uint64_t back = 0; back < 64 && back < last; back++)
        if (is_listed(consumed, last - back) && !recorder_find(s->recorder, last - back))
            s->consumed |= UINT64_C(1) << back;
    return true;
}

bool journal_replay(const struct service_call *call, struct session *s, const struct json *tapes,
                    struct arena *arena, struct error *error) {
    struct replay r = {.call = call, .session = s, .arena = arena, .error = error};
    const struct json *program = json_member(tapes, "program");
    size_t i = 0;
    if (!program || json_type(program) != JSON_ARRAY)
        return fail(&r, "program", "a list of what was done") || error_under(error, "tapes");
    for (const struct json *v = json_first(program); v; v = json_next(v), i++) {
        if (i == 0 && json_type(v) == JSON_NULL) continue; /* as a store has it */
        if (replay_entry(&r, v)) continue;
        error_under_index(error, i);
        error_under(error, "program");
        return error_under(error, "tapes");
    }
    return finish(&r, tapes) || error_under(error, "tapes");
}

bool journal_item(const struct json *tapes, const char *name, uint64_t *id, bool *placed) {
    const struct json *items = json_member(tapes, "items"),
                      *v = items && json_type(items) == JSON_OBJECT ? json_member(items, name)
                                                                    : NULL,
                      *recorded =
                          v && json_type(v) == JSON_OBJECT ? json_member(v, "recorded") : NULL,
                      *number = recorded ? json_member(v, "id") : NULL;
    int64_t n;
    if (!number || !json_int(number, &n) || n < 0) return false;
    *id = (uint64_t)n;
    *placed = json_type(recorded) == JSON_BOOL && json_bool(recorded);
    return true;
}

/* The journal of a session: noted, forgotten, copied and written. How it is done again is in
 * session_replay.c. */
#include "api/session_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/session_io.h"

/* A value that a request brought into the program; without an owner, that no
 * variable or constant had the name. */
struct journal_value {
    struct held value;
    uint64_t id;
    uint8_t kind;
    bool trainable;
    const char *name; /* behind the entry's body */
};

struct journal_entry {
    struct journal_entry *next;
    uint64_t number; /* counts up, and is never given again */
    size_t size;     /* charged */
    uint64_t tape;
    uint32_t begin; /* the program's length before it */
    enum journal_what what;
    const char *body; /* behind the values, NUL-terminated */
    size_t n_values;
    struct journal_value values[];
};

static void free_entry(struct session *s, struct journal_entry *e) {
    if (e->number) session_drop_entry(s, e->number);
    for (size_t i = 0; i < e->n_values; i++) block_release(e->values[i].value.owner);
    account_free(&s->account, e, e->size);
}

/* `text` bytes of names and body follow the values. */
static struct journal_entry *new_entry(struct session *s, enum journal_what what, uint64_t tape,
                                       size_t n_values, size_t text) {
    const size_t size =
        sizeof(struct journal_entry) + n_values * sizeof(struct journal_value) + text;
    struct journal_entry *e = account_alloc(&s->account, size);
    if (!e) return NULL;
    memset(e, 0, sizeof *e);
    e->size = size;
    e->what = what;
    e->tape = tape;
    e->begin = s->recorder ? s->recorder->own.count : 0;
    return e;
}

/* Copies a text behind what stands there already. */
static const char *put(char **at, const char *text, size_t n) {
    char *copy = *at;
    if (n) memcpy(copy, text, n);
    copy[n] = '\0';
    *at += n + 1;
    return copy;
}

static void add_value(struct journal_entry *e, const struct item *item, bool is_gone, char **at) {
    struct journal_value *v = &e->values[e->n_values++];
    *v = (struct journal_value){.id = item->id,
                                .kind = item->kind,
                                .trainable = item->trainable,
                                .name = put(at, item->name, item->length)};
    if (is_gone) return;
    v->value = item->value;
    block_hold(item->value.owner);
}

bool journal_note(struct oneshot *o, enum journal_what what, uint64_t tape) {
    struct session_work *w = o->work;
    struct session *s = w->session;
    const struct service_call *call = o->call;
    size_t n = 0, text = call->body_length + 1;
    for (uint32_t i = 0; i < w->n_items; i++) {
        if (!w->entered[i]) continue;
        n++;
        text += w->items[i]->length + 1;
    }
    for (const struct item *item = s->removed; item; item = item->next) {
        n++;
        text += item->length + 1;
    }
    struct journal_entry *e = new_entry(s, what, tape, n, text);
    if (!e) return session_fail_memory(s, o->error);
    char *at = (char *)&e->values[n];
    /* What is gone first: another may have its name by now. */
    for (const struct item *item = s->removed; item; item = item->next)
        add_value(e, item, true, &at);
    for (uint32_t i = 0; i < w->n_items; i++)
        if (w->entered[i]) add_value(e, w->items[i], false, &at);
    e->body = put(&at, call->body, call->body_length);
    w->entry = e;
    return true;
}

static void append(struct session *s, struct journal_entry *entry) {
    *(s->journal_last ? &s->journal_last->next : &s->journal) = entry;
    s->journal_last = entry;
    entry->number = ++s->last_entry;
}

void journal_link(struct session *s, struct journal_entry *entry) {
    append(s, entry);
    session_forget_removed(s);
}

void journal_drop(struct session *s, struct journal_entry *entry) {
    if (entry) free_entry(s, entry);
}

bool journal_add(struct session *s, enum journal_what what, uint64_t tape) {
    struct journal_entry *e = new_entry(s, what, tape, 0, 1);
    if (!e) return false;
    char *at = (char *)e->values;
    e->body = put(&at, "", 0);
    append(s, e);
    return true;
}

void journal_free(struct session *s) {
    for (struct journal_entry *e = s->journal, *next; e; e = next) {
        next = e->next;
        free_entry(s, e);
    }
    s->journal = s->journal_last = NULL;
    session_forget_removed(s);
}

/* An entry of no values that says what a tape is; NULL past the limit. */
static struct journal_entry *state_entry(struct session *s, enum journal_what what,
                                         const struct recording *tape) {
    const char *body = what == JOURNAL_STOP ? "" : "{\"mode\":\"forward\",\"tangents\":{}}";
    char text[80];
    if (what == JOURNAL_OPEN && !tape->is_forward) {
        snprintf(text, sizeof text, "{\"persistent\":%s,\"watch_accessed_variables\":%s}",
                 tape->persistent ? "true" : "false", tape->watches_variables ? "true" : "false");
        body = text;
    }
    struct journal_entry *e = new_entry(s, what, tape->number, 0, strlen(body) + 1);
    char *at = e ? (char *)e->values : NULL;
    if (e) e->body = put(&at, body, strlen(body));
    return e;
}

/* Where the program is empty, its tapes are as good as new: that they are open is all there is to say.
 * False past the limit, and then nothing has changed. */
static bool begin_anew(struct session *s) {
    struct journal_entry *old = s->journal, *old_last = s->journal_last;
    struct item *removed = s->removed;
    bool done = true;
    s->journal = s->journal_last = NULL;
    s->removed = NULL;
    for (const struct recording *tape = s->recorder->tapes; done && tape; tape = tape->next) {
        struct journal_entry *opened = state_entry(s, JOURNAL_OPEN, tape), *stopped = NULL;
        if (opened) append(s, opened);
        if (opened && !tape->is_recording) stopped = state_entry(s, JOURNAL_STOP, tape);
        if (stopped) append(s, stopped);
        done = opened && (tape->is_recording || stopped);
    }
    if (done) {
        struct journal_entry *anew = s->journal, *anew_last = s->journal_last;
        s->journal = old;
        s->removed = removed;
        journal_free(s);
        s->journal = anew;
        s->journal_last = anew_last;
    } else {
        journal_free(s);
        s->journal = old;
        s->journal_last = old_last;
        s->removed = removed;
    }
    return done;
}

static bool says_what_is_gone(const struct journal_entry *e) {
    for (size_t i = 0; i < e->n_values; i++)
        if (!e->values[i].value.owner) return true;
    return false;
}

/* What follows the last entry that a tape needs: those before it may have brought in what that reads. */
void journal_shorten(struct session *s) {
    const struct recorder *r = s->recorder;
    if (r->own.count == 0 && begin_anew(s)) return;
    struct journal_entry *kept = NULL;
    for (struct journal_entry *e = s->journal; e; e = e->next)
        if (e->begin < r->own.count || recorder_find(r, e->tape) || says_what_is_gone(e)) kept = e;
    for (struct journal_entry *e = kept ? kept->next : s->journal, *next; e; e = next) {
        next = e->next;
        free_entry(s, e);
    }
    *(kept ? &kept->next : &s->journal) = NULL;
    s->journal_last = kept;
}

void journal_ended(struct session *s, uint64_t tape) {
    bool remembered = false;
    if (!s->recorder || !s->recorder->tapes) {
        journal_free(s);
        return;
    }
    journal_shorten(s);
    for (const struct journal_entry *e = s->journal; e; e = e->next)
        remembered = remembered || e->tape == tape;
    /* Without room for this the tape is ended at the end of a replay, as it is not among the live. */
    if (remembered) journal_add(s, JOURNAL_DELETE, tape);
}

bool journal_copy(const struct session *from, struct session *to) {
    for (const struct journal_entry *e = from->journal; e; e = e->next) {
        size_t text = strlen(e->body) + 1;
        for (size_t i = 0; i < e->n_values; i++) text += strlen(e->values[i].name) + 1;
        struct journal_entry *copy = new_entry(to, e->what, e->tape, e->n_values, text);
        if (!copy) return false;
        copy->begin = e->begin;
        char *at = (char *)&copy->values[e->n_values];
        copy->body = "";
        append(to, copy);
        for (size_t i = 0; i < e->n_values; i++) {
            struct journal_value *v = &copy->values[i];
            *v = e->values[i];
            if (v->value.owner) {
                held_copy(&to->account, &e->values[i].value.tensor, &v->value);
                if (!v->value.owner) return false;
            }
            copy->n_values = i + 1;
            v->name = put(&at, e->values[i].name, strlen(e->values[i].name));
        }
        copy->body = put(&at, e->body, strlen(e->body));
    }
    return true;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static void write_value(const struct journal_value *v, struct writer *out) {
    write_text(out, "{\"name\":");
    write_string(out, v->name);
    write_text(out, ",\"kind\":");
    write_string(out, item_kind_names[v->kind]);
    write_text(out, ",\"id\":");
    write_int(out, (int64_t)v->id);
    write_text(out, v->trainable ? ",\"trainable\":true" : ",\"trainable\":false");
    write_text(out, ",\"value\":");
    if (v->value.owner)
        write_tensor(out, &v->value.tensor, FORMAT_BASE64);
    else
        write_text(out, "null");
    write_text(out, "}");
}

const struct journal_entry *journal_next(const struct journal_entry *e) { return e->next; }
uint64_t journal_number(const struct journal_entry *e) { return e->number; }

void journal_write_entry(const struct journal_entry *e, struct writer *out) {
    static const char *const routes[] = {
#define JOURNAL_ROUTE(tag, route, serve) route,
        JOURNAL(JOURNAL_ROUTE)
#undef JOURNAL_ROUTE
    };
    write_text(out, "{\"do\":");
    write_string(out, routes[e->what]);
    write_text(out, ",\"tape\":");
    write_int(out, (int64_t)e->tape);
    write_text(out, ",\"values\":[");
    for (size_t i = 0; i < e->n_values; i++) {
        if (i) write_text(out, ",");
        write_value(&e->values[i], out);
    }
    write_text(out, "],\"body\":");
    write_string(out, e->body);
    write_text(out, "}");
}

static void write_items(const struct session *s, struct writer *out) {
    const char *separator = "";
    for (uint32_t i = 0; i < s->items.n; i++) {
        const struct item *item = s->items.list[i];
        if (!item) continue;
        const bool placed = recorder_knows(s->recorder, &item->places) && item->places.is_read;
        write_text(out, separator);
        write_string(out, item->name);
        write_text(out, ":{\"id\":");
        write_int(out, (int64_t)item->id);
        write_text(out, placed ? ",\"recorded\":true}" : ",\"recorded\":false}");
        separator = ",";
    }
}

static void write_numbers(struct writer *out, const char *name, const struct session *s,
                          bool consumed) {
    const char *separator = "";
    write_text(out, name);
    for (uint64_t back = 0; consumed && back < 64 && back < s->last_tape; back++) {
        if (!(s->consumed >> back & 1)) continue;
        write_text(out, separator);
        write_int(out, (int64_t)(s->last_tape - back));
        separator = ",";
    }
    const struct recording *first = s->recorder && !consumed ? s->recorder->tapes : NULL;
    for (const struct recording *tape = first; tape; tape = tape->next) {
        write_text(out, separator);
        write_int(out, (int64_t)tape->number);
        separator = ",";
    }
    write_text(out, "]");
}

static void write_state(const struct session *s, struct writer *out) {
    write_text(out, "\"last\":");
    write_int(out, (int64_t)s->last_tape);
    write_numbers(out, ",\"live\":[", s, false);
    write_numbers(out, ",\"consumed\":[", s, true);
}

void journal_write(const struct session *s, struct writer *out) {
    write_text(out, "{");
    write_state(s, out);
    write_text(out, ",\"program\":[");
    for (const struct journal_entry *e = s->journal; e; e = e->next) {
        if (e != s->journal) write_text(out, ",");
        journal_write_entry(e, out);
    }
    write_text(out, "],\"items\":{");
    write_items(s, out);
    write_text(out, "}}");
}

void journal_write_state(const struct session *s, struct writer *out) {
    write_text(out, ",\"tapes\":{");
    write_state(s, out);
    write_text(out, ",\"items\":{");
    write_items(s, out);
    write_text(out, "},\"program\":[null");
}

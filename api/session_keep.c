/* Sessions as a store keeps them: a JSON document in parts, so that of a session that changes a little
 * little is written. */
#include <string.h>

#include "api/registry.h"
#include "api/session_journal.h"
#include "api/session_make.h"
#include "api/session_services.h"
#include "api/training.h"
#include "core/numbers.h"

/* The numbers of the parts: what the session is, its optimizer, its items by their ids, its tapes, what
 * was done on them by the numbers of the entries, and the end. */
enum { PART_HEAD, PART_OPTIMIZER, PART_ITEMS, PART_ITEM };
static const int64_t part_tapes = INT64_C(1) << 62, part_end = INT64_MAX;

static int64_t part_of_entry(uint64_t number) { return part_tapes + (int64_t)number; }

static uint64_t optimizer_version(const struct session *s) {
    return s->training ? training_version(s->training) : 0;
}

static bool has_tapes(const struct session *s) { return s->last_tape > 0; }

static void write_head(struct writer *out, const struct session *s) {
    write_text(out, "{\"id\":");
    write_string(out, s->id);
    write_text(out, ",\"created_at\":");
    write_double(out, s->created_at);
    write_text(out, ",\"dtype\":");
    write_string(out, dtype_name(s->dtype));
    write_ttl(out, s->ttl_seconds);
    write_text(out, ",\"labels\":");
    write_labels(out, s->labels);
    write_text(out, ",\"identity\":{\"changes\":");
    write_int(out, (int64_t)s->changes);
    write_text(out, ",\"last_id\":");
    write_int(out, (int64_t)s->last_id);
    write_text(out, ",\"optimizer\":");
    write_int(out, (int64_t)optimizer_version(s));
    write_text(out, "}");
}

static void write_item(struct writer *out, const struct item *item) {
    write_text(out, ",");
    write_string(out, item->name);
    write_text(out, ":{\"kind\":");
    write_int(out, item->kind);
    write_text(out, ",\"id\":");
    write_int(out, (int64_t)item->id);
    write_text(out, ",\"version\":");
    write_int(out, (int64_t)item->version);
    write_text(out, ",\"item\":");
    item_export(out, item);
    write_text(out, "}");
}

static void write_entries(const struct session *s, bool whole, struct parts *out) {
    for (const struct journal_entry *e = s->journal; e; e = journal_next(e)) {
        if (!whole && journal_number(e) <= s->kept.entries) continue;
        struct writer *part = parts_add(out, part_of_entry(journal_number(e)));
        write_text(part, ",");
        journal_write_entry(e, part);
    }
}

/* What has changed since the store had all of it; `whole`: all there is. */
static void write_parts(const struct session *s, bool whole, struct parts *out) {
    const struct session_kept *kept = &s->kept;
    out->whole = whole;
    for (uint32_t i = 0; !whole && i < kept->n_gone; i++)
        parts_drop(out, kept->gone[i].from, kept->gone[i].to);
    write_head(parts_add(out, PART_HEAD), s);
    if (whole || kept->optimizer != optimizer_version(s)) {
        struct writer *part = parts_add(out, PART_OPTIMIZER);
        if (s->training) write_training(part, s, true);
    }
    if (whole) write_text(parts_add(out, PART_ITEMS), ",\"items\":{\"\":null");
    for (uint32_t i = 0; i < s->items.n; i++) {
        const struct item *item = session_item(s, i);
        if (item && (whole || item->version > kept->changes))
            write_item(parts_add(out, PART_ITEM + (int64_t)item->id), item);
    }
    const bool tapes = has_tapes(s);
    if (whole || tapes || kept->tapes) {
        struct writer *part = parts_add(out, part_tapes);
        write_text(part, "}");
        if (tapes) journal_write_state(s, part);
    }
    write_entries(s, whole, out);
    if (whole || tapes != kept->tapes) write_text(parts_add(out, part_end), tapes ? "]}}" : "}");
}

bool session_encode_parts(const void *object, struct parts *out) {
    struct session *s = (struct session *)(uintptr_t)object; /* for what it knows of the store */
    write_parts(s, !s->kept.any, out);
    s->kept = (struct session_kept){.any = true,
                                    .tapes = has_tapes(s),
                                    .changes = s->changes,
                                    .entries = s->last_entry,
                                    .optimizer = optimizer_version(s)};
    return !out->bytes.full;
}

bool session_encode(const void *object, struct writer *out) {
    struct parts parts;
    parts_init(&parts);
    write_parts(object, true, &parts);
    write_bytes(out, parts.bytes.data, parts.bytes.length);
    const bool ok = !parts.bytes.full && !out->full;
    parts_free(&parts);
    return ok;
}

/* ---- what is gone ---- */

static void drop(struct session *s, int64_t number) {
    struct session_kept *kept = &s->kept;
    struct session_range *last = kept->n_gone ? &kept->gone[kept->n_gone - 1] : NULL;
    if (!kept->any) return;
    if (last && number == last->to + 1)
        last->to = number;
    else if (kept->n_gone < SESSION_GONE)
        kept->gone[kept->n_gone++] = (struct session_range){number, number};
    else
        kept->any = false; /* it is kept anew */
}

void session_drop_item(struct session *s, uint64_t id) { drop(s, PART_ITEM + (int64_t)id); }

void session_drop_entry(struct session *s, uint64_t number) {
    if (number <= s->kept.entries) drop(s, part_of_entry(number));
}

/* ---- and back ---- */

static bool read_number(const struct json *object, const char *name, uint64_t *out) {
    const struct json *v = object ? json_member(object, name) : NULL;
    int64_t n;
    if (!v || !json_int(v, &n) || n < 0) return false;
    *out = (uint64_t)n;
    return true;
}

/* What an import gives anew: when it was made, what its entity tags are made of, and its items' ids. */
static bool restore_identity(struct asked *a, struct session *s) {
    const struct json *created = asked_member(a, "created_at"),
                      *identity = asked_member(a, "identity"), *items = asked_member(a, "items");
    uint64_t changes = 0, last_id = 0, version = 0;
    bool ok = created && json_double(created, &s->created_at) && items &&
              read_number(identity, "changes", &changes) &&
              read_number(identity, "last_id", &last_id) &&
              read_number(identity, "optimizer", &version);
    for (uint32_t i = 0; ok && i < s->items.n; i++) {
        struct item *item = session_item(s, i);
        const struct json *v = item ? json_member(items, item->name) : NULL;
        ok =
            !item || (read_number(v, "version", &item->version) && read_number(v, "id", &item->id));
    }
    if (!ok) return error_set(a->error, ERROR_INVALID_VALUE, "its versions are not there");
    if (s->training) training_set_version(s->training, version);
    session_sort(s);
    s->changes = changes;
    s->last_id = last_id;
    /* What was done on tapes has been done again, and has other numbers now. */
    if (!s->journal)
        s->kept = (struct session_kept){
            .any = true, .tapes = has_tapes(s), .changes = changes, .optimizer = version};
    return true;
}

struct session *session_decode(const struct service_call *call, struct error *error) {
    static const struct takes takes = {.members = {"id", "created_at", "identity", "items", "tapes",
                                                   "optimizer", "dtype", "ttl_seconds", "labels"}};
    struct asked a;
    struct writer unused;
    struct session *s = NULL;
    writer_init(&unused, 0);
    const struct json *id = NULL;
    if (asked_begin(&a, call, &takes, &unused, error) && (id = asked_member(&a, "id")) &&
        json_type(id) == JSON_STRING)
        s = session_make(&a, json_string(id));
    if (s && !restore_identity(&a, s)) {
        session_free(s);
        s = NULL;
    }
    asked_end(&a);
    return s;
}

/* ---- what a list says ---- */

/* A line of numbers, and the labels as the registry has them. */
bool session_summarize(const void *object, struct writer *out) {
    const struct session *s = object;
    write_double(out, s->created_at);
    write_text(out, " ");
    write_double(out, s->ttl_seconds);
    write_text(out, " ");
    write_int(out, (int64_t)s->dtype);
    write_text(out, " ");
    write_int(out, (int64_t)session_bytes(s));
    write_text(out, " ");
    write_int(out, s->recorder ? (int64_t)s->recorder->n_tapes : 0);
    write_text(out, "\n");
    for (const struct label *l = s->labels; l; l = l->next) {
        write_bytes(out, l->key, strlen(l->key) + 1);
        write_bytes(out, l->value, strlen(l->value) + 1);
    }
    write_bytes(out, "", 1);
    return !out->full;
}

/* Takes a number and the one byte behind it. */
static bool take_double(const char **at, const char *end, char behind, double *out) {
    return number_parse_f64(*at, end, out, at) == NUMBER_OK && *(*at)++ == behind;
}

static bool take_int(const char **at, const char *end, char behind, int64_t *out) {
    return number_parse_i64(*at, end, out, at) == NUMBER_OK && *out >= 0 && *(*at)++ == behind;
}

bool session_read_summary(const char *summary, size_t n, struct registry_row *out) {
    const char *at = summary, *end = summary + n - 1;
    int64_t dtype, bytes, tapes;
    if (n == 0 || *end || !take_double(&at, end, ' ', &out->created_at) ||
        !take_double(&at, end, ' ', &out->ttl_seconds) || !take_int(&at, end, ' ', &dtype) ||
        !take_int(&at, end, ' ', &bytes) || !take_int(&at, end, '\n', &tapes) ||
        dtype >= DTYPE_COUNT || tapes > UINT32_MAX)
        return false;
    out->dtype = (int)dtype;
    out->bytes = (size_t)bytes;
    out->tapes = (uint32_t)tapes;
    out->labels = at;
    return true;
}

/* How a session and its items are answered and exported. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/registry.h"
#include "api/session_io.h"
#include "api/session_journal.h"
#include "api/session_services.h"
#include "api/training.h"

void write_shape(struct writer *out, const struct shape *shape) {
    write_text(out, "[");
    for (int i = 0; i < shape->rank; i++) {
        if (i) write_text(out, ",");
        write_int(out, shape->dim[i]);
    }
    write_text(out, "]");
}

void item_write(struct writer *out, const char *name, enum item_kind kind, bool trainable,
                const struct tensor *value, enum tensor_format format) {
    write_text(out, "{\"name\":");
    write_string(out, name);
    write_text(out, ",\"value\":");
    if (value) {
        write_tensor(out, value, format);
        write_text(out, ",\"dtype\":");
        write_string(out, dtype_name(value->dtype));
        write_text(out, ",\"shape\":");
        write_shape(out, &value->shape);
    } else {
        write_text(out, "null,\"dtype\":null,\"shape\":null");
    }
    if (kind == ITEM_VARIABLE)
        write_text(out, trainable ? ",\"trainable\":true" : ",\"trainable\":false");
    write_text(out, "}");
}

void write_time(struct writer *out, double seconds) {
    char text[48];
    const time_t whole = (time_t)seconds;
    struct tm utc;
    gmtime_r(&whole, &utc);
    const size_t n = strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof text - n, ".%03dZ\"", (int)(1000 * (seconds - floor(seconds))));
    write_text(out, text);
}

void write_labels(struct writer *out, const struct label *labels) {
    write_text(out, "{");
    for (const struct label *l = labels; l; l = l->next) {
        if (l != labels) write_text(out, ",");
        write_string(out, l->key);
        write_text(out, ":");
        write_string(out, l->value);
    }
    write_text(out, "}");
}

void write_ttl(struct writer *out, double seconds) {
    write_text(out, ",\"ttl_seconds\":");
    if (seconds > 0)
        write_double(out, seconds);
    else
        write_text(out, "null");
}

/* Writes ,"member":[names] of a kind. */
static void write_names(struct writer *out, const char *member, const struct session *s,
                        enum item_kind kind) {
    const char *separator = "";
    write_text(out, member);
    for (uint32_t i = 0; i < s->items.n; i++) {
        const struct item *item = session_item(s, i);
        if (!item || item->kind != kind) continue;
        write_text(out, separator);
        write_string(out, item->name);
        separator = ",";
    }
    write_text(out, "]");
}

static void write_values(struct writer *out, const struct session *s, enum tensor_format format) {
    const char *separator = "";
    write_text(out, ",\"variables\":{");
    for (uint32_t i = 0; i < s->items.n; i++) {
        const struct item *item = session_item(s, i);
        if (!item || item->kind != ITEM_VARIABLE) continue;
        write_text(out, separator);
        write_string(out, item->name);
        write_text(out, ":");
        write_tensor(out, &item->value.tensor, format);
        separator = ",";
    }
    write_text(out, "}");
}

static void write_tapes(struct writer *out, const struct session *s) {
    write_text(out, ",\"tapes\":[");
    const struct recording *first = s->recorder ? s->recorder->tapes : NULL;
    for (const struct recording *t = first; t; t = t->next) {
        char name[32];
        snprintf(name, sizeof name, "%s\"t%" PRIu64 "\"", t == first ? "" : ",", t->number);
        write_text(out, name);
    }
    write_text(out, "]");
}

void write_training(struct writer *out, const struct session *s, bool slots) {
    write_text(out, ",\"optimizer\":{");
    training_write(out, s, slots, FORMAT_BASE64);
    write_text(out, "}");
}

void session_write(struct writer *out, const struct session *s, enum tensor_format format) {
    write_text(out, "\"id\":");
    write_string(out, s->id);
    write_text(out, ",\"created_at\":");
    write_time(out, s->created_at);
    write_text(out, ",\"dtype\":");
    write_string(out, dtype_name(s->dtype));
    write_ttl(out, s->ttl_seconds);
    write_text(out, ",\"labels\":");
    write_labels(out, s->labels);
    write_values(out, s, format);
    write_names(out, ",\"constants\":[", s, ITEM_CONSTANT);
    write_names(out, ",\"tensors\":[", s, ITEM_TENSOR);
    write_tapes(out, s);
    if (s->training)
        write_training(out, s, false);
    else
        write_text(out, ",\"optimizer\":null");
    write_text(out, ",\"bytes\":");
    write_int(out, (int64_t)session_bytes(s));
}

/* ---- export ---- */

void item_export(struct writer *out, const struct item *item) {
    const bool is_variable = item->kind == ITEM_VARIABLE;
    if (is_variable) write_text(out, "{\"value\":");
    if (item->value.owner)
        write_tensor(out, &item->value.tensor, FORMAT_BASE64);
    else
        write_text(out, "null");
    if (is_variable)
        write_text(out, item->trainable ? ",\"trainable\":true}" : ",\"trainable\":false}");
}

/* Writes ,"member":{name: {"value", "trainable"} or the value}. */
static void export_items(struct writer *out, const char *member, const struct session *s,
                         enum item_kind kind) {
    const char *separator = "";
    write_text(out, member);
    for (uint32_t i = 0; i < s->items.n; i++) {
        const struct item *item = session_item(s, i);
        if (!item || item->kind != kind) continue;
        write_text(out, separator);
        write_string(out, item->name);
        write_text(out, ":");
        item_export(out, item);
        separator = ",";
    }
    write_text(out, "}");
}

void session_write_export(struct writer *out, const struct session *s) {
    write_text(out, "\"dtype\":");
    write_string(out, dtype_name(s->dtype));
    write_ttl(out, s->ttl_seconds);
    write_text(out, ",\"labels\":");
    write_labels(out, s->labels);
    export_items(out, ",\"variables\":{", s, ITEM_VARIABLE);
    export_items(out, ",\"constants\":{", s, ITEM_CONSTANT);
    export_items(out, ",\"tensors\":{", s, ITEM_TENSOR);
    if (s->training) write_training(out, s, true);
    if (!s->last_tape) return;
    write_text(out, ",\"tapes\":");
    journal_write(s, out);
}

/* Bodies of the client's requests. It knows how each member is written, not which call takes it. */
#include <string.h>

#include "api/client_own.h"
#include "core/tensor.h"

enum { DIGITS_MOST = 16 }; /* elements of a tensor that is sent by digits */

/* ---- values ------------------------------------------------------------------------------------ */

/* The tensor as core knows it; false where it is none. */
static bool tensor_of(const struct gradd_tensor *t, struct tensor *out) {
    const bool plain = t->dtype == GRADD_PLAIN;
    int64_t n;
    if (t->rank < 0 || t->rank > GRADD_RANK_MAX || t->dtype < GRADD_PLAIN || t->dtype > GRADD_BOOL)
        return false;
    if (!t->data && (t->rank > 0 || !plain)) return false;
    *out = (struct tensor){.dtype = plain ? DTYPE_F64 : (enum dtype)(t->dtype - 1),
                           .shape.rank = t->rank,
                           .data = (void *)(uintptr_t)(t->data ? t->data : &t->number)};
    for (int i = 0; i < t->rank; i++) {
        if (t->shape[i] < 0) return false;
        out->shape.dim[i] = t->shape[i];
    }
    return shape_count_within(&out->shape, CLIENT_BODY, &n);
}

static bool is_large(const struct gradd_tensor *t) {
    struct tensor tensor;
    return t->dtype != GRADD_PLAIN && tensor_of(t, &tensor) &&
           shape_count(&tensor.shape) > DIGITS_MOST;
}

static bool write_value(struct writer *w, const struct gradd_tensor *t) {
    struct tensor tensor;
    if (!tensor_of(t, &tensor)) return false;
    write_tensor(w, &tensor,
                 t->dtype == GRADD_PLAIN ? FORMAT_NESTED
                 : is_large(t)           ? FORMAT_BASE64
                                         : FORMAT_TYPED);
    return true;
}

static bool write_bound(struct writer *w, const struct gradd_binding *b) {
    if (!b->json) return write_value(w, &b->value);
    write_text(w, b->json);
    return true;
}

/* ---- members ----------------------------------------------------------------------------------- */

/* Before another member of an object: nothing where it is the first. */
static void write_comma(struct writer *w) {
    if (w->length && w->data[w->length - 1] != '{') write_text(w, ",");
}

static void write_name(struct writer *w, const char *name) {
    write_comma(w);
    write_string(w, name);
    write_text(w, ":");
}

static bool write_bindings(struct writer *w, const struct gradd_binding *b) {
    bool valid = true;
    write_text(w, "{");
    for (; b->name; b++) {
        write_name(w, b->name);
        if (b->fixed) write_text(w, "{\"value\":");
        valid = write_bound(w, b) && valid;
        if (b->fixed) write_text(w, ",\"trainable\":false}");
    }
    write_text(w, "}");
    return valid;
}

static bool write_pairs(struct writer *w, const struct gradd_binding *b) {
    bool valid = true;
    write_text(w, "[");
    for (const struct gradd_binding *first = b; b->name; b++) {
        write_text(w, b == first ? "[" : ",[");
        valid = write_bound(w, b) && valid;
        write_text(w, ",");
        write_string(w, b->name);
        write_text(w, "]");
    }
    write_text(w, "]");
    return valid;
}

static void write_names(struct writer *w, const char *const *name) {
    write_text(w, "[");
    for (const char *const *first = name; *name; name++) {
        if (name != first) write_text(w, ",");
        write_string(w, *name);
    }
    write_text(w, "]");
}

/* Text, or JSON where it begins as an object does. */
static void write_either(struct writer *w, const char *text) {
    if (text[strspn(text, " \t\r\n")] == '{')
        write_text(w, text);
    else
        write_string(w, text);
}

/* The members of an object, which follow those that are there. */
static bool write_extra(struct writer *w, const char *json) {
    static const char blanks[] = " \t\r\n";
    size_t from = strspn(json, blanks), to = strlen(json);
    while (to > from && strchr(blanks, json[to - 1])) to--;
    if (to - from < 2 || json[from] != '{' || json[to - 1] != '}') return false;
    from += 1 + strspn(json + from + 1, blanks);
    if (from >= to - 1) return true;
    write_comma(w);
    write_bytes(w, json + from, to - 1 - from);
    return true;
}

/* ---- requests ---------------------------------------------------------------------------------- */

/* How a member is written: those of one C type have one field type. */
enum form { TEXT, EITHER, JSON, NAMES, BINDINGS, PAIRS, TENSOR, INTEGER, SECONDS, SWITCH };

static const struct member {
    const char *name;
    size_t offset;
    enum form form;
} members[] = {
#define MEMBER(name, form)                                                                         \
    { #name, offsetof(struct gradd_request, name), form }
    MEMBER(graph, EITHER),
    MEMBER(variables, BINDINGS),
    MEMBER(constants, BINDINGS),
    MEMBER(batch, BINDINGS),
    MEMBER(dtype, TEXT),
    MEMBER(target, TEXT),
    {"target", offsetof(struct gradd_request, targets), NAMES},
    MEMBER(sources, NAMES),
    MEMBER(source, TEXT),
    MEMBER(watch, NAMES),
    MEMBER(fetch, NAMES),
    MEMBER(unconnected_gradients, TEXT),
    MEMBER(output_gradients, TENSOR),
    MEMBER(tangents, BINDINGS),
    MEMBER(cotangents, TENSOR),
    MEMBER(vector, BINDINGS),
    MEMBER(sparse, SWITCH),
    MEMBER(diagnose, SWITCH),
    MEMBER(timeout_seconds, SECONDS),
    MEMBER(loss, TEXT),
    MEMBER(var_list, NAMES),
    MEMBER(steps, INTEGER),
    MEMBER(epochs, INTEGER),
    MEMBER(record_every, INTEGER),
    MEMBER(batch_size, INTEGER),
    MEMBER(optimizer, EITHER),
    MEMBER(method, TEXT),
    MEMBER(inputs, BINDINGS),
    MEMBER(residuals, TEXT),
    MEMBER(bounds, JSON),
    MEMBER(constraints, JSON),
    MEMBER(stop, JSON),
    MEMBER(persistent, SWITCH),
    MEMBER(mode, TEXT),
    MEMBER(as, NAMES),
    {"grads_and_vars", offsetof(struct gradd_request, gradients), PAIRS}};
#undef MEMBER

/* The field, as the pointer it holds; NULL where it is not set. Numbers are pointed at. */
static const void *field_of(const struct gradd_request *r, const struct member *m) {
    const char *field = (const char *)r + m->offset;
    const void *pointer;
    switch (m->form) {
    case INTEGER:
        return *(const int64_t *)(const void *)field ? field : NULL;
    case SECONDS:
        return *(const double *)(const void *)field != 0 ? field : NULL;
    case SWITCH:
        return *(const bool *)field ? field : NULL;
    default:
        memcpy(&pointer, field, sizeof pointer);
        return pointer;
    }
}

static bool write_member(struct writer *w, enum form form, const void *field) {
    switch (form) {
    case TEXT:
        write_string(w, field);
        return true;
    case EITHER:
        write_either(w, field);
        return true;
    case JSON:
        write_text(w, field);
        return true;
    case NAMES:
        write_names(w, field);
        return true;
    case BINDINGS:
        return write_bindings(w, field);
    case PAIRS:
        return write_pairs(w, field);
    case TENSOR:
        return write_value(w, field);
    case INTEGER:
        write_int(w, *(const int64_t *)field);
        return true;
    case SECONDS:
        write_double(w, *(const double *)field);
        return true;
    case SWITCH:
        write_text(w, "true");
        return true;
    }
    return false;
}

/* Who sends bits asks for bits. */
static bool has_large(const struct gradd_request *r) {
    const struct gradd_binding *const lists[] = {r->variables, r->constants, r->batch, r->inputs};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct gradd_binding *b = lists[i]; b && b->name; b++)
            if (!b->json && is_large(&b->value)) return true;
    return false;
}

static void write_format(struct writer *w, const struct gradd_client *client, const char *wanted,
                         bool large) {
    const char *format = wanted ? wanted : client->options.format;
    if (!format && large) format = "base64";
    if (!format) return;
    write_name(w, "format");
    write_string(w, format);
}

bool body_request(struct writer *w, const struct gradd_client *client,
                  const struct gradd_request *request, bool takes_format) {
    static const struct gradd_request nothing;
    const struct gradd_request *r = request ? request : &nothing;
    bool valid = true;
    write_text(w, "{");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const void *field = field_of(r, &members[i]);
        if (!field) continue;
        write_name(w, members[i].name);
        valid = write_member(w, members[i].form, field) && valid;
    }
    if (takes_format || r->format) write_format(w, client, r->format, has_large(r));
    if (r->extra) valid = write_extra(w, r->extra) && valid;
    write_text(w, "}");
    return valid;
}

bool body_value(struct writer *w, const struct gradd_client *client, const struct gradd_binding *b,
                bool puts) {
    write_text(w, "{\"value\":");
    const bool valid = write_bound(w, b);
    if (puts && b->fixed) write_text(w, ",\"trainable\":false");
    write_format(w, client, NULL, !b->json && is_large(&b->value));
    write_text(w, "}");
    return valid;
}

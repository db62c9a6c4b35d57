/* The key under which a request is known: what its plan and the structure of its answer follow from,
 * written so that two requests with the same bytes cannot differ in it. Numbers that are bound are left
 * out; whatever else was sent is in, so that a member that somebody adds decides until it is said here
 * that it does not. */
#include <string.h>

#include "api/known.h"
#include "api/span.h"

/* What is longer is not worth a place in a cache. */
enum { KEY_MOST = 16 << 20 };

/* A text that grows in an arena; `begin` is NULL after it could not, or was to be too long. */
struct key {
    struct arena *arena;
    char *begin, *at, *end;
};

static void put_slowly(struct key *k, size_t n) {
    const size_t used = (size_t)(k->at - k->begin), size = 2 * (used + n);
    char *larger = k->begin && used + n <= KEY_MOST ? arena_alloc(k->arena, size) : NULL;
    if (larger) memcpy(larger, k->begin, used);
    k->begin = larger;
    k->at = larger ? larger + used : NULL;
    k->end = larger ? larger + size : NULL;
}

static void put(struct key *k, const void *bytes, size_t n) {
    if ((size_t)(k->end - k->at) < n) put_slowly(k, n);
    if (!k->begin || !n) return;
    memcpy(k->at, bytes, n);
    k->at += n;
}

static void put_byte(struct key *k, int byte) {
    const char c = (char)byte;
    put(k, &c, 1);
}

static void put_text(struct key *k, const char *text, size_t n) {
    put(k, &n, sizeof n);
    put(k, text, n);
}

/* A value with its numbers, or only how they are arranged. The recursion is as deep as the scanner let
 * the document be. */
static void put_json(struct key *k, const struct json *v, bool numbers) {
    const enum json_type type = json_type(v);
    size_t n;
    put_byte(k, (int)type);
    if (type == JSON_ARRAY || type == JSON_OBJECT) {
        n = json_length(v);
        put(k, &n, sizeof n);
        for (const struct json *m = json_first(v); m; m = json_next(m)) {
            if (type == JSON_OBJECT) put_text(k, json_key(m), strlen(json_key(m)));
            put_json(k, m, numbers);
        }
    } else if (!numbers) {
        if (type != JSON_NUMBERS) return;
        const struct span *span = span_of(v);
        const int32_t rank = span->rank < RANK_MAX ? span->rank : RANK_MAX;
        put(k, &span->rank, sizeof span->rank);
        put(k, span->dim, (size_t)rank * sizeof span->dim[0]);
    } else if (type == JSON_STRING) {
        put_text(k, json_string(v), strlen(json_string(v)));
    } else if (type == JSON_BOOL) {
        put_byte(k, json_bool(v));
    } else if (type != JSON_NULL) {
        const char *text = json_text(v, &n);
        put_text(k, text, n);
    }
}

struct key_binding {
    uint8_t dtype, rank;
    bool trainable, batched;
};

static void put_binding(struct key *k, const struct oneshot *o, uint32_t i, bool batched) {
    const struct name *name = &o->b.names.list[i];
    const struct tensor *t = &o->tensors[i];
    const struct key_binding head = {(uint8_t)t->dtype, (uint8_t)t->shape.rank, o->trainable[i],
                                     batched};
    put(k, &head, sizeof head);
    put(k, t->shape.dim, (size_t)t->shape.rank * sizeof t->shape.dim[0]);
    put_text(k, name->text, name->length);
}

static void put_bindings(struct key *k, const struct oneshot *o) {
    const struct batch *b = &o->batch;
    uint32_t next = 0;
    put(k, &o->n_bound, sizeof o->n_bound);
    put(k, &o->n_variables, sizeof o->n_variables);
    put(k, &b->n, sizeof b->n);
    for (uint32_t i = 0; i < o->n_bound; i++) {
        const bool batched = next < b->n_bindings && b->bindings[next].node == i;
        put_binding(k, o, i, batched);
        next += batched;
    }
}

/* How a member that was sent counts. */
enum counts { COUNTS_NOT, COUNTS_STRUCTURE, COUNTS_WHOLLY };

static enum counts member_counts(const struct request *r, const struct json *v) {
    if (v == r->variables || v == r->constants || v == r->batch) return COUNTS_NOT; /* bindings */
    if (v == r->format || v == r->timeout_seconds || v == r->diagnose) return COUNTS_NOT;
    const bool late = v == r->output_gradients || v == r->tangents || v == r->vector ||
                      v == r->cotangents || v == r->cotangents_batch;
    return late ? COUNTS_STRUCTURE : COUNTS_WHOLLY;
}

static void put_members(struct key *k, const struct request *r) {
    for (size_t i = 0; i < REQUEST_MEMBER_COUNT; i++) {
        const struct json *v;
        memcpy(&v, (const char *)r + request_members[i].offset, sizeof v);
        const enum counts counts = v ? member_counts(r, v) : COUNTS_NOT;
        if (counts == COUNTS_NOT) continue;
        put_byte(k, (int)i);
        put_json(k, v, counts == COUNTS_WHOLLY);
    }
}

const char *known_key(struct oneshot *o, size_t *size) {
    enum { FIRST = 512 };
    const struct request *r = &o->request;
    /* A diagnosis looks at the tape. */
    if (!o->call->known || r->wants_diagnosis) return NULL;
    struct key k = {.arena = &o->arena, .begin = arena_alloc(&o->arena, FIRST)};
    if (!k.begin) return NULL;
    k.at = k.begin;
    k.end = k.begin + FIRST;
    put(&k, &r->route, sizeof r->route);
    put_byte(&k, (int)r->default_dtype);
    put_byte(&k, o->call->query != NULL); /* some sentences of the language tell */
    put_bindings(&k, o);
    put_members(&k, r);
    static const char zeros[CACHE_KEY_UNIT];
    const size_t n = (size_t)(k.at - k.begin);
    put(&k, zeros, cache_key_padded(n) - n);
    *size = cache_key_padded(n);
    return k.begin;
}

/* Parts of an object. Owns their memory, and not what they say. */
#include "api/parts.h"

#include <stdlib.h>

/* A row of SQLite's has at most 10^9 bytes. */
enum { LONGEST = 999000000 };

void parts_init(struct parts *p) { *p = (struct parts){.list = NULL}; }

void parts_free(struct parts *p) {
    for (size_t i = 0; i < p->n; i++) writer_free(&p->list[i].bytes);
    free(p->list);
    parts_init(p);
}

static struct part *add(struct parts *p, int64_t from, int64_t to, bool gone) {
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity ? 2 * p->capacity : 4;
        struct part *list = realloc(p->list, capacity * sizeof *list);
        if (!list) {
            p->full = true;
            return NULL;
        }
        p->list = list;
        p->capacity = capacity;
    }
    struct part *part = &p->list[p->n++];
    *part = (struct part){.from = from, .to = to, .gone = gone};
    writer_init(&part->bytes, LONGEST);
    return part;
}

struct writer *parts_add(struct parts *p, int64_t number) {
    static _Thread_local struct writer nowhere;
    struct part *part = add(p, number, number, false);
    if (part) return &part->bytes;
    writer_init(&nowhere, 0);
    return &nowhere;
}

void parts_drop(struct parts *p, int64_t from, int64_t to) { add(p, from, to, true); }

bool parts_are_full(const struct parts *p) {
    bool full = p->full;
    for (size_t i = 0; i < p->n; i++) full = full || p->list[i].bytes.full;
    return full;
}

void parts_join(const struct parts *p, struct writer *out) {
    for (size_t i = 0; i < p->n; i++)
        write_bytes(out, p->list[i].bytes.data, p->list[i].bytes.length);
}

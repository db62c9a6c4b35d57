/* Parts of an object. Owns their memory, and not what they say. */
#include "api/parts.h"

#include <stdlib.h>

void parts_init(struct parts *p) { *p = (struct parts){.bytes.ceiling = PARTS_LONGEST}; }

void parts_free(struct parts *p) {
    writer_free(&p->bytes);
    free(p->list);
    parts_init(p);
}

static void add(struct parts *p, struct part part) {
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity ? 2 * p->capacity : 8;
        struct part *list = realloc(p->list, capacity * sizeof *list);
        if (!list) {
            writer_starve(&p->bytes);
            return;
        }
        p->list = list;
        p->capacity = capacity;
    }
    part.at = p->bytes.length;
    p->list[p->n++] = part;
}

struct writer *parts_add(struct parts *p, int64_t number) {
    add(p, (struct part){.from = number, .to = number});
    p->bytes.ceiling = p->bytes.length + PARTS_LONGEST;
    return &p->bytes;
}

void parts_drop(struct parts *p, int64_t from, int64_t to) {
    add(p, (struct part){.from = from, .to = to, .gone = true});
}

const char *parts_bytes(const struct parts *p, size_t i, size_t *n) {
    const size_t at = p->list[i].at;
    *n = (i + 1 < p->n ? p->list[i + 1].at : p->bytes.length) - at;
    return *n ? p->bytes.data + at : "";
}

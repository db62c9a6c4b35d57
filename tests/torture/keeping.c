/* Objects in a list, each as parts by their numbers. Does not know what they are. */
#include "tests/torture/keeping.h"

#include <stdlib.h>
#include <string.h>

#include "tests/torture/failing.h"

struct kept_part {
    struct kept_part *next; /* in the order of the numbers */
    int64_t number;
    size_t n;
    char bytes[];
};

struct kept {
    struct kept *next; /* in the order in which they were first saved */
    enum store_kind kind;
    char tenant[80], id[200];
    size_t n_summary;
    char *summary;
    struct kept_part *parts;
};

struct keeping {
    struct store base; /* first */
    struct kept *first;
};

/* One change, encoded before any is made. */
struct encoded {
    struct writer summary;
    struct parts parts;
};

static void *take(size_t n) {
    void *memory = malloc(n);
    if (!memory) abort();
    return memory;
}

static struct store *keeping_open(const char *where, char *problem, size_t size) {
    (void)where, (void)problem, (void)size;
    struct keeping *k = calloc(1, sizeof *k);
    if (!k) abort();
    k->base.verbs = &store_keeping;
    return &k->base;
}

/* ---- changing ---- */

static void cut(struct kept *o, int64_t from, int64_t to) {
    for (struct kept_part **at = &o->parts, *part; (part = *at);) {
        if (part->number < from || part->number > to) {
            at = &part->next;
            continue;
        }
        *at = part->next;
        free(part);
    }
}

static void fill(struct kept *o, int64_t number, const char *bytes, size_t n) {
    struct kept_part **at = &o->parts, *part = take(sizeof *part + n);
    cut(o, number, number);
    while (*at && (*at)->number < number) at = &(*at)->next;
    *part = (struct kept_part){.next = *at, .number = number, .n = n};
    memcpy(part->bytes, bytes, n);
    *at = part;
}

static struct kept **find(struct keeping *k, enum store_kind kind, const char *tenant,
                          const char *id) {
    struct kept **at = &k->first;
    while (*at && ((*at)->kind != kind || strcmp((*at)->tenant, tenant) != 0 ||
                   strcmp((*at)->id, id) != 0))
        at = &(*at)->next;
    return at;
}

static void drop(struct kept **at) {
    struct kept *o = *at;
    if (!o) return;
    *at = o->next;
    cut(o, INT64_MIN, INT64_MAX);
    free(o->summary);
    free(o);
}

static void make(struct keeping *k, const struct store_change *c, const struct encoded *e) {
    struct kept **at = find(k, c->kind, c->tenant, c->id), *o = *at;
    if (!o) {
        o = *at = take(sizeof *o);
        *o = (struct kept){.kind = c->kind};
        if (strlen(c->tenant) >= sizeof o->tenant || strlen(c->id) >= sizeof o->id) abort();
        strcpy(o->tenant, c->tenant);
        strcpy(o->id, c->id);
    }
    free(o->summary);
    o->n_summary = e->summary.length;
    o->summary = take(o->n_summary + 1);
    if (o->n_summary) memcpy(o->summary, e->summary.data, o->n_summary);
    if (e->parts.whole) cut(o, INT64_MIN, INT64_MAX);
    for (size_t i = 0; i < e->parts.n; i++) {
        const struct part *part = &e->parts.list[i];
        size_t n;
        const char *bytes = parts_bytes(&e->parts, i, &n);
        if (part->gone)
            cut(o, part->from, part->to);
        else
            fill(o, part->from, bytes, n);
    }
}

static bool encode(const struct store_change *c, struct encoded *e) {
    writer_init(&e->summary, SIZE_MAX);
    parts_init(&e->parts);
    if (c->deleted) return true;
    if (c->summarize && !c->summarize(c->object, &e->summary)) return false;
    if (c->encode_parts) return c->encode_parts(c->object, &e->parts);
    return c->encode(c->object, parts_add(&e->parts, 0));
}

static void keeping_save(struct store *store, const struct store_change *changes, size_t n,
                         store_done done, void *context) {
    struct keeping *k = (struct keeping *)store;
    struct error error;
    failing_pause();
    struct encoded *all = take(n * sizeof *all);
    failing_resume();
    size_t made = 0;
    bool ok = true;
    while (ok && made < n) {
        ok = encode(&changes[made], &all[made]);
        made++;
    }
    failing_pause();
    for (size_t i = 0; ok && i < n; i++) {
        if (changes[i].deleted)
            drop(find(k, changes[i].kind, changes[i].tenant, changes[i].id));
        else
            make(k, &changes[i], &all[i]);
    }
    failing_resume();
    for (size_t i = 0; i < made; i++) {
        writer_free(&all[i].summary);
        parts_free(&all[i].parts);
    }
    free(all);
    error_clear(&error);
    if (!ok) error_set(&error, ERROR_MEMORY_BUDGET, "no memory to keep what has changed");
    done(context, ok ? NULL : &error);
}

/* ---- reading ---- */

static bool keeping_load(struct store *store, enum store_kind kind, const char *tenant,
                         const char *id, struct writer *out, struct error *error) {
    const struct kept *o = *find((struct keeping *)store, kind, tenant, id);
    if (!o) return error_set(error, ERROR_NOT_FOUND, "nothing is kept of \"%.80s\"", id);
    for (const struct kept_part *part = o->parts; part; part = part->next)
        write_bytes(out, part->bytes, part->n);
    return !out->full || error_set(error, ERROR_MEMORY_BUDGET, "no memory to load \"%.80s\"", id);
}

static bool keeping_list(struct store *store, enum store_kind kind, store_each each, void *context,
                         struct error *error) {
    (void)error;
    for (const struct kept *o = ((struct keeping *)store)->first; o; o = o->next) {
        const struct store_row row = {o->tenant, o->id, o->summary, o->n_summary};
        if (o->kind == kind && !each(context, &row)) break;
    }
    return true;
}

/* Time stands still here. */
static void keeping_forget(struct store *store, enum store_kind kind, int64_t seconds) {
    (void)store, (void)kind, (void)seconds;
}

static bool keeping_is_well(struct store *store) {
    (void)store;
    return true;
}

static void keeping_close(struct store *store) {
    struct keeping *k = (struct keeping *)store;
    while (k->first) drop(&k->first);
    free(k);
}

const struct store_verbs store_keeping = {
    .name = "keeping",
    .keeps = (1u << STORE_KIND_COUNT) - 1,
    .endures = true,
    .open = keeping_open,
    .close = keeping_close,
    .save = keeping_save,
    .load = keeping_load,
    .list = keeping_list,
    .forget = keeping_forget,
    .is_well = keeping_is_well,
};

/* What is known of requests that were answered before, and the answer that needs no more. An entry holds
 * a plan, says where its inputs come from, and has the structures to show; it knows no values. What goes
 * wrong here goes wrong the whole way too: where that says it in its own words it is left to it. */
#include "api/known.h"

#include <string.h>

/* Where an input of the plan is found in a request. */
struct source {
    enum { FROM_BINDING, FROM_LATE, FROM_BATCH } kind;
    uint32_t i;
    size_t offset; /* of the first point's value, in bytes */
};

/* What a tensor that is bound after the graph is built must be. */
struct late_kind {
    enum dtype dtype;
    struct shape shape;
};

struct known {
    struct cached cached;
    struct arena arena; /* of all below */
    struct plan *plan;
    struct source *sources;
    size_t n_sources;
    struct late_kind *late;
    uint32_t n_late;
    struct value value, fetched;
    bool has_fetched;
    struct derivative derivatives[DERIVATIVES_MAX];
    uint32_t n_derivatives;
    struct warning *warnings;
    size_t built; /* bytes that building took */
};

static void release(struct cached *c) {
    struct known *known = (struct known *)(void *)c;
    if (atomic_fetch_sub(&c->references, 1) != 1) return;
    struct arena arena = known->arena; /* the entry lives in it */
    plan_release(known->plan);
    arena_free(&arena);
}

void known_release(const struct known *known) {
    /* Nobody changes an entry but for its references. */
    if (known) release((struct cached *)(uintptr_t)known);
}

struct cache *known_cache_new(size_t most, size_t max_bytes, uint64_t seed) {
    return cache_new(most, max_bytes, seed, release);
}

/* ---- keeping ------------------------------------------------------------------------------------ */

/* Copies what a structure refers to. False without memory. The recursion is as deep as the one that made
 * the structure. */
static bool copy_value(struct arena *a, struct value *v) {
    if (v->kind == VALUE_STRING)
        return (v->string = arena_copy_text(a, v->string, strlen(v->string)));
    if (v->kind != VALUE_LIST && v->kind != VALUE_OBJECT) return true;
    struct value *items = arena_alloc(a, (v->n + 1) * sizeof *items);
    if (!items) return false;
    for (uint32_t i = 0; i < v->n; i++) {
        items[i] = v->items[i];
        if (!copy_value(a, &items[i])) return false;
    }
    v->items = items;
    return true;
}

static bool copy_shown(struct known *k, const struct oneshot *o) {
    k->value = o->value;
    k->has_fetched = o->has_fetched;
    if (k->has_fetched) k->fetched = o->fetched;
    k->n_derivatives = o->n_derivatives;
    bool ok = copy_value(&k->arena, &k->value);
    if (k->has_fetched) ok = ok && copy_value(&k->arena, &k->fetched);
    for (uint32_t i = 0; i < o->n_derivatives; i++) {
        k->derivatives[i] = o->derivatives[i];
        ok = ok && copy_value(&k->arena, &k->derivatives[i].value);
    }
    return ok;
}

static bool copy_warnings(struct known *k, const struct oneshot *o) {
    struct warning **end = &k->warnings;
    for (const struct warning *w = o->warnings; w; w = w->next) {
        struct warning *copy = *end = arena_alloc(&k->arena, sizeof *copy);
        if (!copy) return false;
        copy->code = w->code;
        copy->detail = arena_copy_text(&k->arena, w->detail, strlen(w->detail));
        copy->pointer = arena_copy_text(&k->arena, w->pointer, strlen(w->pointer));
        copy->next = NULL;
        end = &copy->next;
        if (!copy->detail || !copy->pointer) return false;
    }
    return true;
}

/* Where what an input is bound to came from. */
static struct source source_of(const struct oneshot *o, node_id input) {
    if (input < o->n_bound) return (struct source){.kind = FROM_BINDING, .i = input};
    const struct late *late = oneshot_late(o, input);
    if (!late->batched) return (struct source){.kind = FROM_LATE, .i = (uint32_t)(late - o->late)};
    const char *all = o->batch.bindings[late->batched - 1].all.data, *part = late->tensor.data;
    return (struct source){
        .kind = FROM_BATCH, .i = late->batched - 1, .offset = (size_t)(part - all)};
}

static bool copy_inputs(struct known *k, const struct oneshot *o, const node_id *inputs, size_t n) {
    k->sources = arena_alloc(&k->arena, (n + 1) * sizeof *k->sources);
    k->late = arena_alloc(&k->arena, (o->n_late + 1) * sizeof *k->late);
    if (!k->sources || !k->late) return false;
    k->n_sources = n;
    for (size_t i = 0; i < n; i++) k->sources[i] = source_of(o, inputs[i]);
    /* Those of the batch were bound last, and the bindings say them. */
    for (uint32_t i = 0; i < o->n_late && !o->late[i].batched; i++) {
        const struct tensor *t = &o->late[i].tensor;
        k->late[k->n_late++] = (struct late_kind){t->dtype, t->shape};
    }
    return true;
}

static struct known *new_known(const struct oneshot *o) {
    enum { FIRST_CHUNK = 1 << 10 };
    struct arena arena;
    arena_init(&arena, o->arena.ceiling);
    arena.first = FIRST_CHUNK;
    struct known *k = arena_zalloc(&arena, sizeof *k);
    char *key = k ? arena_alloc(&arena, o->key.size) : NULL;
    if (!key) {
        arena_free(&arena);
        return NULL;
    }
    k->arena = arena;
    k->cached.hash = o->key.hash;
    k->cached.key = memcpy(key, o->key.bytes, o->key.size);
    k->cached.key_size = o->key.size;
    atomic_init(&k->cached.references, 1);
    return k;
}

void known_keep(struct oneshot *o, struct plan *plan, const node_id *inputs, size_t n_inputs) {
    struct known *k = o->key.bytes && !o->batch.n_failures ? new_known(o) : NULL;
    if (!k) return;
    k->plan = plan_hold(plan);
    k->built = o->held.built - o->held.decoded;
    if (copy_shown(k, o) && copy_warnings(k, o) && copy_inputs(k, o, inputs, n_inputs)) {
        k->cached.bytes = k->arena.held + plan_bytes(plan);
        cache_keep(o->call->known, &k->cached);
    }
    release(&k->cached);
}

/* ---- answering ---------------------------------------------------------------------------------- */

bool known_bind_late(struct oneshot *o, const struct json *v) {
    const struct known *k = o->known;
    struct tensor t;
    if (o->n_late == k->n_late) return false;
    const struct late_kind *kind = &k->late[o->n_late];
    return json_tensor(&o->arena, v, kind->dtype, o->call->limits->max_elements, "", &t,
                       o->error) &&
           t.dtype == kind->dtype && shape_equal(&t.shape, &kind->shape) &&
           oneshot_bind_input(o, NODE_NONE, &t);
}

/* Tensors in the structure of the target. */
static bool decode_seeds(struct oneshot *o, const struct json *v) {
    const struct known *k = o->known;
    node_id *nodes = arena_alloc(&o->arena, (build_leaves(&k->value) + 1) * sizeof *nodes);
    return nodes && oneshot_seeds(o, v, "", &k->value, &nodes);
}

static bool decode_many_seeds(struct oneshot *o, const struct json *v) {
    if (json_type(v) == JSON_NUMBERS) v = json_split(&o->arena, v);
    for (v = v ? json_first(v) : NULL; v; v = json_next(v))
        if (!decode_seeds(o, v)) return false;
    return true;
}

static bool decode_directions(struct oneshot *o, const struct json *v) {
    for (v = json_first(v); v; v = json_next(v))
        if (!known_bind_late(o, v)) return false;
    return true;
}

/* What is bound late, in the order in which it was when the graph was built. */
static bool decode_late(struct oneshot *o) {
    const struct request *r = &o->request;
    const struct json *seeds = r->output_gradients ? r->output_gradients : r->cotangents;
    const struct json *directions = r->vector ? r->vector : r->tangents;
    if (seeds && json_type(seeds) != JSON_NULL && !decode_seeds(o, seeds)) return false;
    if (directions && !decode_directions(o, directions)) return false;
    if (r->cotangents_batch && !decode_many_seeds(o, r->cotangents_batch)) return false;
    return o->n_late == o->known->n_late;
}

static bool bind(struct oneshot *o) {
    const struct known *k = o->known;
    const struct tensor **bound = arena_alloc(&o->arena, (k->n_sources + 1) * sizeof *bound);
    if (!bound) return false;
    o->bound = bound;
    for (size_t i = 0; i < k->n_sources; i++) {
        const struct source *s = &k->sources[i];
        if (s->kind != FROM_BATCH) {
            bound[i] = s->kind == FROM_BINDING ? &o->tensors[s->i] : &o->late[s->i].tensor;
            continue;
        }
        struct tensor *part = arena_alloc(&o->arena, sizeof *part);
        if (!part) return false;
        *part = o->batch.bindings[s->i].all; /* a plan knows how many of its points it takes */
        part->data = (char *)part->data + s->offset;
        bound[i] = part;
    }
    return true;
}

static void show(struct oneshot *o) {
    const struct known *k = o->known;
    o->value = k->value;
    o->fetched = k->fetched;
    o->has_fetched = k->has_fetched;
    o->n_derivatives = k->n_derivatives;
    memcpy(o->derivatives, k->derivatives, sizeof o->derivatives);
    o->warnings = k->warnings;
}

/* To the request as it was decoded. */
static void go_back(struct oneshot *o) {
    known_release(o->known);
    o->known = NULL;
    o->key.bytes = NULL;
    o->n_late = 0;
    o->n_derivatives = 0;
    o->warnings = NULL;
    error_clear(o->error);
}

bool known_answer(struct oneshot *o, struct writer *out) {
    size_t size = 0;
    const char *key = known_key(o, &size);
    if (!key) return false;
    o->key.size = size;
    o->held.decoded = o->arena.held;
    o->known =
        (const struct known *)(const void *)cache_find(o->call->known, key, size, &o->key.hash);
    if (!o->known) {
        o->key.bytes = key;
        return false;
    }
    struct plan *plan = o->known->plan;
    const size_t held = o->held.decoded + o->known->built;
    const bool fits = decode_late(o) && bind(o) && oneshot_within_budget(o, plan, held);
    if (fits) show(o);
    if (fits && oneshot_answer_again(o, plan, out)) return true;
    /* Of a batch it is to be found out which points fail; too much work is too much either way. */
    const enum error_code code = o->error->code;
    if (fits ? o->batch.given && !batch_fails_wholly(code) : code != ERROR_TOO_MUCH_WORK)
        go_back(o);
    return false;
}

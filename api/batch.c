/* Batches of points: reads them, maps nodes of one point to all of them, and finds the points whose
 * data fails. What is computed at a point is not its business. */
#include "api/batch.h"

#include <inttypes.h>
#include <string.h>

#include "api/oneshot.h"
#include "api/place.h"
#include "core/emit.h"

/* ---- reading ------------------------------------------------------------------------------------ */

static bool fail_points(struct oneshot *o, const struct tensor *t, const char *name) {
    if (t->shape.rank == 0) {
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "the batch of \"%.80s\" is a scalar; it needs a leading axis of points",
                         name);
    }
    return error_set(o->error, ERROR_SHAPE_MISMATCH,
                     "the batch of \"%.80s\" has %" PRId64 " points where others have %" PRId64,
                     name, t->shape.dim[0], o->batch.n);
}

bool batch_begin(struct oneshot *o) {
    struct batch *b = &o->batch;
    const struct json *v = o->request.batch;
    size_t n = 0;
    bool added;
    b->given = v != NULL;
    if (!v) return true;
    names_init(&b->names, &o->arena, o->call->seed);
    for (v = json_first(v); v; v = json_next(v), n++) {
        struct name *name = names_add(&b->names, json_key(v), strlen(json_key(v)), &added);
        if (!name) return build_fail_memory(&o->b);
        name->value = (struct value){.kind = VALUE_NUMBERS, .numbers = v};
    }
    b->bindings = arena_alloc(&o->arena, (n + 1) * sizeof *b->bindings);
    return b->bindings || build_fail_memory(&o->b);
}

static const struct json *find(struct oneshot *o, const char *name) {
    const struct name *found =
        o->batch.given ? names_find(&o->batch.names, name, strlen(name)) : NULL;
    return found ? found->value.numbers : NULL;
}

bool batch_has(struct oneshot *o, const char *name) { return find(o, name) != NULL; }

bool batch_read(struct oneshot *o, const char *name, enum dtype dtype, struct tensor *all,
                bool *found) {
    const struct json *v = find(o, name);
    *found = v != NULL;
    if (!v) return true;
    bool ok = json_tensor(&o->arena, v, dtype, o->call->limits->max_elements, "", all, o->error);
    if (ok && (all->shape.rank == 0 || (o->batch.n >= 0 && all->shape.dim[0] != o->batch.n)))
        ok = fail_points(o, all, name);
    if (ok) o->batch.n = all->shape.dim[0];
    if (ok) return true;
    error_under(o->error, name);
    return error_under(o->error, "batch");
}

static struct shape point_shape(const struct tensor *all) {
    struct shape shape = {.rank = all->shape.rank - 1};
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = all->shape.dim[i + 1];
    return shape;
}

static size_t point_bytes(const struct tensor *all) {
    const struct shape shape = point_shape(all);
    return (size_t)shape_count(&shape) * dtype_size(all->dtype);
}

bool batch_bind(struct oneshot *o, node_id node, const struct tensor *all) {
    struct batch *b = &o->batch;
    struct tensor *one = &o->tensors[node];
    *one = (struct tensor){.dtype = all->dtype, .shape = point_shape(all), .data = all->data};
    if (b->n == 0 && !(one->data = arena_zalloc(&o->arena, point_bytes(all) + 1)))
        return build_fail_memory(&o->b);
    b->bindings[b->n_bindings++] = (struct batched){.node = node, .all = *all};
    return true;
}

bool batch_finish(struct oneshot *o) {
    if (!o->batch.given) return true;
    for (const struct json *v = json_first(o->request.batch); v; v = json_next(v)) {
        const char *key = json_key(v);
        if (names_find(&o->b.names, key, strlen(key))) continue;
        error_set(o->error, ERROR_UNBOUND_NAME,
                  "\"%.80s\" is declared neither in variables nor in constants", key);
        error_under(o->error, key);
        return error_under(o->error, "batch");
    }
    if (o->batch.n_bindings) return true;
    error_set(o->error, ERROR_INVALID_REQUEST, "the batch names nothing");
    return error_under(o->error, "batch");
}

/* ---- points ------------------------------------------------------------------------------------- */

void batch_select(struct oneshot *o, int64_t point) {
    for (uint32_t i = 0; i < o->batch.n_bindings; i++) {
        const struct batched *b = &o->batch.bindings[i];
        o->tensors[b->node].data = (char *)b->all.data + (size_t)point * point_bytes(&b->all);
    }
}

/* The values at the points that have not failed. */
static bool good_points(struct oneshot *o, const struct tensor *all, struct tensor *good) {
    const struct batch *b = &o->batch;
    const size_t size = point_bytes(all);
    *good = *all;
    if (b->n_failures == 0) return true;
    good->shape.dim[0] = b->n - b->n_failures;
    char *to = good->data = arena_alloc_tensor(&o->arena, tensor_bytes(good) + 1);
    if (!to) return build_fail_memory(&o->b);
    int64_t next = 0;
    for (int64_t i = 0; i < b->n; i++) {
        if (next < b->n_failures && b->failures[next].point == i) {
            next++;
            continue;
        }
        memcpy(to, (const char *)all->data + (size_t)i * size, size);
        to += size;
    }
    return true;
}

/* Points are computed in blocks whose values are about this many bytes, as long as all blocks together
 * do not make too many nodes; both are constants, so that the same request gives the same plan on every
 * machine. */
enum { BLOCK_BYTES = 64 << 20, BLOCK_NODES = 1 << 20 };

/* Points a block; 0 without memory. */
static int64_t block_size(struct oneshot *o, const node_id *nodes, size_t n, int64_t points) {
    const struct tape *t = &o->b.tape;
    uint8_t *needed = arena_zalloc(&o->arena, t->count + 1);
    int64_t bytes = 1;
    if (!needed) {
        build_fail_memory(&o->b);
        return 0;
    }
    tape_mark_ancestors(t, 0, t->count, nodes, n, needed);
    for (node_id i = 0; i < t->count && bytes < BLOCK_BYTES; i++)
        if (needed[i])
            bytes += shape_count(tape_shape(t, i)) * (int64_t)dtype_size(tape_dtype(t, i));
    const int64_t fits = bytes < BLOCK_BYTES ? BLOCK_BYTES / bytes : 1;
    const int64_t most = BLOCK_NODES / (t->count + 1) + 1, least = (points + most - 1) / most;
    return fits > least ? fits : least > 0 ? least : 1;
}

/* Rows [begin, begin + n) of what the bindings are at the good points, as late inputs. */
static bool bind_block(struct oneshot *o, const struct tensor *good, int64_t begin, int64_t n,
                       node_id *to) {
    for (uint32_t i = 0; i < o->batch.n_bindings; i++) {
        struct tensor part = good[i];
        part.data = (char *)part.data + (size_t)begin * point_bytes(&good[i]);
        part.shape.dim[0] = n;
        if (!oneshot_keep_late(o, &part, &to[i])) return false;
        o->late[o->n_late - 1].batched = i + 1;
    }
    return true;
}

/* The blocks of each node along the points, as one; what no point changes is repeated. */
static bool join_blocks(struct oneshot *o, node_id *nodes, size_t n, node_id *parts, size_t blocks,
                        int64_t points) {
    struct tape *t = &o->b.tape;
    node_id *row = arena_alloc(&o->arena, blocks * sizeof *row);
    if (!row) return build_fail_memory(&o->b);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < blocks; k++) row[k] = parts[k * n + i];
        if (row[0] == nodes[i])
            nodes[i] = emit_repeat(t, nodes[i], points);
        else
            nodes[i] = blocks == 1 ? row[0] : emit_concat(t, row, (uint32_t)blocks, 0);
        if (nodes[i] == NODE_NONE) return false;
    }
    return true;
}

/* Whether a leading axis has no room: a node that the points change has all axes that there may be. */
static bool find_full(struct oneshot *o, const node_id *nodes, size_t n, bool *full) {
    enum { NEEDED = 1, CHANGES = 2 };
    const struct tape *t = &o->b.tape;
    uint8_t *flags = arena_zalloc(&o->arena, t->count + 1);
    *full = false;
    if (!flags) return build_fail_memory(&o->b);
    tape_mark_ancestors(t, 0, t->count, nodes, n, flags);
    for (uint32_t i = 0; i < o->batch.n_bindings; i++) flags[o->batch.bindings[i].node] |= CHANGES;
    for (node_id i = 0; i < t->count; i++) {
        const struct node *node = tape_node(t, i);
        const bool inner = node->op != OP_const && node->op != OP_input;
        for (uint32_t k = 0; inner && k < node->n_args; k++)
            flags[i] |= flags[tape_arg(t, i, k)] & CHANGES;
        if (flags[i] == (NEEDED | CHANGES) && node->shape->rank == RANK_MAX) *full = true;
    }
    return true;
}

/* The nodes once more for each point, with a leading axis of length 1 on what it changes. */
static bool map_singly(struct oneshot *o, const node_id *nodes, size_t n, const node_id *from,
                       node_id *to, const struct tensor *good, int64_t points, node_id *parts) {
    struct tape *t = &o->b.tape;
    for (int64_t k = 0; k < points; k++, parts += n) {
        for (uint32_t i = 0; i < o->batch.n_bindings; i++) {
            struct tensor one = {.dtype = good[i].dtype, .shape = point_shape(&good[i])};
            one.data = (char *)good[i].data + (size_t)k * point_bytes(&good[i]);
            if (!oneshot_keep_late(o, &one, &to[i])) return false;
            o->late[o->n_late - 1].batched = i + 1;
        }
        if (!tape_substitute(t, from, to, o->batch.n_bindings, nodes, n, parts)) return false;
        for (size_t i = 0; i < n; i++) {
            struct shape shape;
            if (parts[i] == nodes[i]) continue;
            if (!shape_lead(t, tape_shape(t, parts[i]), 1, &shape)) return false;
            parts[i] = emit_reshape(t, parts[i], &shape);
        }
    }
    return tape_ok(t);
}

bool batch_map(struct oneshot *o, node_id *nodes, size_t n) {
    const struct batch *b = &o->batch;
    const int64_t points = b->n - b->n_failures, size = block_size(o, nodes, n, points);
    bool full;
    if (size == 0 || !find_full(o, nodes, n, &full)) return false;
    const bool singly = full && points > 0;
    const size_t blocks = singly           ? (size_t)points
                          : size >= points ? 1
                                           : (size_t)((points + size - 1) / size);
    node_id *from = arena_alloc(&o->arena, 2 * b->n_bindings * sizeof *from);
    node_id *parts = arena_alloc(&o->arena, (blocks * n + 1) * sizeof *parts);
    struct tensor *good = arena_alloc(&o->arena, b->n_bindings * sizeof *good);
    if (!from || !parts || !good) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < b->n_bindings; i++) {
        from[i] = b->bindings[i].node;
        if (!good_points(o, &b->bindings[i].all, &good[i])) return false;
    }
    node_id *to = from + b->n_bindings;
    if (singly && !map_singly(o, nodes, n, from, to, good, points, parts)) return false;
    for (size_t k = 0; k < blocks && n && !singly; k++) {
        const int64_t begin = (int64_t)k * size, left = points - begin;
        if (!bind_block(o, good, begin, left < size ? left : size, to) ||
            !tape_batch(&o->b.tape, from, to, b->n_bindings, nodes, n, parts + k * n))
            return false;
    }
    return join_blocks(o, nodes, n, parts, blocks, points);
}

/* ---- failures ----------------------------------------------------------------------------------- */

bool batch_fails_wholly(enum error_code code) {
    return code == ERROR_CANCELLED || code == ERROR_DEADLINE_EXCEEDED || error_is_limit(code);
}

bool batch_note(struct oneshot *o, int64_t point) {
    struct batch *b = &o->batch;
    if (batch_fails_wholly(o->error->code)) return false;
    if (!b->failures) b->failures = arena_alloc(&o->arena, (size_t)b->n * sizeof *b->failures);
    const char *detail = arena_copy_text(&o->arena, o->error->detail, strlen(o->error->detail));
    if (!b->failures || !detail) {
        error_clear(o->error);
        return build_fail_memory(&o->b);
    }
    b->failures[b->n_failures++] =
        (struct batch_failure){.point = point, .code = o->error->code, .detail = detail};
    error_clear(o->error);
    return true;
}

void batch_write_failures(const struct oneshot *o, struct writer *out) {
    const struct batch *b = &o->batch;
    write_text(out, ",\"failures\":[");
    for (int64_t i = 0; i < b->n_failures; i++) {
        write_text(out, i ? ",{\"index\":" : "{\"index\":");
        write_int(out, b->failures[i].point);
        write_text(out, ",\"code\":");
        write_string(out, error_name(b->failures[i].code));
        write_text(out, ",\"detail\":");
        write_string(out, b->failures[i].detail);
        write_text(out, "}");
    }
    write_text(out, "]");
}

static bool run_points(struct oneshot *o, const struct plan *plan,
                       const struct tensor *const *bound) {
    if (!oneshot_runs_within(o, o->batch.n, plan_work(plan))) return false;
    for (int64_t i = 0; i < o->batch.n; i++) {
        batch_select(o, i);
        struct run *run = oneshot_run(o, plan, bound);
        run_end(run);
        if (!run && !batch_note(o, i)) return false;
    }
    return true;
}

bool batch_find_failures(struct oneshot *o, const node_id *wanted, size_t n) {
    const struct error first = *o->error;
    const struct tensor **bound;
    const node_id *inputs;
    size_t n_inputs;
    if (batch_fails_wholly(first.code)) return false;
    error_clear(o->error);
    struct plan *plan = oneshot_plan(o, wanted, n, &bound, &inputs, &n_inputs);
    if (!plan) return false;
    const bool ran = run_points(o, plan, bound);
    plan_release(plan);
    if (!ran) return false;
    if (o->batch.n_failures == 0) *o->error = first;
    return o->batch.n_failures > 0;
}

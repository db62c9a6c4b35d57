/* Mini-batches: which rows of the inputs a step sees, in which order, and the stages that see them. An
 * epoch goes through all rows, a shorter batch at its end, as Keras' fit does. What a step does with its
 * rows is not known here.
 *
 * Shuffled rows are those of a Fisher-Yates shuffle: of 0, 1 .. n - 1, for i = n - 1 down to 1, the
 * elements i and j change places, where j is element i of the integers in [0, i + 1) that
 * core/kernels/random.h makes of the seed (shuffle_seed, epoch), epochs counted from 0. */
#include <inttypes.h>
#include <string.h>

#include "api/minimize_steps.h"
#include "api/place.h"
#include "core/kernels/random.h"

static bool read_seed(struct descent *d) {
    struct minimize *m = d->m;
    const struct json *v = m->o.request.shuffle_seed;
    d->shuffles = v != NULL;
    if (!v || (json_type(v) == JSON_NUMBER && json_int(v, &d->seed[0]))) return true;
    error_set(m->o.error, ERROR_INVALID_VALUE, "expected a whole number, found %s",
              json_type(v) == JSON_NUMBER ? "another number" : json_type_name(v));
    return error_under(m->o.error, "shuffle_seed");
}

bool rows_read(struct descent *d) {
    struct minimize *m = d->m;
    struct oneshot *o = &m->o;
    const struct rows *rows = &o->rows;
    int64_t epochs = -1;
    if (!minimize_int(m, o->request.epochs, "epochs", 0, &epochs) || !read_seed(d)) return false;
    d->steps = m->steps;
    d->batches = rows->n < 0 ? 1 : (rows->n - 1) / rows->size + 1;
    d->by_batches = d->batches > 1 || d->shuffles;
    if (epochs >= 0 && __builtin_mul_overflow(epochs, d->batches, &d->steps)) {
        error_set(o->error, ERROR_TOO_MUCH_WORK, "%" PRId64 " epochs are too many", epochs);
        return error_under(o->error, "epochs");
    }
    if (d->steps < 0)
        return error_set(o->error, ERROR_INVALID_REQUEST, "member \"steps\"%s is missing",
                         rows->n >= 0 ? " or \"epochs\"" : "");
    if (!d->shuffles) return true;
    d->order = arena_alloc(&o->arena, (size_t)rows->n * sizeof *d->order);
    return d->order || build_fail_memory(&o->b);
}

/* ---- stages -------------------------------------------------------------------------------------- */

static bool add_stage(struct descent *d, int64_t size) {
    struct oneshot *o = &d->m->o;
    const struct rows *rows = &o->rows;
    struct stage *s = &d->stages[d->n_stages];
    *s = (struct stage){.rows = size};
    if (!stage_plan(d, s)) {
        plan_release(s->plan);
        return false;
    }
    d->n_stages++;
    s->window = arena_alloc(&o->arena, (rows->n_bindings + 1) * sizeof *s->window);
    s->gathered = arena_zalloc(&o->arena, (rows->n_bindings + 1) * sizeof *s->gathered);
    if (!s->window || !s->gathered) return build_fail_memory(&o->b);
    for (uint32_t i = 0; i < rows->n_bindings; i++) {
        s->window[i] = rows->bindings[i].all;
        s->window[i].shape.dim[0] = size;
        if (!d->shuffles || s->input[i] == UINT32_MAX) continue;
        s->gathered[i] = arena_alloc_tensor(&o->arena, tensor_bytes(&s->window[i]) + 1);
        if (!s->gathered[i]) return build_fail_memory(&o->b);
    }
    return true;
}

bool rows_plan(struct descent *d) {
    struct minimize *m = d->m;
    const int64_t n = m->o.rows.n, size = m->o.rows.size;
    if (!add_stage(d, size)) return false;
    if (!d->by_batches) return true;
    if (n % size && !(minimize_build_again(m, n % size) && add_stage(d, n % size))) return false;
    if (minimize_build_again(m, n) && evaluation_plan(d)) return true;
    if (m->o.request.fetch || !error_is_limit(m->o.error->code)) return false;
    error_clear(m->o.error);
    d->by_mean = true;
    return minimize_build_again(m, size) &&
           oneshot_warn(&m->o, "mean_loss", "/inputs",
                        "the loss of all %" PRId64 " rows at once is over the limits; `loss` is "
                        "the mean of its batches, by their rows",
                        n);
}

/* ---- a step's rows --------------------------------------------------------------------------------- */

static void shuffle(struct descent *d, int64_t epoch) {
    const int64_t n = d->m->o.rows.n;
    d->seed[1] = epoch;
    for (int64_t i = 0; i < n; i++) d->order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = random_integer(d->seed, (uint64_t)i, 0, i + 1), row = d->order[i];
        d->order[i] = d->order[j];
        d->order[j] = row;
    }
}

int64_t rows_of(const struct descent *d, int64_t step) {
    if (!d->by_batches) return 1;
    return d->stages[d->n_stages == 2 && (step + 1) % d->batches == 0].rows;
}

static void gather(struct descent *d, struct stage *s, int64_t begin) {
    const struct rows *rows = &d->m->o.rows;
    for (uint32_t i = 0; i < rows->n_bindings; i++) {
        const struct tensor *all = &rows->bindings[i].all;
        const size_t size = tensor_bytes(all) / (size_t)rows->n;
        char *to = s->gathered[i];
        if (!to) continue;
        s->window[i].data = to;
        for (int64_t k = 0; size && k < s->rows; k++, to += size)
            memcpy(to, (const char *)all->data + (size_t)d->order[begin + k] * size, size);
    }
}

static void bind_batch(struct descent *d, struct stage *s, int64_t begin) {
    const struct rows *rows = &d->m->o.rows;
    for (uint32_t i = 0; i < rows->n_bindings; i++) {
        const struct tensor *all = &rows->bindings[i].all;
        if (s->input[i] == UINT32_MAX) continue;
        if (!s->gathered[i])
            s->window[i].data =
                (char *)all->data + (size_t)begin * (tensor_bytes(all) / (size_t)rows->n);
        loop_bind(s->loop, s->input[i], &s->window[i]);
    }
}

struct stage *rows_bind(struct descent *d, int64_t step) {
    if (!d->by_batches) return d->stages;
    const int64_t batch = step % d->batches, begin = batch * d->stages[0].rows;
    struct stage *s = &d->stages[d->n_stages == 2 && batch == d->batches - 1];
    if (d->shuffles && batch == 0) shuffle(d, step / d->batches);
    if (d->shuffles) gather(d, s, begin);
    bind_batch(d, s, begin);
    return s;
}

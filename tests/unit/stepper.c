/* Steps for tests: a tape, a plan and a run each. Knows no method. */
#include "tests/unit/stepper.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/optimizer.h"

static struct tensor copy_of(struct arena *arena, const struct tensor *t) {
    struct tensor copy = *t;
    copy.data = arena_alloc_tensor(arena, tensor_bytes(t));
    assert_non_null(copy.data);
    memcpy(copy.data, t->data, tensor_bytes(t));
    return copy;
}

static void set(const struct tensor *t, int64_t i, double value) {
    if (t->dtype == DTYPE_F32) ((float *)t->data)[i] = (float)value;
    if (t->dtype == DTYPE_F64) ((double *)t->data)[i] = value;
    if (t->dtype == DTYPE_I64) ((int64_t *)t->data)[i] = (int64_t)value;
}

double element(const struct tensor *t, int64_t i) {
    if (t->dtype == DTYPE_F32) return (double)((float *)t->data)[i];
    if (t->dtype == DTYPE_F64) return ((double *)t->data)[i];
    return (double)((int64_t *)t->data)[i];
}

static struct tensor filled(struct arena *arena, const struct optimizer_slot *slot) {
    struct tensor t = {slot->dtype, slot->shape, NULL};
    t.data = arena_alloc_tensor(arena, tensor_bytes(&t));
    assert_non_null(t.data);
    for (int64_t i = 0; i < shape_count(&t.shape); i++) set(&t, i, slot->initial);
    return t;
}

void stepper_begin(struct stepper *s, const struct optimizer_config *config,
                   const char *const *names, const struct tensor *values, size_t n) {
    *s = (struct stepper){.config = *config, .n = n, .nodes = 1000000, .memory = 64 << 20};
    arena_init(&s->arena, 64 << 20);
    s->cache = plan_cache_new(16, 16 << 20, 1);
    s->variables = arena_alloc(&s->arena, n * sizeof *s->variables);
    s->values = arena_alloc(&s->arena, n * sizeof *s->values);
    assert_true(s->cache && s->variables && s->values);
    for (size_t i = 0; i < n; i++) {
        s->values[i] = copy_of(&s->arena, &values[i]);
        s->variables[i] =
            (struct optimizer_variable){arena_copy_text(&s->arena, names[i], strlen(names[i])),
                                        values[i].dtype, values[i].shape};
    }
    s->slots = optimizer_slots(config, s->variables, n, pattern_matches, &s->arena, &s->n_slots);
    s->state = arena_alloc(&s->arena, s->n_slots * sizeof *s->state);
    assert_true(s->slots && s->state);
    for (size_t i = 0; i < s->n_slots; i++)
        s->state[i] = s->slots[i].copies ? copy_of(&s->arena, &values[s->slots[i].variable])
                                         : filled(&s->arena, &s->slots[i]);
}

static struct shape with_lead(const struct shape *s, int64_t n) {
    struct shape out = {.rank = s->rank + 1, .dim = {n}};
    memcpy(out.dim + 1, s->dim, (size_t)s->rank * sizeof *s->dim);
    return out;
}

static void repeat(struct arena *arena, struct tensor *t, int64_t n) {
    struct tensor all = {t->dtype, with_lead(&t->shape, n), NULL};
    all.data = arena_alloc_tensor(arena, tensor_bytes(&all));
    assert_non_null(all.data);
    for (int64_t i = 0; i < n; i++)
        memcpy((char *)all.data + (size_t)i * tensor_bytes(t), t->data, tensor_bytes(t));
    *t = all;
}

void stepper_repeat(struct stepper *s, int64_t batch) {
    s->batch = batch;
    for (size_t i = 0; i < s->n; i++) repeat(&s->arena, &s->values[i], batch);
    for (size_t i = 0; i < s->n_slots; i++) repeat(&s->arena, &s->state[i], batch);
}

/* What is bound in a step: nodes, those in their place with a leading axis, and their tensors. */
struct bound {
    node_id *node, *batched;
    const struct tensor **value;
    size_t n;
};

static node_id bind(struct tape *t, struct bound *b, const struct tensor *value,
                    const struct shape *shape) {
    const node_id node = tape_input(t, value->dtype, shape);
    b->node[b->n] = node;
    b->value[b->n++] = value;
    return node;
}

static const struct tensor *value_of(const struct bound *b, const struct optimizer_step *step,
                                     struct tensor *numbers, node_id node) {
    for (size_t i = 0; i < b->n; i++)
        if (b->node[i] == node || (b->batched && b->batched[i] == node)) return b->value[i];
    for (size_t i = 0; i < step->n_numbers; i++)
        if (step->numbers[i].node == node) return &numbers[i];
    fail_msg("node %u is an input that nobody bound", node);
    return NULL;
}

static struct tensor *bind_numbers(const struct tape *t, const struct optimizer_step *step) {
    struct tensor *numbers = arena_alloc(t->arena, step->n_numbers * sizeof *numbers);
    if (!numbers) return NULL;
    for (size_t i = 0; i < step->n_numbers; i++) {
        numbers[i] = (struct tensor){tape_dtype(t, step->numbers[i].node), {0}, NULL};
        if (!(numbers[i].data = arena_alloc(t->arena, 8))) return NULL;
        set(&numbers[i], 0, step->numbers[i].value);
    }
    return numbers;
}

/* Replaces what was wanted by its value with a leading axis. */
static bool batch_all(struct tape *t, struct bound *b, node_id *wanted, size_t n) {
    b->batched = arena_alloc(t->arena, b->n * sizeof *b->batched);
    node_id *images = arena_alloc(t->arena, n * sizeof *images);
    if (!b->batched || !images) return tape_fail_memory(t, "the test");
    for (size_t i = 0; i < b->n; i++)
        b->batched[i] = tape_input(t, b->value[i]->dtype, &b->value[i]->shape);
    if (!tape_batch(t, b->node, b->batched, b->n, wanted, n, images)) return false;
    memcpy(wanted, images, n * sizeof *images);
    return true;
}

static bool run(struct stepper *s, struct tape *t, struct bound *b, struct optimizer_step *step,
                node_id *wanted) {
    const size_t n = s->n + s->n_slots;
    const node_id *inputs;
    size_t n_inputs;
    if (s->batch && !batch_all(t, b, wanted, n)) return false;
    struct tensor *numbers = bind_numbers(t, step);
    struct plan *plan = plan_get(s->cache, t, wanted, n, &inputs, &n_inputs, t->arena, t->error);
    if (!plan) return false;
    const struct tensor **values = arena_alloc(t->arena, n_inputs * sizeof *values);
    const bool room = (numbers && values) || tape_fail_memory(t, "the test");
    for (size_t i = 0; room && i < n_inputs; i++) values[i] = value_of(b, step, numbers, inputs[i]);
    struct run *r = room ? plan_run(plan, values, NULL, t->error) : NULL;
    for (size_t i = 0; r && i < n; i++) {
        const struct tensor result = run_result(r, i);
        struct tensor *kept = i < s->n ? &s->values[i] : &s->state[i - s->n];
        assert_true(shape_equal(&result.shape, &kept->shape) && result.dtype == kept->dtype);
        *kept = copy_of(&s->arena, &result); /* what was before may be read by other results */
    }
    if (r) run_end(r);
    plan_release(plan);
    return r != NULL;
}

static bool step_on(struct stepper *s, struct tape *t, const struct tensor *gradients,
                    size_t n_gradients, const uint32_t *of) {
    const size_t n = s->n + s->n_slots;
    node_id *nodes = arena_alloc(t->arena, n * sizeof *nodes);
    node_id *gradient = arena_alloc(t->arena, n_gradients * sizeof *gradient);
    uint32_t *variable = arena_alloc(t->arena, n_gradients * sizeof *variable);
    struct bound b = {.node = arena_alloc(t->arena, (n + n_gradients) * sizeof *b.node),
                      .value = arena_alloc(t->arena, (n + n_gradients) * sizeof *b.value)};
    if (!nodes || !gradient || !variable || !b.node || !b.value)
        return tape_fail_memory(t, "the test");
    for (size_t i = 0; i < s->n; i++) nodes[i] = bind(t, &b, &s->values[i], &s->variables[i].shape);
    for (size_t i = 0; i < s->n_slots; i++)
        nodes[s->n + i] = bind(t, &b, &s->state[i], &s->slots[i].shape);
    struct optimizer_step step = {.tape = t,
                                  .config = &s->config,
                                  .matches = pattern_matches,
                                  .n = s->n,
                                  .variables = s->variables,
                                  .value = nodes,
                                  .slots = s->slots,
                                  .n_slots = s->n_slots,
                                  .slot = nodes + s->n,
                                  .gradient = gradient,
                                  .of = variable};
    for (size_t i = 0; i < n_gradients; i++) {
        if (!gradients[i].data) continue;
        variable[step.n_gradients] = of ? of[i] : (uint32_t)i;
        gradient[step.n_gradients] =
            bind(t, &b, &gradients[i], &s->variables[variable[step.n_gradients]].shape);
        step.n_gradients++;
    }
    const bool ok = optimizer_apply(&step);
    s->emitted = t->count;
    assert_int_equal(ok, tape_ok(t));
    return ok && run(s, t, &b, &step, nodes);
}

bool stepper_step(struct stepper *s, const struct tensor *gradients, size_t n_gradients,
                  const uint32_t *of) {
    struct arena arena;
    struct tape tape;
    arena_init(&arena, s->memory);
    error_clear(&s->error);
    tape_init(&tape, &arena, &s->error, (struct tape_limits){s->nodes, 1 << 27, 1000000000});
    const bool ok = step_on(s, &tape, gradients, n_gradients, of);
    arena_free(&arena);
    return ok;
}

void stepper_end(struct stepper *s) {
    plan_cache_free(s->cache);
    arena_free(&s->arena);
}

const struct tensor *stepper_slot(const struct stepper *s, uint32_t part, const char *variable,
                                  const char *name) {
    for (size_t i = 0; i < s->n_slots; i++) {
        const struct optimizer_slot *slot = &s->slots[i];
        const char *owner =
            slot->variable == OPTIMIZER_ITSELF ? "" : s->variables[slot->variable].name;
        if (slot->part == part && strcmp(owner, variable) == 0 && strcmp(slot->name, name) == 0)
            return &s->state[i];
    }
    fail_msg("part %u has no slot \"%s\" of \"%s\"", part, name, variable);
    return NULL;
}

/* ---- what steps are made of and compared with ---------------------------------------------------- */

struct tensor vector(double *x, int64_t n) {
    return (struct tensor){DTYPE_F64, {.rank = 1, .dim = {n}}, x};
}
struct tensor matrix(double *x, int64_t rows, int64_t columns) {
    return (struct tensor){DTYPE_F64, {.rank = 2, .dim = {rows, columns}}, x};
}
struct tensor scalar(double *x) {
    return (struct tensor){DTYPE_F64, {0}, x};
}

void config_set(struct optimizer_config *c, const char *name, double value) {
    const struct setting *own = c->optimizer->settings;
    if (strcmp(name, "learning_rate") == 0) {
        c->learning_rate = value;
        return;
    }
    for (size_t i = 0; own[i].name; i++)
        if (strcmp(own[i].name, name) == 0) {
            c->own[i] = value;
            return;
        }
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (strcmp(optimizer_common[i].name, name) == 0) {
            c->common[i] = value;
            return;
        }
    fail_msg("%s has no setting \"%s\"", c->optimizer->name, name);
}

struct optimizer_config config_of(const char *name, const struct named *settings) {
    struct optimizer_config c;
    const struct optimizer *o = optimizer_find(name);
    if (!o) fail_msg("there is no optimizer \"%s\"", name);
    optimizer_defaults(o, &c);
    for (size_t i = 0; i < NAMED_MOST && settings[i].name; i++)
        config_set(&c, settings[i].name, settings[i].value);
    return c;
}

void must_step(struct stepper *s, const struct tensor *gradients, size_t n) {
    if (!stepper_step(s, gradients, n, NULL)) fail_msg("%s", s->error.detail);
}

void assert_near(const char *title, double found, double wanted, double within) {
    if (!(fabs(found - wanted) <= within))
        fail_msg("%s: %.15g where %.15g is wanted", title, found, wanted);
}

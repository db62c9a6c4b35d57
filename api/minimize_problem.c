/* The graph as a problem of numbers: which nodes answer it, the plans that compute them, and how their
 * results become vectors and a matrix. How it is solved is not known here. */
#include <string.h>

#include "api/minimize_method.h"

/* ---- nodes --------------------------------------------------------------------------------------- */

static bool differentiate_loss(struct method_run *r, const node_id *sources) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    size_t missing = 0;
    if (!tape_gradient(&o->b.tape, &m->window, &m->loss, NULL, 1, sources, m->n, r->gradient))
        return false;
    for (size_t i = 0; i < m->n; i++) missing += r->gradient[i] == NODE_NONE;
    if (missing == m->n)
        return error_set(o->error, ERROR_MISSING_GRADIENT,
                         "No gradients provided for any variable.");
    for (size_t i = 0; i < m->n; i++) {
        if (r->gradient[i] != NODE_NONE) continue;
        if (!oneshot_warn(o, "missing_gradient", "",
                          "the loss does not depend on \"%.80s\", or not differentiably",
                          m->moving[i].name))
            return false;
    }
    return true;
}

static bool differentiate_constraints(struct method_run *r, const node_id *sources) {
    struct minimize *m = r->m;
    for (size_t i = 0; i < r->n_constraints; i++) {
        if (!tape_jacobian(&m->o.b.tape, &m->window, r->constraints[i].value, sources, m->n,
                           r->jacobian + i * m->n))
            return false;
    }
    return true;
}

/* Products of the Hessian with a vector that is bound late. */
static bool differentiate_twice(struct method_run *r, const node_id *sources) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    node_id *vector = arena_alloc(&o->arena, (m->n + 1) * sizeof *vector);
    r->vector = arena_alloc(&o->arena, (m->n + 1) * sizeof *r->vector);
    r->product = arena_alloc(&o->arena, (m->n + 1) * sizeof *r->product);
    if (!vector || !r->vector || !r->product) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) {
        const struct tensor *like = &r->flat.tensors[i];
        if (!flat_tensor(m, like->dtype, &like->shape, &r->vector[i]) ||
            !oneshot_keep_late(o, &r->vector[i], &vector[i]))
            return false;
    }
    return tape_hvp(&o->b.tape, &m->window, r->gradient, sources, m->n, sources, vector, m->n,
                    r->product);
}

/* ---- plans --------------------------------------------------------------------------------------- */

static size_t add_present(const node_id *nodes, size_t n, node_id *wanted, size_t at) {
    for (size_t i = 0; i < n; i++)
        if (nodes[i] != NODE_NONE) wanted[at++] = nodes[i];
    return at;
}

static bool ask(struct method_run *r, const node_id *wanted, size_t n, struct question *q) {
    struct minimize *m = r->m;
    const node_id *inputs;
    size_t n_inputs;
    q->plan = oneshot_plan(&m->o, wanted, n, &q->bound, &inputs, &n_inputs);
    if (q->plan) flat_bind(m, &r->flat, inputs, n_inputs, q->bound);
    return q->plan;
}

static bool make_plans(struct method_run *r) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    const size_t most = 1 + r->n_constraints + m->n + r->n_constraints * m->n;
    node_id *wanted = arena_alloc(&o->arena, most * sizeof *wanted);
    if (!wanted) return build_fail_memory(&o->b);
    size_t n = 0;
    wanted[n++] = m->loss;
    for (size_t i = 0; i < r->n_constraints; i++) wanted[n++] = r->constraints[i].value;
    if (!ask(r, wanted, n, &r->values)) return false;
    if (!(r->method->takes & SOLVE_GRADIENT)) return true;
    n = add_present(r->gradient, m->n, wanted, n);
    n = add_present(r->jacobian, r->n_constraints * m->n, wanted, n);
    if (!ask(r, wanted, n, &r->derivatives)) return false;
    return !r->product || ask(r, wanted, add_present(r->product, m->n, wanted, 0), &r->products);
}

/* ---- numbers ------------------------------------------------------------------------------------- */

/* The clock is looked at here: what a method does between two points may take longer than many runs. */
static struct run *run(struct method_run *r, const struct question *q) {
    struct oneshot *o = &r->m->o;
    return oneshot_in_time(o) ? oneshot_run(o, q->plan, q->bound) : NULL;
}

/* Result *at, which is there where `node` is, as doubles; else zeros. */
static void take(const struct run *run, node_id node, size_t count, size_t *at, double *out) {
    if (node == NODE_NONE) {
        memset(out, 0, count * sizeof *out);
        return;
    }
    const struct tensor t = run_result(run, (*at)++);
    flat_load(&t, out);
}

static size_t count_of(const struct method_run *r, size_t i) {
    return (size_t)shape_count(&r->m->moving[i].start.shape);
}

static void take_derivatives(struct method_run *r, const struct run *run, size_t at,
                             struct solve_values *out) {
    const struct minimize *m = r->m;
    const size_t n = r->flat.n;
    for (size_t k = 0; k < m->n; k++)
        take(run, r->gradient[k], count_of(r, k), &at, out->g + r->flat.offset[k]);
    for (size_t i = 0; i < r->n_constraints; i++) {
        const struct constraint *c = &r->constraints[i];
        for (size_t k = 0; k < m->n; k++) {
            const size_t columns = count_of(r, k);
            take(run, r->jacobian[i * m->n + k], c->count * columns, &at, r->block);
            for (size_t row = 0; row < c->count && columns; row++)
                memcpy(out->J + (c->first + row) * n + r->flat.offset[k], r->block + row * columns,
                       columns * sizeof *r->block);
        }
    }
}

static bool evaluate(void *data, const double *x, bool derivatives, struct solve_values *out) {
    struct method_run *r = data;
    if (!method_commit(r)) return false;
    flat_store(&r->flat, r->m->n, x);
    struct run *ran = run(r, derivatives ? &r->derivatives : &r->values);
    if (!ran) return false;
    size_t at = 0;
    take(ran, r->m->loss, 1, &at, &out->f);
    for (size_t i = 0; i < r->n_constraints; i++) {
        const struct constraint *c = &r->constraints[i];
        take(ran, c->value, c->count, &at, out->c + c->first);
    }
    if (derivatives) take_derivatives(r, ran, at, out);
    run_end(ran);
    return true;
}

static bool multiply(void *data, const double *x, const double *v, double *Hv) {
    struct method_run *r = data;
    flat_store(&r->flat, r->m->n, x);
    for (size_t k = 0; k < r->m->n; k++) flat_round(v + r->flat.offset[k], &r->vector[k]);
    struct run *ran = run(r, &r->products);
    if (!ran) return false;
    size_t at = 0;
    for (size_t k = 0; k < r->m->n; k++)
        take(ran, r->product[k], count_of(r, k), &at, Hv + r->flat.offset[k]);
    run_end(ran);
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static bool make_room(struct method_run *r) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    const size_t blocks = (r->n_constraints + 1) * m->n;
    size_t widest = 1;
    for (size_t i = 0; i < r->n_constraints; i++) {
        const struct constraint *c = &r->constraints[i];
        if (c->count > widest) widest = c->count;
        for (size_t k = 0; k < m->n && r->method->takes & SOLVE_GRADIENT; k++)
            if (c->count * count_of(r, k) > widest) widest = c->count * count_of(r, k);
    }
    r->gradient = arena_alloc(&o->arena, (blocks + 1) * sizeof *r->gradient);
    r->block = arena_alloc(&o->arena, widest * sizeof *r->block);
    if (!r->gradient || !r->block) return build_fail_memory(&o->b);
    r->jacobian = r->gradient + m->n;
    return true;
}

bool problem_begin(struct method_run *r) {
    struct minimize *m = r->m;
    struct oneshot *o = &m->o;
    const unsigned takes = r->method->takes;
    node_id *sources = arena_alloc(&o->arena, (m->n + 1) * sizeof *sources);
    if (!make_room(r)) return false;
    if (!sources) return build_fail_memory(&o->b);
    for (size_t i = 0; i < m->n; i++) sources[i] = m->moving[i].node;
    if (takes & SOLVE_GRADIENT &&
        !(differentiate_loss(r, sources) && differentiate_constraints(r, sources)))
        return false;
    if (takes & SOLVE_PRODUCT && !differentiate_twice(r, sources)) return false;
    r->problem.n = r->flat.n;
    r->problem.lower = r->flat.lower;
    r->problem.upper = r->flat.upper;
    r->problem.evaluate = evaluate;
    r->problem.product = multiply;
    r->problem.data = r;
    return make_plans(r);
}

void problem_end(struct method_run *r) {
    plan_release(r->values.plan);
    plan_release(r->derivatives.plan);
    plan_release(r->products.plan);
}

double problem_work(const struct method_run *r) {
    enum { PRODUCTS = 20 }; /* a step of truncated conjugate gradients takes about so many, or n */
    const size_t products = r->flat.n < PRODUCTS ? r->flat.n + 1 : PRODUCTS;
    double work = (double)plan_work(r->values.plan);
    if (r->derivatives.plan) work += (double)plan_work(r->derivatives.plan);
    if (r->products.plan) work += (double)products * (double)plan_work(r->products.plan);
    return work;
}

/* What a fit answers: how it ended, how good it is, and how well its variables are determined. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/least_squares.h"

/* ---- warnings ------------------------------------------------------------------------------------ */

static bool warn_of_bounds(struct fitting *t) {
    for (size_t i = 0; i < t->m.n; i++) {
        const struct moving *v = &t->m.moving[i];
        const int64_t n = shape_count(&v->start.shape);
        int64_t held = 0;
        for (int64_t j = 0; j < n; j++) held += t->result.held[t->flat.offset[i] + (size_t)j];
        if (held && !oneshot_warn(&t->m.o, "on_bound", "/bounds",
                                  n == 1 ? "\"%.80s\" ends on a bound: it counts as fixed and has "
                                           "no standard error"
                                         : "\"%.80s\" ends on a bound with %" PRId64
                                           " of its elements: they count as fixed and have no "
                                           "standard errors",
                                  v->name, held))
            return false;
    }
    return true;
}

bool fitting_warn(struct fitting *t) {
    const struct least_squares_covariance *c = &t->covariance;
    if (!warn_of_bounds(t)) return false;
    if (c->rank < c->n_free &&
        !oneshot_warn(&t->m.o, "rank_deficient", "",
                      "the Jacobian has rank %" PRId64 " of %" PRId64
                      ": what the data do not determine has no standard error",
                      c->rank, c->n_free))
        return false;
    return c->degrees_of_freedom > 0 ||
           oneshot_warn(
               &t->m.o, "no_degrees_of_freedom", "",
               "the observations leave no degrees of freedom: there are no standard errors");
}

/* ---- numbers ------------------------------------------------------------------------------------- */

static void write_number(const struct fitting *t, struct writer *out, double x) {
    const float single = (float)x;
    const struct tensor one = {.dtype = t->dtype,
                               .data = t->dtype == DTYPE_F32 ? (void *)&single : (void *)&x};
    if (isnan(x))
        write_text(out, "null");
    else
        write_tensor(out, &one, FORMAT_NESTED);
}

static void write_nested(const struct fitting *t, struct writer *out, const struct shape *shape,
                         int axis, const double **x) {
    if (axis == shape->rank) {
        write_number(t, out, *(*x)++);
        return;
    }
    write_text(out, "[");
    for (int64_t i = 0; i < shape->dim[axis]; i++) {
        if (i) write_text(out, ",");
        write_nested(t, out, shape, axis + 1, x);
    }
    write_text(out, "]");
}

/* Doubles in the dtype of the residuals: null, or in a typed format NaN, where there is no number. They are
 * rounded in their own place. */
static void write_numbers(const struct fitting *t, struct writer *out, const struct shape *shape,
                          double *x) {
    const enum tensor_format format = t->m.o.request.tensor_format;
    const double *at = x;
    if (format == FORMAT_NESTED) {
        write_nested(t, out, shape, 0, &at);
        return;
    }
    const struct tensor all = {.dtype = t->dtype, .shape = *shape, .data = x};
    for (int64_t i = 0, n = shape_count(shape); t->dtype == DTYPE_F32 && i < n; i++) {
        const float single = (float)x[i];
        memcpy((char *)x + (size_t)i * sizeof single, &single, sizeof single);
    }
    write_tensor(out, &all, format);
}

/* The residuals as they were named. */
static void write_residuals(const struct fitting *t, struct writer *out, const struct value *v,
                            double **r) {
    const bool object = v->kind == VALUE_OBJECT;
    if (v->kind == VALUE_NODE) {
        const struct shape *shape = tape_shape(&t->m.o.b.tape, v->node);
        const int64_t n = shape_count(shape);
        write_numbers(t, out, shape, *r);
        *r += n;
        return;
    }
    write_text(out, object ? "{" : "[");
    for (uint32_t i = 0; i < v->n; i += object ? 2 : 1) {
        if (i) write_text(out, ",");
        if (object) {
            write_string(out, v->items[i].string);
            write_text(out, ":");
        }
        write_residuals(t, out, &v->items[object ? i + 1 : i], r);
    }
    write_text(out, object ? "}" : "]");
}

static void write_member(const struct fitting *t, struct writer *out, const char *name, double x) {
    write_text(out, ",\"");
    write_text(out, name);
    write_text(out, "\":");
    write_number(t, out, x);
}

/* ---- what stands first ------------------------------------------------------------------------------ */

static void write_message(const struct fitting *t, struct writer *out) {
    char text[160];
    const struct least_squares_problem *p = &t->problem;
    const char *status = "the run was ended before";
    if (t->m.status == MINIMIZE_MAX_STEPS)
        status = "the most steps were taken before a test was met";
    if (t->m.status == MINIMIZE_NON_FINITE)
        status = "the residuals or their derivatives are not finite at the start";
    if (t->m.status == MINIMIZE_DEADLINE) status = "the deadline passed before a test was met";
    snprintf(text, sizeof text, "%s", status);
    if (t->m.status == MINIMIZE_CONVERGED) {
        if (t->result.test == TEST_FTOL)
            snprintf(
                text, sizeof text,
                "ftol: the model could lessen the cost by no more than %g of it, or than rounding",
                p->ftol);
        if (t->result.test == TEST_XTOL)
            snprintf(text, sizeof text,
                     "xtol: the next step would be no longer than %g of the variables", p->xtol);
        if (t->result.test == TEST_GTOL)
            snprintf(text, sizeof text,
                     "gtol: the residuals' cosine with each column of the Jacobian is at most %g",
                     p->gtol);
        if (t->result.test == TEST_ZERO) snprintf(text, sizeof text, "the cost is 0");
    }
    write_string(out, text);
}

void fitting_head(struct minimize *m, struct writer *out) {
    const struct fitting *t = m->own;
    write_text(out, ",\"message\":");
    write_message(t, out);
    write_text(out, ",\"iterations\":");
    write_int(out, m->done);
    write_text(out, ",\"evaluations\":");
    write_int(out, t->evaluations);
    write_member(t, out, "cost", t->landings[t->best].cost);
}

/* ---- how well the variables are determined ----------------------------------------------------------- */

static void write_standard_errors(struct fitting *t, struct writer *out) {
    write_text(out, ",\"standard_errors\":");
    if (!t->has_covariance) {
        write_text(out, "null");
        return;
    }
    for (size_t i = 0; i < t->m.n; i++) {
        const struct moving *v = &t->m.moving[i];
        write_text(out, i ? "," : "{");
        write_string(out, v->name);
        write_text(out, ":");
        write_numbers(t, out, &v->start.shape, t->covariance.standard_errors + t->flat.offset[i]);
    }
    write_text(out, "}");
}

/* The names of a variable's elements: x, or x[0], x[1], ..., x[1,2]. */
static void write_elements(struct writer *out, const struct moving *v, bool first) {
    const struct shape *shape = &v->start.shape;
    int64_t index[RANK_MAX] = {0};
    for (int64_t i = 0, n = shape_count(shape); i < n; i++) {
        if (!first || i) write_text(out, ",");
        write_text(out, "\"");
        write_text(out, v->name);
        for (int k = 0; k < shape->rank; k++) {
            write_text(out, k ? "," : "[");
            write_int(out, index[k]);
        }
        write_text(out, shape->rank ? "]\"" : "\"");
        for (int k = shape->rank; k-- > 0;) {
            if (++index[k] < shape->dim[k]) break;
            index[k] = 0;
        }
    }
}

static void write_covariance(struct fitting *t, struct writer *out) {
    const int64_t n = t->problem.n;
    const struct shape square = {.rank = 2, .dim = {n, n}};
    write_text(out, ",\"parameters\":[");
    for (size_t i = 0; i < t->m.n; i++)
        write_elements(out, &t->m.moving[i], t->flat.offset[i] == 0);
    write_text(out, "],\"covariance\":");
    if (t->has_covariance)
        write_numbers(t, out, &square, t->covariance.matrix);
    else
        write_text(out, "null");
    write_text(out, ",\"degrees_of_freedom\":");
    if (t->has_covariance)
        write_int(out, t->covariance.degrees_of_freedom);
    else
        write_text(out, "null");
}

/* ---- starts ------------------------------------------------------------------------------------------ */

static void write_landings(const struct fitting *t, struct writer *out) {
    write_text(out, ",\"best\":");
    write_int(out, t->best);
    write_text(out, ",\"starts\":{\"cost\":[");
    for (int64_t s = 0; s < t->n_starts; s++) {
        if (s) write_text(out, ",");
        write_number(t, out, t->landings[s].cost);
    }
    write_text(out, "],\"status\":[");
    for (int64_t s = 0; s < t->n_starts; s++) {
        if (s) write_text(out, ",");
        write_string(out, minimize_status_names[t->landings[s].status]);
    }
    write_text(out, "],\"iterations\":[");
    for (int64_t s = 0; s < t->n_starts; s++) {
        if (s) write_text(out, ",");
        write_int(out, t->landings[s].iterations);
    }
    write_text(out, "],\"variables\":{");
}

bool fitting_gather(struct fitting *t) {
    struct minimize *m = &t->m;
    for (size_t i = 0; t->n_starts && i < m->n; i++) {
        struct tensor *all = &t->starts[i], one = m->moving[i].end;
        struct shape shape = {.rank = one.shape.rank + 1, .dim = {t->n_starts}};
        if (!all->data && one.shape.rank == RANK_MAX)
            return error_set(m->o.error, ERROR_GRAPH_TOO_LARGE,
                             "starts need an axis more than the %d that a tensor may have",
                             RANK_MAX);
        for (int k = 0; k < one.shape.rank; k++) shape.dim[k + 1] = one.shape.dim[k];
        if (!all->data && !flat_tensor(m, one.dtype, &shape, all)) return false;
        for (int64_t s = 0; s < t->n_starts; s++) {
            one.data = (char *)all->data + (size_t)s * tensor_bytes(&one);
            flat_round(t->ends + (size_t)s * t->flat.n + t->flat.offset[i], &one);
        }
    }
    return true;
}

static void write_starts(const struct fitting *t, struct writer *out) {
    write_landings(t, out);
    for (size_t i = 0; i < t->m.n; i++) {
        if (i) write_text(out, ",");
        write_string(out, t->m.moving[i].name);
        write_text(out, ":");
        write_tensor(out, &t->starts[i], t->m.o.request.tensor_format);
    }
    write_text(out, "}}");
}

void fitting_write(struct minimize *m, struct writer *out) {
    struct fitting *t = m->own;
    double *r = t->result.r;
    write_standard_errors(t, out);
    write_covariance(t, out);
    write_member(t, out, "residual_sum_of_squares", t->result.rss);
    write_text(out, ",\"residuals\":");
    write_residuals(t, out, &t->residuals, &r);
    if (t->n_starts) write_starts(t, out);
}

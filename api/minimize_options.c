/* The members of a minimisation that need no graph. Which of them go together is said here; what they
 * mean to a method is not. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/minimize.h"
#include "api/place.h"

enum { BATCH_SIZE = 32 /* as Keras' fit has it */ };

static bool fail_number(struct minimize *m, const struct json *v, const char *name,
                        const char *wants) {
    struct error *error = m->o.error;
    const bool number = json_type(v) == JSON_NUMBER;
    size_t n = 0;
    const char *text = number ? json_text(v, &n) : json_type_name(v);
    error_set(error, number ? ERROR_INVALID_VALUE : ERROR_INVALID_REQUEST,
              "expected %s, found %.*s", wants, number ? n < 40 ? (int)n : 40 : 40, text);
    return error_under(error, name);
}

bool minimize_int(struct minimize *m, const struct json *v, const char *name, int64_t least,
                  int64_t *out) {
    char wants[64];
    if (!v) return true;
    if (json_type(v) == JSON_NUMBER && json_int(v, out) && *out >= least) return true;
    snprintf(wants, sizeof wants, "a whole number of at least %" PRId64, least);
    return fail_number(m, v, name, wants);
}

bool minimize_steps_within(struct minimize *m, int64_t steps) {
    const int64_t most = m->o.call->limits->max_steps;
    if (steps <= most) return true;
    error_set(m->o.error, ERROR_TOO_MUCH_WORK,
              "asked for %" PRId64 " steps; the limit is %" PRId64 " (max_steps)", steps, most);
    return error_under(m->o.error, m->o.request.epochs ? "epochs" : "steps");
}

bool minimize_bool(struct minimize *m, const struct json *v, const char *name, bool *out) {
    if (!v) return true;
    if (json_type(v) == JSON_BOOL) return *out = json_bool(v), true;
    error_set(m->o.error, ERROR_INVALID_REQUEST, "expected true or false, found %s",
              json_type_name(v));
    return error_under(m->o.error, name);
}

bool minimize_number(struct minimize *m, const struct json *v, const char *name, double *out) {
    if (!v) return true;
    if (json_type(v) == JSON_NUMBER && json_double(v, out) && *out >= 0 && isfinite(*out))
        return true;
    return fail_number(m, v, name, "a number of at least 0");
}

/* ---- stop --------------------------------------------------------------------------------------- */

static bool read_max_seconds(struct minimize *m, const struct json *v) {
    struct request *r = &m->o.request;
    double seconds;
    if (json_type(v) != JSON_NUMBER || !json_double(v, &seconds) || !(seconds > 0))
        return fail_number(m, v, json_key(v), "a number of seconds above 0");
    if (seconds > 1e9) return true;
    const int64_t deadline = clock_now() + (int64_t)(seconds * 1e9);
    if (!r->deadline || deadline < r->deadline) r->deadline = deadline;
    return true;
}

/* A rule of "stop", and which requests have it. */
enum { OF_OPTIMIZER = 1, OF_METHOD = 2, OF_LEAST_SQUARES = 4 };
struct rule {
    const char *name;
    double *out; /* NULL: max_seconds */
    unsigned of;
};

static bool fail_rule(struct minimize *m, const char *key, const struct rule *rules, size_t n,
                      unsigned of) {
    const char *accepted[16];
    char list[160] = "";
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(rules[i].of & of)) continue;
        accepted[count++] = rules[i].name;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", rules[i].name);
    }
    const char *near = name_nearest(key, accepted, count);
    error_set(m->o.error, ERROR_INVALID_REQUEST, "unknown member \"%.60s\"; %s%s%sccepted: %s", key,
              near ? "did you mean \"" : "", near ? near : "", near ? "\"? A" : "a", list);
    return error_under(m->o.error, key);
}

static bool read_rule(struct minimize *m, const struct json *v) {
    struct minimize_stop *stop = &m->stop;
    const struct rule rules[] = {
        {"grad_norm", &stop->grad_norm, OF_OPTIMIZER | OF_METHOD},
        {"loss_change", &stop->loss_change, OF_OPTIMIZER | OF_METHOD},
        {"variable_change", &stop->variable_change, OF_OPTIMIZER | OF_METHOD},
        {"ftol_rel", &stop->ftol_rel, OF_METHOD},
        {"xtol_rel", &stop->xtol_rel, OF_METHOD},
        {"catol", &stop->catol, OF_METHOD},
        {"ftol", &stop->ftol, OF_LEAST_SQUARES},
        {"xtol", &stop->xtol, OF_LEAST_SQUARES},
        {"gtol", &stop->gtol, OF_LEAST_SQUARES},
        {"max_seconds", NULL, OF_OPTIMIZER | OF_METHOD | OF_LEAST_SQUARES}};
    const size_t n = sizeof rules / sizeof *rules;
    const unsigned of = m->o.request.route & ROUTES_LEAST_SQUARES ? OF_LEAST_SQUARES
                        : m->o.request.method                     ? OF_METHOD
                                                                  : OF_OPTIMIZER;
    for (size_t i = 0; i < n; i++) {
        if (!(rules[i].of & of) || strcmp(json_key(v), rules[i].name) != 0) continue;
        return rules[i].out ? minimize_number(m, v, rules[i].name, rules[i].out)
                            : read_max_seconds(m, v);
    }
    return fail_rule(m, json_key(v), rules, n, of);
}

static bool read_stop(struct minimize *m) {
    const struct json *stop = m->o.request.stop;
    m->stop = (struct minimize_stop){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (!stop) return true;
    if (json_type(stop) != JSON_OBJECT) {
        error_set(m->o.error, ERROR_INVALID_REQUEST, "expected an object, found %s",
                  json_type_name(stop));
        return error_under(m->o.error, "stop");
    }
    for (const struct json *v = json_first(stop); v; v = json_next(v))
        if (!read_rule(m, v)) return error_under(m->o.error, "stop");
    return true;
}

/* ---- what goes together -------------------------------------------------------------------------- */

static bool fail_together(struct minimize *m, const char *name, const char *words) {
    error_set(m->o.error, ERROR_INVALID_REQUEST, "\"%s\" %s", name, words);
    return error_under(m->o.error, name);
}

static bool check_together(struct minimize *m) {
    const struct request *r = &m->o.request;
    const struct {
        const char *name;
        const struct json *v;
        bool of_method;
    } members[] = {{"optimizer", r->optimizer, false},
                   {"batch_size", r->batch_size, false},
                   {"shuffle_seed", r->shuffle_seed, false},
                   {"epochs", r->epochs, false},
                   {"non_finite", r->non_finite, false},
                   {"return_state", r->return_state, false},
                   {"bounds", r->bounds, true},
                   {"constraints", r->constraints, true}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!members[i].v || members[i].of_method == (r->method != NULL)) continue;
        return fail_together(m, members[i].name,
                             members[i].of_method ? "goes with a \"method\", not with an optimizer"
                             : members[i].v == r->optimizer
                                 ? "and \"method\" exclude each other; both were sent"
                                 : "goes with an optimizer, not with a \"method\"");
    }
    const struct json *needs_rows[] = {r->batch_size, r->shuffle_seed, r->epochs};
    for (size_t i = 0; i < 3; i++)
        if (needs_rows[i] && !r->inputs)
            return fail_together(m, json_key(needs_rows[i]), "needs \"inputs\" with rows");
    return !(r->steps && r->epochs) ||
           fail_together(m, "epochs", "stands in place of \"steps\"; both were sent");
}

bool minimize_options(struct minimize *m) {
    struct oneshot *o = &m->o;
    const struct request *r = &o->request;
    int64_t rows = BATCH_SIZE;
    m->steps = -1;
    m->record_every = 0;
    if (r->route & ROUTES_MINIMIZE && !check_together(m)) return false;
    if (!minimize_int(m, r->steps, "steps", 0, &m->steps) ||
        !minimize_int(m, r->record_every, "record_every", 1, &m->record_every) ||
        !minimize_int(m, r->batch_size, "batch_size", 1, &rows) || !read_stop(m))
        return false;
    if (r->inputs && !r->method) o->rows.size = rows;
    return true;
}

/* ---- starts ---------------------------------------------------------------------------------------- */

/* The starts of one variable: a leading axis before its shape, as long as the others' (*n, 0: none yet). */
static bool read_starts_of(struct minimize *m, const struct json *v, const struct moving *moving,
                           struct tensor *out, int64_t *n) {
    struct oneshot *o = &m->o;
    const struct shape *shape = &moving->start.shape;
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    if (!json_tensor(&o->arena, v, moving->start.dtype, o->call->limits->max_elements, "", out,
                     o->error))
        return false;
    if (out->dtype != moving->start.dtype)
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "the starts of \"%.80s\" have dtype %s, expected %s", moving->name,
                         dtype_name(out->dtype), dtype_name(moving->start.dtype));
    bool fits = out->shape.rank == shape->rank + 1;
    for (int k = 0; fits && k < shape->rank; k++) fits = out->shape.dim[k + 1] == shape->dim[k];
    if (!fits)
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "the starts of \"%.80s\" have shape %s, expected a leading axis of starts "
                         "before the variable's shape %s",
                         moving->name, shape_text(&out->shape, has), shape_text(shape, wants));
    if (out->shape.dim[0] == 0)
        return error_set(o->error, ERROR_INVALID_VALUE, "there must be at least one start");
    if (*n && out->shape.dim[0] != *n)
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "found %" PRId64 " starts where other variables have %" PRId64,
                         out->shape.dim[0], *n);
    *n = out->shape.dim[0];
    return true;
}

static bool read_named_starts(struct minimize *m, const struct json *v, struct tensor *sent,
                              int64_t *n) {
    for (size_t i = 0; i < m->n_shown; i++)
        if (strcmp(m->moving[i].name, json_key(v)) == 0)
            return read_starts_of(m, v, &m->moving[i], &sent[i], n);
    return error_set(m->o.error, ERROR_UNBOUND_NAME, "\"%.80s\" is no variable that moves",
                     json_key(v));
}

bool minimize_starts(struct minimize *m, struct tensor **sent, int64_t *n) {
    struct oneshot *o = &m->o;
    const struct json *v = o->request.starts;
    *n = 0;
    *sent = arena_zalloc(&o->arena, (m->n + 1) * sizeof **sent);
    if (!*sent) return build_fail_memory(&o->b);
    if (!v) return true;
    if (json_type(v) != JSON_OBJECT || !json_first(v)) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "expected an object of variables with their starts, found %s",
                  json_type(v) == JSON_OBJECT ? "an empty one" : json_type_name(v));
        return error_under(o->error, "starts");
    }
    for (v = json_first(v); v; v = json_next(v)) {
        if (read_named_starts(m, v, *sent, n)) continue;
        error_under(o->error, json_key(v));
        return error_under(o->error, "starts");
    }
    return true;
}

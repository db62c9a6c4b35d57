/* Pairs of gradients and variables, read: names are looked up in the session, and what does not fit is
 * refused in the words of Keras and TensorFlow. What is done with them is not known here. */
#include "api/gradients.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/place.h"
#include "api/session_io.h"
#include "api/training.h"

enum non_finite { NON_FINITE_REFUSE, NON_FINITE_SKIP, NON_FINITE_APPLY };

static bool fail_at(struct oneshot *o, size_t pair, size_t place) {
    error_under_index(o->error, place);
    error_under_index(o->error, pair);
    return error_under(o->error, "grads_and_vars");
}

static bool fail_pair(struct oneshot *o, const struct json *v) {
    return error_set(
        o->error, ERROR_INVALID_REQUEST,
        "expected a pair of a gradient and a variable's name, as [9.0, \"x1\"]; found %s",
        json_type(v) == JSON_ARRAY ? "another list" : json_type_name(v));
}

/* ---- a gradient ---- */

/* The named item's value; data NULL: None. */
static bool read_named(struct oneshot *o, const struct session *s, const char *name,
                       struct tensor *out) {
    const struct item *item = session_find(s, name, strlen(name));
    if (item) {
        if (item->value.owner) *out = item->value.tensor;
        return true;
    }
    const char *near =
        session_nearest(s, name, 1u << ITEM_TENSOR | 1u << ITEM_CONSTANT | 1u << ITEM_VARIABLE);
    return error_set(o->error, ERROR_UNBOUND_NAME,
                     "there is no tensor \"%.80s\" in this session%s%s%s", name,
                     near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static bool is_name(const struct json *v) {
    const char *text = json_type(v) == JSON_STRING ? json_string(v) : NULL;
    return text && strcmp(text, "NaN") != 0 && strcmp(text, "Infinity") != 0 &&
           strcmp(text, "-Infinity") != 0;
}

/* A number of another dtype takes that of the variable, as in Keras. */
static bool convert(struct oneshot *o, const struct tensor *t, enum dtype dtype,
                    struct tensor *out) {
    const int64_t n = shape_count(&t->shape);
    *out = (struct tensor){.dtype = dtype, .shape = t->shape};
    out->data = arena_alloc_tensor(&o->arena, tensor_bytes(out));
    if (!out->data) return build_fail_memory(&o->b);
#define CONVERT(tag, type, text, trainable)                                                        \
    if (t->dtype == DTYPE_##tag)                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const type x = ((const type *)t->data)[i];                                             \
            if (dtype == DTYPE_F32)                                                                \
                ((float *)out->data)[i] = (float)x;                                                \
            else                                                                                   \
                ((double *)out->data)[i] = (double)x;                                              \
        }
    DTYPES(CONVERT)
#undef CONVERT
    return true;
}

/* Gradients that stand in the session are looked at, before any plan says what that costs. */
static bool count_work(struct gradients *g, struct oneshot *o, const struct item *item) {
    const int64_t most = o->call->limits->max_work;
    g->elements += shape_count(&item->value.tensor.shape);
    return g->elements <= most || error_set(o->error, ERROR_TOO_MUCH_WORK,
                                            "the gradients have more than %" PRId64
                                            " elements; the limit is %" PRId64 " operations",
                                            g->elements - 1, most);
}

static bool read_gradient(struct oneshot *o, const struct session *s, const struct json *v,
                          const struct item *item, struct tensor *out) {
    const struct tensor *of = &item->value.tensor;
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    struct tensor t = {.data = NULL};
    *out = t;
    if (json_type(v) == JSON_NULL) return true;
    if (is_name(v) ? !read_named(o, s, json_string(v), &t)
                   : !json_tensor(&o->arena, v, of->dtype, o->call->limits->max_elements, "", &t,
                                  o->error))
        return false;
    if (!t.data) return true;
    if (t.dtype == DTYPE_BOOL)
        return error_set(o->error, ERROR_DTYPE_MISMATCH,
                         "the gradient of \"%.80s\" is bool; expected numbers", item->name);
    if (!shape_equal(&t.shape, &of->shape))
        return error_set(o->error, ERROR_SHAPE_MISMATCH,
                         "Cannot update variable with shape %s using a Tensor with shape %s, "
                         "shapes must be equal.",
                         shape_brackets(&of->shape, wants), shape_brackets(&t.shape, has));
    *out = t;
    return t.dtype == of->dtype || convert(o, &t, of->dtype, out);
}

/* ---- pairs ---- */

/* The two of a pair; false where it is none. */
static bool take_pair(struct oneshot *o, const struct json *v, const struct json **gradient,
                      const struct json **variable) {
    *gradient = json_type(v) == JSON_ARRAY ? json_first(v) : NULL;
    *variable = *gradient ? json_next(*gradient) : NULL;
    if (!*variable || json_next(*variable) || json_type(*variable) != JSON_STRING)
        return fail_pair(o, v);
    return true;
}

static bool read_pair(struct gradients *g, struct oneshot *o, const struct session *s,
                      struct names *seen, const struct json *v) {
    const struct json *gradient, *variable;
    struct gradient_pair *pair = &g->pairs[g->n];
    bool added;
    if (!take_pair(o, v, &gradient, &variable)) {
        error_under_index(o->error, g->n);
        return error_under(o->error, "grads_and_vars");
    }
    struct item *item = training_variable(s, json_string(variable), o->error);
    if (!item) return fail_at(o, g->n, 1);
    const struct name *name = names_add(seen, item->name, item->length, &added);
    if (!name) return build_fail_memory(&o->b);
    pair->variable = (uint32_t)(name - seen->list);
    if (added) g->items[g->n_items++] = item;
    if (!count_work(g, o, item)) return false;
    if (!read_gradient(o, s, gradient, item, &pair->gradient)) return fail_at(o, g->n, 0);
    g->n++;
    return true;
}

static bool read_pairs(struct gradients *g, struct oneshot *o, const struct session *s) {
    const struct json *all = o->request.grads_and_vars;
    struct names seen;
    if (!all)
        return error_set(o->error, ERROR_INVALID_REQUEST, "member \"grads_and_vars\" is missing");
    if (json_type(all) != JSON_ARRAY) {
        error_set(o->error, ERROR_INVALID_REQUEST,
                  "expected a list of pairs of a gradient and a variable's name, as "
                  "[[9.0, \"x1\"]]; found %s",
                  json_type_name(all));
        return error_under(o->error, "grads_and_vars");
    }
    const size_t n = json_length(all);
    if (n == 0) {
        error_set(o->error, ERROR_INVALID_VALUE,
                  "grads_and_vars is empty; it must have at least one pair of a gradient and a "
                  "variable's name");
        return error_under(o->error, "grads_and_vars");
    }
    g->pairs = arena_alloc(&o->arena, n * sizeof *g->pairs);
    g->items = arena_alloc(&o->arena, n * sizeof *g->items);
    if (!g->pairs || !g->items) return build_fail_memory(&o->b);
    names_init(&seen, &o->arena, o->call->seed);
    for (const struct json *v = json_first(all); v; v = json_next(v))
        if (!read_pair(g, o, s, &seen, v)) return false;
    return true;
}

/* ---- what is missing ---- */

static bool warn_of_missing(struct gradients *g, struct oneshot *o) {
    struct missing missing = {.length = 0};
    for (size_t i = 0; i < g->n; i++)
        if (!g->pairs[i].gradient.data) missing_add(&missing, g->items[g->pairs[i].variable]->name);
    return oneshot_warn_of_missing(o, &missing, "/grads_and_vars");
}

static bool check_missing(struct gradients *g, struct oneshot *o) {
    size_t missing = 0;
    for (size_t i = 0; i < g->n; i++) missing += !g->pairs[i].gradient.data;
    if (missing == 0) return true;
    if (missing < g->n) return warn_of_missing(g, o);
    error_set(o->error, ERROR_MISSING_GRADIENT, "No gradients provided for any variable.");
    return error_under(o->error, "grads_and_vars");
}

/* ---- what is not finite ---- */

/* A number whose exponent has all bits set is NaN or infinite. All are looked at, so that they can be
 * looked at side by side. */
#define FIND(type, exponent)                                                                       \
    do {                                                                                           \
        const type *x = t->data;                                                                   \
        type any = 0;                                                                              \
        for (int64_t i = 0; i < n; i++) any |= (x[i] & (exponent)) == (exponent);                  \
        for (int64_t i = 0; any && i < n; i++)                                                     \
            if ((x[i] & (exponent)) == (exponent)) return i;                                       \
        return -1;                                                                                 \
    } while (0)

/* The first element that is not finite, or -1. */
static int64_t find_not_finite(const struct tensor *t) {
    const int64_t n = shape_count(&t->shape);
    if (t->dtype == DTYPE_F32) FIND(uint32_t, UINT32_C(0x7f800000));
    FIND(uint64_t, UINT64_C(0x7ff0000000000000));
}

static double element(const struct tensor *t, int64_t i) {
    return t->dtype == DTYPE_F32 ? (double)((const float *)t->data)[i] : ((double *)t->data)[i];
}

enum { DESCRIPTION = 192 + SHAPE_TEXT };

static void describe(const struct gradients *g, const struct gradient_pair *pair, int64_t at,
                     char text[DESCRIPTION]) {
    const double x = element(&pair->gradient, at);
    char index[SHAPE_TEXT] = "";
    struct shape where = {.rank = pair->gradient.shape.rank};
    for (int i = where.rank; i-- > 0;) {
        where.dim[i] = at % pair->gradient.shape.dim[i];
        at /= pair->gradient.shape.dim[i];
    }
    if (where.rank) shape_brackets(&where, index);
    snprintf(text, DESCRIPTION, "the gradient of \"%.80s\" is not finite: it has %s%s%s",
             g->items[pair->variable]->name,
             x != x  ? "NaN"
             : x > 0 ? "Infinity"
                     : "-Infinity",
             where.rank ? " at " : "", index);
}

static bool check_finite(struct gradients *g, struct oneshot *o, enum non_finite what,
                         bool *skips) {
    for (size_t i = 0; i < g->n && what != NON_FINITE_APPLY; i++) {
        const struct gradient_pair *pair = &g->pairs[i];
        const int64_t at = pair->gradient.data ? find_not_finite(&pair->gradient) : -1;
        char text[DESCRIPTION], pointer[64];
        if (at < 0) continue;
        describe(g, pair, at, text);
        snprintf(pointer, sizeof pointer, "/grads_and_vars/%zu/0", i);
        *skips = true;
        if (what == NON_FINITE_SKIP)
            return oneshot_warn(o, "non_finite", pointer, "%s; the step was left out", text);
        error_set(o->error, ERROR_NON_FINITE,
                  "%s; \"non_finite\": \"skip\" leaves such steps out, \"apply\" makes them", text);
        return fail_at(o, i, 0);
    }
    return true;
}

static bool read_non_finite(struct oneshot *o, const struct session *s, enum non_finite *out) {
    static const char *const names[] = {"refuse", "skip", "apply"};
    const struct json *v = o->request.non_finite;
    *out = optimizer_skips(training_config(s->training)) ? NON_FINITE_APPLY : NON_FINITE_REFUSE;
    if (!v) return true;
    for (int i = 0; json_type(v) == JSON_STRING && i < 3; i++) {
        if (strcmp(json_string(v), names[i]) != 0) continue;
        *out = (enum non_finite)i;
        return true;
    }
    if (json_type(v) == JSON_STRING)
        error_set(o->error, ERROR_INVALID_VALUE,
                  "\"%.40s\" is not known; expected refuse, skip or apply", json_string(v));
    else
        error_set(o->error, ERROR_INVALID_REQUEST, "expected a string, found %s",
                  json_type_name(v));
    return error_under(o->error, "non_finite");
}

bool gradients_read(struct gradients *g, struct oneshot *o, const struct session *s, bool *skips) {
    enum non_finite what;
    *g = (struct gradients){.n = 0};
    return read_non_finite(o, s, &what) && read_pairs(g, o, s) && check_missing(g, o) &&
           check_finite(g, o, what, skips);
}

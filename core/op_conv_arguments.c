/* TensorFlow's arguments of convolutions, read and checked: data_format, strides, dilations, padding,
 * filters, output_shape. What is emitted with them is told in op_convolution.c. Reference: tf.nn of
 * TensorFlow 2.21, whose words the refusals are. */
#include <assert.h>
#include <inttypes.h>
#include <strings.h>

#include "core/op_conv.h"

#define FAIL(code, ...) (tape_fail(r->t, ERROR_##code, __VA_ARGS__), false)

static bool read_format(struct conv_call *r, const struct op_arg *format) {
    static const char *const names[CONV_AXES][2] = {
        {"NWC", "NCW"}, {"NHWC", "NCHW"}, {"NDHWC", "NCDHW"}};
    assert(r->axes >= 1 && r->axes <= CONV_AXES);
    const char *const *name = names[r->axes - 1];
    r->channels_first = format->given && strcasecmp(format->string, name[1]) == 0;
    if (!format->given || r->channels_first || strcasecmp(format->string, name[0]) == 0)
        return true;
    return FAIL(INVALID_ARGUMENT,
                "%s: Value for attr 'data_format' of \"%.40s\" is not in the list of allowed "
                "values: \"%s\", \"%s\"",
                r->name, format->string, name[0], name[1]);
}

/* The place of the i-th spatial axis, or of the channels, among a tensor's last axes and the batch. */
static int axis_of(const struct conv_call *r, int i) { return r->channels_first ? i + 2 : i + 1; }
static int channel_axis(const struct conv_call *r) { return r->channels_first ? 1 : r->axes + 1; }

/* strides or dilations: one number for all spatial axes, one for each, or one for every axis. */
static bool read_steps(struct conv_call *r, const char *what, const struct op_arg *arg,
                       int64_t *steps) {
    for (int i = 0; i < CONV_AXES; i++) steps[i] = 1;
    if (!arg->given) return true;
    const bool full = arg->n == (size_t)r->axes + 2;
    if (!full && arg->n != 1 && arg->n != (size_t)r->axes)
        return FAIL(INVALID_ARGUMENT, "%s: %s should be of length 1, %d or %d, found %zu", r->name,
                    what, r->axes, r->axes + 2, arg->n);
    if (full && (arg->ints[0] != 1 || arg->ints[channel_axis(r)] != 1))
        return FAIL(INVALID_ARGUMENT,
                    "%s: %s in the batch and depth dimensions must be 1, found %" PRId64
                    " and %" PRId64,
                    r->name, what, arg->ints[0], arg->ints[channel_axis(r)]);
    for (int i = 0; i < r->axes; i++) {
        const int64_t step = arg->ints[full ? axis_of(r, i) : arg->n == 1 ? 0 : i];
        steps[CONV_AXES - r->axes + i] = step;
        if (step >= 1 && step <= CONV_MOST) continue;
        return FAIL(INVALID_ARGUMENT,
                    "%s: %s should be larger than 0 and at most %d, found %" PRId64, r->name, what,
                    CONV_MOST, step);
    }
    return true;
}

/* Refuses what has more elements than a tensor may have, and of an empty one lengths whose products
 * would not fit. */
static bool check_size(struct conv_call *r, const char *what, const struct shape *shape) {
    char text[SHAPE_TEXT];
    int64_t count = 1, most = r->t->limits.elements;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] == 0 || most > CONV_MOST) most = CONV_MOST;
    for (int i = 0; i < shape->rank; i++) {
        const int64_t n = shape->dim[i] > 0 ? shape->dim[i] : 1;
        if (n <= most / count) {
            count *= n;
            continue;
        }
        return FAIL(TOO_MANY_ELEMENTS,
                    "%s: %s of shape %s has more than the %" PRId64 " elements a tensor may have",
                    r->name, what, shape_text(shape, text), most);
    }
    return true;
}
/* The same of one side of the convolution. */
static bool check_side(struct conv_call *r, const char *what, int64_t images, const int64_t *dim,
                       int64_t depth) {
    struct shape shape = {.rank = r->axes + 2, .dim = {images}};
    for (int i = 0; i < r->axes; i++) shape.dim[1 + i] = dim[CONV_AXES - r->axes + i];
    shape.dim[1 + r->axes] = depth;
    return check_size(r, what, &shape);
}

/* Explicit paddings in front of and behind the spatial axis i; 0 and 0 for SAME and VALID. */
static bool read_padding(struct conv_call *r, int i, int64_t *before, int64_t *after) {
    const struct op_arg *p = r->padding;
    *before = *after = 0;
    if (!p->given) return true;
    if (p->string) {
        if (strcasecmp(p->string, "SAME") == 0 || strcasecmp(p->string, "VALID") == 0) return true;
        return FAIL(INVALID_ARGUMENT,
                    "%s: Value for attr 'padding' of \"%.40s\" is not in the list of allowed "
                    "values: \"SAME\", \"VALID\", or a list of pairs",
                    r->name, p->string);
    }
    if (p->n != 2 * ((size_t)r->axes + 2))
        return FAIL(INVALID_ARGUMENT,
                    "%s: When padding is a list, it must be of size %d, with a pair for every "
                    "axis; found size %zu",
                    r->name, r->axes + 2, p->n / 2);
    const int64_t *batch = p->ints, *depth = p->ints + 2 * channel_axis(r);
    if (batch[0] || batch[1] || depth[0] || depth[1])
        return FAIL(INVALID_ARGUMENT,
                    "%s: Nonzero explicit padding in the batch or depth dimensions is not "
                    "supported",
                    r->name);
    *before = p->ints[2 * axis_of(r, i)];
    *after = p->ints[2 * axis_of(r, i) + 1];
    if (*before >= 0 && *after >= 0 && *before <= CONV_MOST && *after <= CONV_MOST) return true;
    return FAIL(
        INVALID_ARGUMENT,
        "%s: All elements of explicit paddings must be nonnegative and at most %d, found %" PRId64
        " and %" PRId64,
        r->name, CONV_MOST, *before, *after);
}

bool conv_size_out(struct conv_call *r, int64_t images) {
    struct conv_attrs *a = &r->a;
    const bool same =
        r->padding->given && r->padding->string && strcasecmp(r->padding->string, "SAME") == 0;
    for (int i = 0; i < CONV_AXES; i++) {
        int64_t before = 0, after = 0;
        const int axis = i - (CONV_AXES - r->axes);
        if (axis >= 0 && !read_padding(r, axis, &before, &after)) return false;
        const int64_t span = (a->kernel[i] - 1) * a->dilation[i] + 1;
        if (same) {
            a->out[i] = (a->in[i] + a->stride[i] - 1) / a->stride[i];
            const int64_t total = (a->out[i] - 1) * a->stride[i] + span - a->in[i];
            a->before[i] = total > 0 ? total / 2 : 0;
            continue;
        }
        const int64_t in = a->in[i] + before + after;
        a->before[i] = before;
        a->out[i] = (in - span + a->stride[i]) / a->stride[i];
        if (a->out[i] < 0)
            return FAIL(SHAPE_MISMATCH,
                        "%s: Computed output size would be negative: %" PRId64
                        " [input_size: %" PRId64 ", effective_filter_size: %" PRId64
                        ", stride: %" PRId64 "]",
                        r->name, a->out[i], in, span, a->stride[i]);
    }
    return check_side(r, "a tensor", images, a->in, a->channels) &&
           check_side(r, "a result", images, a->out, a->filters);
}

bool conv_read_filters(struct conv_call *r, const struct shape *w) {
    struct conv_attrs *a = &r->a;
    char text[SHAPE_TEXT];
    const int64_t depth = w->dim[w->rank - 2];
    a->filters = w->dim[w->rank - 1];
    for (int i = 0; i < CONV_AXES; i++) a->kernel[i] = 1;
    for (int i = 0; i < r->axes; i++) a->kernel[CONV_AXES - r->axes + i] = w->dim[i];
    for (int i = 0; i + 1 < w->rank; i++)
        if (w->dim[i] == 0)
            return FAIL(INVALID_ARGUMENT,
                        "%s: filter must not have zero elements (i.e. all dimensions must be "
                        "non-zero), found shape %s",
                        r->name, shape_text(w, text));
    if (a->channels == 0 || a->channels % depth != 0)
        return FAIL(SHAPE_MISMATCH,
                    "%s: input depth must be evenly divisible by filter depth: %" PRId64
                    " vs %" PRId64,
                    r->name, a->channels, depth);
    a->groups = a->channels / depth;
    if (a->filters % a->groups != 0)
        return FAIL(SHAPE_MISMATCH,
                    "%s: output depth must be evenly divisible by number of groups: %" PRId64
                    " vs %" PRId64,
                    r->name, a->filters, a->groups);
    return true;
}

bool conv_begin(struct conv_call *r, node_id input, node_id filters,
                const struct conv_settings *s) {
    char text[SHAPE_TEXT];
    if (input == NODE_NONE || filters == NODE_NONE) return false;
    const struct shape *x = tape_shape(r->t, input), *w = tape_shape(r->t, filters);
    if (r->axes == 0) r->axes = w->rank < 3 ? 1 : w->rank > 5 ? 3 : w->rank - 2;
    if (w->rank != r->axes + 2)
        return FAIL(SHAPE_MISMATCH, "%s: convolution filter must be %d-dimensional: %s", r->name,
                    r->axes + 2, shape_text(w, text));
    if (x->rank < r->axes + 2)
        return FAIL(SHAPE_MISMATCH, "%s: convolution input must be %d-dimensional: %s", r->name,
                    r->axes + 2, shape_text(x, text));
    if (tape_dtype(r->t, input) != tape_dtype(r->t, filters))
        return FAIL(DTYPE_MISMATCH,
                    "%s: input #1 (zero-based) was expected to be a %s tensor but is a %s tensor",
                    r->name, dtype_name(tape_dtype(r->t, input)),
                    dtype_name(tape_dtype(r->t, filters)));
    r->padding = s->padding;
    return check_size(r, "input", x) && check_size(r, "filters", w) && read_format(r, s->format) &&
           read_steps(r, "strides", s->strides, r->a.stride) &&
           read_steps(r, "dilations", s->dilations, r->a.dilation);
}

void conv_set_in(struct conv_call *r, const int64_t *dim) {
    for (int i = 0; i < CONV_AXES; i++) r->a.in[i] = 1;
    for (int i = 0; i < r->axes; i++) r->a.in[CONV_AXES - r->axes + i] = dim[i];
}

/* output_shape comes with or without the batch and the channels. */
bool conv_read_output(struct conv_call *r, const struct op_arg *arg, const struct shape *x,
                      const struct shape *w) {
    const bool full = arg->n == (size_t)r->axes + 2;
    int64_t dim[CONV_AXES] = {1, 1, 1};
    if (!full && arg->n != (size_t)r->axes)
        return FAIL(INVALID_ARGUMENT, "%s: output_shape should be of length %d or %d, found %zu",
                    r->name, r->axes, r->axes + 2, arg->n);
    for (size_t i = 0; i < arg->n; i++)
        if (arg->ints[i] < 0 || arg->ints[i] > CONV_MOST)
            return FAIL(INVALID_ARGUMENT,
                        "%s: output_shape should hold numbers from 0 to %d, found %" PRId64,
                        r->name, CONV_MOST, arg->ints[i]);
    for (int i = 0; i < r->axes; i++) dim[i] = arg->ints[full ? axis_of(r, i) : i];
    conv_set_in(r, dim);
    r->a.channels = full ? arg->ints[channel_axis(r)] : w->dim[w->rank - 2];
    if (full && arg->ints[0] != x->dim[0])
        return FAIL(SHAPE_MISMATCH,
                    "%s: output_shape and input must have the same batch size: %" PRId64
                    " vs %" PRId64,
                    r->name, arg->ints[0], x->dim[0]);
    return true;
}

bool conv_check_adjoint(struct conv_call *r, const struct shape *y) {
    for (int i = CONV_AXES - r->axes; i < CONV_AXES; i++)
        if (y->dim[2 + i] != r->a.out[i])
            return FAIL(SHAPE_MISMATCH,
                        "%s: Size of input doesn't match computed: actual = %" PRId64
                        ", computed = %" PRId64 " spatial_dim: %d output: %" PRId64
                        " filter: %" PRId64 " stride: %" PRId64 " dilation: %" PRId64,
                        r->name, y->dim[2 + i], r->a.out[i], i - (CONV_AXES - r->axes), r->a.in[i],
                        r->a.kernel[i], r->a.stride[i], r->a.dilation[i]);
    if (y->dim[5] == r->a.filters) return true;
    return FAIL(SHAPE_MISMATCH,
                "%s: filter and input must have the same depth: %" PRId64 " vs %" PRId64, r->name,
                r->a.filters, y->dim[5]);
}

/* Images of another size. A line of the result lies between two lines of the image, so that everything
 * here is gathers and products; what a picture shows it does not know. */
#include <inttypes.h>
#include <math.h>

#include "core/emit.h"

enum { SIDE_MAX = 1 << 24 }; /* whole in float32, in which TensorFlow places the lines */

/* Between which lines of `from` each of `to` lines lies, and how far from the first. */
struct between {
    int32_t *low, *high;
    float *far;
};

static bool place_lines(struct tape *t, int64_t from, int64_t to, bool align_corners,
                        bool half_pixel_centers, struct between *out) {
    out->low = arena_alloc(t->arena, (size_t)to * sizeof *out->low + 1);
    out->high = arena_alloc(t->arena, (size_t)to * sizeof *out->high + 1);
    out->far = arena_alloc(t->arena, (size_t)to * sizeof *out->far + 1);
    if (!out->low || !out->high || !out->far) return tape_fail_memory(t, "the graph");
    const bool corners = align_corners && to > 1;
    const float scale = corners ? (float)(from - 1) / (float)(to - 1) : (float)from / (float)to;
    for (int64_t i = 0; i < to; i++) {
        const float at = half_pixel_centers ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
        const float line = floorf(at), last = (float)(from - 1);
        out->low[i] = (int32_t)fmaxf(line, 0);
        out->high[i] = (int32_t)fminf(ceilf(at), last);
        out->far[i] = at - line;
    }
    return true;
}

/* x with `to` lines along an axis: low + (high - low) far, as TensorFlow's kernel has it. */
static node_id resize_axis(struct tape *t, node_id x, int axis, const struct between *b,
                           int64_t to) {
    const struct shape lines = {.rank = 1, .dim = {to}};
    const struct shape *from = tape_shape(t, x);
    struct shape along = {.rank = from->rank};
    for (int i = 0; i < along.rank; i++) along.dim[i] = i == axis ? to : 1;
    const node_id indices[] = {tape_const(t, DTYPE_I32, &lines, b->low),
                               tape_const(t, DTYPE_I32, &lines, b->high)};
    const node_id low = emit_gather(t, "resize_bilinear", INDEX_LINE, x, indices[0], axis, 0);
    const node_id high = emit_gather(t, "resize_bilinear", INDEX_LINE, x, indices[1], axis, 0);
    const node_id far = tape_const(t, DTYPE_F32, &along, b->far);
    if (low == NODE_NONE || high == NODE_NONE || far == NODE_NONE) return NODE_NONE;
    return emit_add(
        t, low, emit_multiply(t, emit_subtract(t, high, low), emit_cast(t, far, tape_dtype(t, x))));
}

static bool check_size(struct tape *t, const struct shape *image, const struct op_arg *size) {
    char text[SHAPE_TEXT];
    if (image->rank != 4) {
        tape_fail(t, ERROR_SHAPE_MISMATCH,
                  "resize_bilinear: input must be 4-dimensional, received shape: %s",
                  shape_text(image, text));
        return false;
    }
    if (size->n != 2 || !size->b) {
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "resize_bilinear: size must have 2 elements, the new height and width; found %zu",
                  size->b ? size->n : (size_t)0);
        return false;
    }
    for (int i = 0; i < 2; i++) {
        const int64_t from = image->dim[i + 1], to = size->ints[i];
        if (to > 0 && to <= SIDE_MAX && from > 0 && from <= SIDE_MAX) continue;
        tape_fail(t, ERROR_INVALID_ARGUMENT,
                  "resize_bilinear: %s dimensions must be positive and at most %d, found %" PRId64
                  " for the %s",
                  to > 0 && to <= SIDE_MAX ? "input image" : "output", SIDE_MAX,
                  to > 0 && to <= SIDE_MAX ? from : to, i ? "width" : "height");
        return false;
    }
    return true;
}

static node_id resize_bilinear_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    const bool align_corners = args[2].given && args[2].b,
               half_pixel_centers = args[3].given && args[3].b;
    if (x == NODE_NONE || !check_size(t, tape_shape(t, x), &args[1])) return NODE_NONE;
    if (align_corners && half_pixel_centers)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "resize_bilinear: If half_pixel_centers is True, align_corners must be "
                         "False.");
    /* Columns first: then rows are blended whole, in the order of TensorFlow's kernel. */
    for (int axis = 2; axis >= 1 && x != NODE_NONE; axis--) {
        const int64_t from = tape_shape(t, x)->dim[axis], to = args[1].ints[axis - 1];
        struct between b;
        if (!place_lines(t, from, to, align_corners, half_pixel_centers, &b)) return NODE_NONE;
        x = resize_axis(t, x, axis, &b, to);
    }
    return x;
}

const struct op op_resize_bilinear = {
    .name = "resize_bilinear",
    .notation =
        "y = images of another height and width, each element between its four neighbours; dx "
        "adds g up at them by the same shares",
    .kind = OP_COMPOSITE,
    .params = {{"images", PARAM_TENSOR, false},
               {"size", PARAM_INTS, false},
               {"align_corners", PARAM_BOOL, true},
               {"half_pixel_centers", PARAM_BOOL, true}},
    .preset = {[2] = "False", [3] = "False"},
    .dtypes = DTYPES_FLOATS,
    .emit = resize_bilinear_emit};

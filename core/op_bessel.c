/* Bessel functions of whole order. I and J differentiate into their neighbours in order, without a
 * division by x, so that every derivative is right at 0 too; the orders past 1 that this needs are
 * internal ops, whose second argument on the tape is the order. K and Y have their pole there. */
#include "core/kernels/special.h"
#include "core/op_pointwise.h"

static int64_t bessel_work(const struct tape *t, const struct node *n) {
    (void)t;
    const int64_t count = shape_count(n->shape);
    return count > INT64_MAX / 50 ? INT64_MAX : 50 * count;
}

#define BESSEL(id, text, value, derivative)                                                        \
    UNARY_FLOATS(id, value)                                                                        \
    UNARY_OP_OF(id, text, emit_multiply(t, v, derivative), .work = bessel_work)

/* The order of node z, of an internal op: a constant that bessel_order wrote. */
static double order_of(const struct tape *t, node_id z) {
    const struct node *n = tape_node(t, tape_arg(t, z, 1));
    return tape_dtype(t, z) == DTYPE_F32 ? (double)*(const float *)n->attrs
                                         : *(const double *)n->attrs;
}

/* `any` (x, n) for n >= 2, and the ops of order 0 and 1. */
struct bessel_family {
    int zero, one, any;
    double reflected; /* the function of order -1 is this times that of order 1 */
};
static const struct bessel_family family_i = {OP_bessel_i0, OP_bessel_i1, OP_bessel_in, 1};
static const struct bessel_family family_ie = {OP_bessel_i0e, OP_bessel_i1e, OP_bessel_ine, 1};
static const struct bessel_family family_j = {OP_bessel_j0, OP_bessel_j1, OP_bessel_jn, -1};

static node_id bessel_order(struct tape *t, const struct bessel_family *f, double n, node_id x) {
    if (n == -1) return emit_multiply(t, emit_like(t, x, f->reflected), emit1(t, f->one, x));
    if (n < 2) return emit1(t, n == 0 ? f->zero : f->one, x);
    return emit2(t, f->any, x, emit_like(t, x, n));
}

/* (f_(n-1) + next f_(n+1)) / 2: Abramowitz and Stegun 9.1.27 with next = -1, 9.6.26 with next = 1. */
static node_id neighbours(struct tape *t, const struct bessel_family *f, double n, double next,
                          node_id x) {
    node_id below = bessel_order(t, f, n - 1, x), above = bessel_order(t, f, n + 1, x);
    node_id sum = next < 0 ? emit_subtract(t, below, above) : emit_add(t, below, above);
    return emit_multiply(t, sum, emit_like(t, x, 0.5));
}
static node_id i_slope(struct tape *t, double n, node_id x) {
    return neighbours(t, &family_i, n, 1, x);
}
static node_id j_slope(struct tape *t, double n, node_id x) {
    return neighbours(t, &family_j, n, -1, x);
}
/* Of e^-|x| I_n, which is y. */
static node_id ie_slope(struct tape *t, double n, node_id x, node_id y) {
    return emit_subtract(t, neighbours(t, &family_ie, n, 1, x),
                         emit_multiply(t, emit_sign(t, x), y));
}

BESSEL(bessel_i0, "y = I0(x); dy/dx = I1(x)", special_bessel_i(0, x), emit1(t, OP_bessel_i1, x))
BESSEL(bessel_i1, "y = I1(x); dy/dx = (I0(x) + I2(x))/2", special_bessel_i(1, x), i_slope(t, 1, x))
BESSEL(bessel_i0e, "y = e^-|x| I0(x); dy/dx = e^-|x| I1(x) - y sign x", special_bessel_ie(0, x),
       emit_subtract(t, emit1(t, OP_bessel_i1e, x), emit_multiply(t, emit_sign(t, x), y)))
BESSEL(bessel_i1e, "y = e^-|x| I1(x); dy/dx = e^-|x| (I0(x) + I2(x))/2 - y sign x",
       special_bessel_ie(1, x), ie_slope(t, 1, x, y))
BESSEL(bessel_j0, "y = J0(x); dy/dx = -J1(x)", special_bessel_j(0, x),
       emit_negative(t, emit1(t, OP_bessel_j1, x)))
BESSEL(bessel_j1, "y = J1(x); dy/dx = (J0(x) - J2(x))/2", special_bessel_j(1, x), j_slope(t, 1, x))

/* The functions with a pole at 0: the derivative of order 1 is `sign` f_0 - f_1 / x. */
static node_id pole_slope(struct tape *t, node_id f0, node_id f1, node_id x, double sign) {
    node_id head = sign < 0 ? emit_negative(t, f0) : f0;
    return emit_subtract(t, head, emit_divide(t, f1, x));
}
BESSEL(bessel_k0, "y = K0(x); dy/dx = -K1(x)", special_bessel_k(0, x),
       emit_negative(t, emit1(t, OP_bessel_k1, x)))
BESSEL(bessel_k1, "y = K1(x); dy/dx = -K0(x) - K1(x)/x", special_bessel_k(1, x),
       pole_slope(t, emit1(t, OP_bessel_k0, x), y, x, -1))
BESSEL(bessel_k0e, "y = e^x K0(x); dy/dx = y - e^x K1(x)", special_bessel_ke(0, x),
       emit_subtract(t, y, emit1(t, OP_bessel_k1e, x)))
BESSEL(bessel_k1e, "y = e^x K1(x); dy/dx = y (1 - 1/x) - e^x K0(x)", special_bessel_ke(1, x),
       emit_subtract(t,
                     emit_multiply(t, y,
                                   emit_subtract(t, emit_like(t, x, 1), emit_reciprocal(t, x))),
                     emit1(t, OP_bessel_k0e, x)))
BESSEL(bessel_y0, "y = Y0(x); dy/dx = -Y1(x)", special_bessel_y(0, x),
       emit_negative(t, emit1(t, OP_bessel_y1, x)))
BESSEL(bessel_y1, "y = Y1(x); dy/dx = Y0(x) - Y1(x)/x", special_bessel_y(1, x),
       pole_slope(t, emit1(t, OP_bessel_y0, x), y, x, 1))

#define BESSEL_ANY(id, text, value, derivative)                                                    \
    BINARY_FLOATS(id, value)                                                                       \
    static node_id id##_partial(struct tape *t, node_id z, uint32_t i, node_id v) {                \
        node_id x = tape_arg(t, z, 0);                                                             \
        double n = order_of(t, z);                                                                 \
        return i == 0 ? emit_multiply(t, v, derivative) : NODE_NONE;                               \
    }                                                                                              \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = OP_INTERNAL,                                                \
                               .flags = OP_POINTWISE,                                              \
                               .params = XY_PARAMS,                                                \
                               .infer = infer_pointwise,                                           \
                               .partial = id##_partial,                                            \
                               .work = bessel_work,                                                \
                               ROWS_FLOATS(id)};
BESSEL_ANY(bessel_in, "y = I_n(x); dy/dx = (I_(n-1) + I_(n+1))/2", special_bessel_i(y, x),
           i_slope(t, n, x))
BESSEL_ANY(bessel_ine, "y = e^-|x| I_n(x); dy/dx = e^-|x| (I_(n-1) + I_(n+1))/2 - y sign x",
           special_bessel_ie(y, x), ie_slope(t, n, x, z))
BESSEL_ANY(bessel_jn, "y = J_n(x); dy/dx = (J_(n-1) - J_(n+1))/2", special_bessel_j(y, x),
           j_slope(t, n, x))

/* Special functions of one to three arguments. Their values come from core/kernels/special.h, float32's
 * computed in double and rounded; derivatives are written in one another. */
#include "core/kernels/special.h"

#include "core/op_pointwise.h"

/* One value costs about as much as fifty products. */
static int64_t special_work(const struct tape *t, const struct node *n) {
    (void)t;
    const int64_t count = shape_count(n->shape);
    return count > INT64_MAX / 50 ? INT64_MAX : 50 * count;
}

#define SPECIAL_OP(id, kind_of, params_of, infer_of, text, ...)                                    \
    const struct op op_##id = {.name = #id,                                                        \
                               .notation = text,                                                   \
                               .kind = kind_of,                                                    \
                               .flags = OP_POINTWISE,                                              \
                               .params = params_of,                                                \
                               .infer = infer_of,                                                  \
                               .partial = id##_partial,                                            \
                               .work = special_work,                                               \
                               ROWS_FLOATS(id),                                                    \
                               __VA_ARGS__};

/* One argument; as UNARY_OP. */
#define SPECIAL1(id, text, value, derivative)                                                      \
    UNARY_FLOATS(id, value)                                                                        \
    static node_id id##_partial(struct tape *t, node_id y, uint32_t i, node_id v) {                \
        node_id x = tape_arg(t, y, 0);                                                             \
        (void)i, (void)x;                                                                          \
        return derivative;                                                                         \
    }                                                                                              \
    SPECIAL_OP(id, OP_PRIMITIVE, X_PARAMS, infer_same, text)

/* ---- the gamma family ---- */

static node_id polygamma_of(struct tape *t, double n, node_id x) {
    return emit2(t, OP_polygamma, emit_like(t, x, n), x);
}
SPECIAL1(lgamma, "y = log |Gamma(x)|; dy/dx = digamma x", special_lgamma(x),
         emit_multiply(t, v, emit1(t, OP_digamma, x)))
SPECIAL1(digamma, "y = Gamma'(x)/Gamma(x); dy/dx = polygamma(1, x)", special_digamma(x),
         emit_multiply(t, v, polygamma_of(t, 1, x)))

#define POLYGAMMA_PARAMS                                                                           \
    {                                                                                              \
        {"a", PARAM_TENSOR, false}, { "x", PARAM_TENSOR, false }                                   \
    }
BINARY_FLOATS(polygamma, special_polygamma(x, y))
static node_id polygamma_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id n = tape_arg(t, z, 0), x = tape_arg(t, z, 1);
    if (i == 0) return NODE_NONE;
    node_id next = emit_add(t, n, emit_like(t, n, 1));
    return emit_multiply(t, v, emit2(t, OP_polygamma, next, x));
}
SPECIAL_OP(polygamma, OP_PRIMITIVE, POLYGAMMA_PARAMS, infer_pointwise,
           "z = derivative a of digamma at x, a = 0, 1, ..., 1000; dz/dx = polygamma(a + 1, x), "
           "none by a",
           .inert = 1 << 0)

#define ZETA_PARAMS                                                                                \
    {                                                                                              \
        {"x", PARAM_TENSOR, false}, { "q", PARAM_TENSOR, false }                                   \
    }
BINARY_FLOATS(zeta, special_zeta(x, y))
static node_id zeta_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id s = tape_arg(t, z, 0), q = tape_arg(t, z, 1);
    if (i == 0) return NODE_NONE;
    node_id next = emit2(t, OP_zeta, emit_add(t, s, emit_like(t, s, 1)), q);
    return emit_multiply(t, v, emit_multiply(t, emit_negative(t, s), next));
}
SPECIAL_OP(zeta, OP_PRIMITIVE, ZETA_PARAMS, infer_pointwise,
           "z = sum of (q + k)^-x, k = 0, 1, ...; dz/dq = -x zeta(x + 1, q), none by x",
           .inert = 1 << 0)

/* ---- inverses of the error function and of the normal distribution ---- */

#define HALF_ROOT_PI 0.886226925452758013649083741670572591
#define ROOT_TWO_PI 2.50662827463100050241576528481104525
#define ROOT_HALF 0.707106781186547524400844362104849039
SPECIAL1(erfinv, "y with erf y = x; dy/dx = sqrt(pi)/2 e^y^2", special_erfinv(x),
         emit_multiply(t, v,
                       emit_multiply(t, emit_like(t, y, HALF_ROOT_PI),
                                     emit_exp(t, emit_square(t, y)))))
SPECIAL1(ndtri, "y with ndtr y = x; dy/dx = sqrt(2 pi) e^(y^2/2)", special_ndtri(x),
         emit_multiply(t, v,
                       emit_multiply(t, emit_like(t, y, ROOT_TWO_PI),
                                     emit_exp(t, emit_multiply(t, emit_square(t, y),
                                                               emit_like(t, y, 0.5))))))

static node_id ndtr_emit(struct tape *t, const struct op_arg *args) {
    node_id x = args[0].node;
    node_id tail = emit1(t, OP_erfc, emit_multiply(t, x, emit_like(t, x, -ROOT_HALF)));
    return emit_multiply(t, tail, emit_like(t, x, 0.5));
}
const struct op op_ndtr = {
    .name = "ndtr",
    .notation = "y = the normal distribution's function at x; dy/dx = e^(-x^2/2)/sqrt(2 pi)",
    .kind = OP_COMPOSITE,
    .params = X_PARAMS,
    .emit = ndtr_emit};

/* ---- the incomplete beta function ---- */

/* Three arguments of one dtype that broadcast together. */
static bool infer_three(struct tape *t, const struct node *n, struct shape *shape,
                        enum dtype *dtype) {
    (void)dtype;
    const node_id *args = node_args(t, n);
    if (!infer_same_dtype(t, n, 0)) return false;
    for (uint32_t i = 1; i < 3; i++) {
        struct shape joint = *shape;
        if (shape_broadcast(&joint, tape_shape(t, args[i]), shape)) continue;
        char a[SHAPE_TEXT], b[SHAPE_TEXT], x[SHAPE_TEXT];
        tape_fail(t, ERROR_SHAPE_MISMATCH, "%s: shapes %s, %s and %s do not broadcast",
                  op_of(n)->name, shape_text(tape_shape(t, args[0]), a),
                  shape_text(tape_shape(t, args[1]), b), shape_text(tape_shape(t, args[2]), x));
        return false;
    }
    return true;
}

#define TERNARY(name, tag, T, f)                                                                   \
    static void name##_loop_##tag(int64_t n, void *out, const void *x, int64_t sx, const void *y,  \
                                  int64_t sy, const void *z, int64_t sz) {                         \
        T *restrict o = out;                                                                       \
        const T *restrict p = x, *restrict q = y, *restrict r = z;                                 \
        for (int64_t i = 0; i < n; i++) o[i] = (T)f(p[i * sx], q[i * sy], r[i * sz]);              \
    }                                                                                              \
    static void name##_cell_##tag(const struct instr *instr, char *slab) {                         \
        *(T *)cell_at(slab, instr->on.cell.out) =                                                  \
            (T)f(*(const T *)cell_at(slab, instr->on.cell.in[0]),                                  \
                 *(const T *)cell_at(slab, instr->on.cell.in[1]),                                  \
                 *(const T *)cell_at(slab, instr->on.cell.in[2]));                                 \
    }                                                                                              \
    static void name##_group_##tag(const struct group *g, char *slab) {                            \
        for (uint32_t i = 0; i < g->n; i++)                                                        \
            *(T *)cell_at(slab, g->out + i) = (T)f(*(const T *)cell_at(slab, g->in[0][i]),         \
                                                   *(const T *)cell_at(slab, g->in[1][i]),         \
                                                   *(const T *)cell_at(slab, g->in[2][i]));        \
    }
TERNARY(betainc, F32, float, special_betainc)
TERNARY(betainc, F64, double, special_betainc)
#define BETAINC_PARAMS                                                                             \
    {                                                                                              \
        {"a", PARAM_TENSOR, false}, {"b", PARAM_TENSOR, false}, { "x", PARAM_TENSOR, false }       \
    }
static node_id betainc_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id a = tape_arg(t, z, 0), b = tape_arg(t, z, 1), x = tape_arg(t, z, 2);
    if (i < 2) return NODE_NONE;
    node_id one = emit_like(t, x, 1);
    node_id log_beta = emit_subtract(t, emit_add(t, emit1(t, OP_lgamma, a), emit1(t, OP_lgamma, b)),
                                     emit1(t, OP_lgamma, emit_add(t, a, b)));
    node_id powers =
        emit_add(t, emit2(t, OP_xlog1py, emit_subtract(t, b, one), emit_negative(t, x)),
                 emit2(t, OP_xlogy, emit_subtract(t, a, one), x));
    return emit_multiply(t, v, emit_exp(t, emit_subtract(t, powers, log_beta)));
}
SPECIAL_OP(
    betainc, OP_PRIMITIVE, BETAINC_PARAMS, infer_three,
    "z = regularised incomplete beta function I_x(a, b); dz/dx = x^(a-1) (1-x)^(b-1)/B(a, b), "
    "none by a and b",
    .inert = 1 << 0 | 1 << 1)

/* ---- the incomplete gamma functions ---- */

/* The derivative by x is an op of its own, since its formula in powers loses digits where a is large. */
#define IGAMMA_PARAMS                                                                              \
    {                                                                                              \
        {"a", PARAM_TENSOR, false}, { "x", PARAM_TENSOR, false }                                   \
    }
static node_id igamma_da(struct tape *t, node_id a, node_id x, double n) {
    if (n > SPECIAL_IGAMMA_ORDERS)
        return tape_fail(t, ERROR_INVALID_ARGUMENT,
                         "igamma: its derivatives in a are known up to order %d",
                         SPECIAL_IGAMMA_ORDERS);
    return tape_emit(t, OP_igamma_da, (node_id[]){a, x, emit_like(t, x, n)}, 3, NULL, 0);
}
static node_id igamma_slope(struct tape *t, node_id z, uint32_t i) {
    node_id a = tape_arg(t, z, 0), x = tape_arg(t, z, 1);
    return i == 0 ? igamma_da(t, a, x, 1) : emit2(t, OP_igamma_dx, a, x);
}
BINARY_FLOATS(igamma, special_igamma(x, y))
static node_id igamma_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    return emit_multiply(t, v, igamma_slope(t, z, i));
}
SPECIAL_OP(igamma, OP_PRIMITIVE, IGAMMA_PARAMS, infer_pointwise,
           "z = P(a, x), the lower incomplete gamma function over Gamma(a); dz/dx = x^(a-1) "
           "e^-x/Gamma(a), dz/da by quadrature")
BINARY_FLOATS(igammac, special_igammac(x, y))
static node_id igammac_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    return emit_multiply(t, v, emit_negative(t, igamma_slope(t, z, i)));
}
SPECIAL_OP(
    igammac, OP_PRIMITIVE, IGAMMA_PARAMS, infer_pointwise,
    "z = Q(a, x) = 1 - igamma(a, x) without cancellation; the derivatives of igamma, negated")

/* log x - digamma a, by which the density grows with a. */
static node_id density_growth(struct tape *t, node_id a, node_id x) {
    return emit_subtract(t, emit_log(t, x), emit1(t, OP_digamma, a));
}
BINARY_FLOATS(igamma_dx, special_igamma_dx(x, y))
static node_id igamma_dx_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id a = tape_arg(t, z, 0), x = tape_arg(t, z, 1), one = emit_like(t, x, 1);
    node_id growth = i == 0
                         ? density_growth(t, a, x)
                         : emit_subtract(t, emit2(t, OP_xdivy, emit_subtract(t, a, one), x), one);
    return emit_multiply(t, v, emit_multiply_no_nan(t, growth, z));
}
SPECIAL_OP(igamma_dx, OP_INTERNAL, IGAMMA_PARAMS, infer_pointwise,
           "z = x^(a-1) e^-x/Gamma(a); dz/dx = z ((a - 1)/x - 1), dz/da = z (log x - digamma a)")

/* igamma_da: by x it has derivative n in a of the density, which is the density times the complete Bell
 * polynomial of the derivatives of its logarithm. */
TERNARY(igamma_da, F32, float, special_igamma_da)
TERNARY(igamma_da, F64, double, special_igamma_da)
static node_id bell_polynomial(struct tape *t, node_id a, node_id x, int n) {
    node_id b[SPECIAL_IGAMMA_ORDERS + 1] = {emit_like(t, x, 1)}, l[SPECIAL_IGAMMA_ORDERS];
    for (int m = 0; m < n; m++) {
        double binomial = 1;
        l[m] = m == 0 ? density_growth(t, a, x) : emit_negative(t, polygamma_of(t, m, a));
        for (int i = 0; i <= m; i++) {
            node_id term =
                emit_multiply(t, emit_multiply(t, emit_like(t, x, binomial), b[m - i]), l[i]);
            b[m + 1] = i == 0 ? term : emit_add(t, b[m + 1], term);
            binomial = binomial * (m - i) / (i + 1);
        }
    }
    return b[n];
}
static node_id igamma_da_partial(struct tape *t, node_id z, uint32_t i, node_id v) {
    node_id a = tape_arg(t, z, 0), x = tape_arg(t, z, 1);
    const void *order = tape_node(t, tape_arg(t, z, 2))->attrs;
    double n =
        tape_dtype(t, z) == DTYPE_F32 ? (double)*(const float *)order : *(const double *)order;
    if (i == 2) return NODE_NONE;
    if (i == 0) return emit_multiply(t, v, igamma_da(t, a, x, n + 1));
    node_id density = emit2(t, OP_igamma_dx, a, x);
    return emit_multiply(t, v, emit_multiply_no_nan(t, bell_polynomial(t, a, x, (int)n), density));
}
/* About two hundred exponentials. */
static int64_t igamma_da_work(const struct tape *t, const struct node *n) {
    int64_t work = special_work(t, n);
    return work > INT64_MAX / 20 ? INT64_MAX : 20 * work;
}
const struct op op_igamma_da = {
    .name = "igamma_da",
    .notation =
        "z = derivative n of igamma by a, by quadrature; dz/dx = derivative n of igamma_dx by a",
    .kind = OP_INTERNAL,
    .flags = OP_POINTWISE,
    .params = {{"a", PARAM_TENSOR, false}, {"x", PARAM_TENSOR, false}, {"n", PARAM_TENSOR, false}},
    .infer = infer_three,
    .partial = igamma_da_partial,
    .work = igamma_da_work,
    ROWS_FLOATS(igamma_da)};

/* ---- dawsn, expint, spence ---- */

SPECIAL1(dawsn, "y = e^-x^2 integral of e^t^2 from 0 to x; dy/dx = 1 - 2 x y", special_dawsn(x),
         emit_multiply(t, v,
                       emit_subtract(t, emit_like(t, x, 1),
                                     emit_multiply(t, emit_multiply(t, emit_like(t, x, 2), x), y))))
SPECIAL1(expint, "y = Ei(x), the integral of e^t/t from -inf to x; dy/dx = e^x/x",
         special_expint(x), emit_multiply(t, v, emit_divide(t, emit_exp(t, x), x)))
static node_id spence_slope(struct tape *t, node_id x) {
    node_id one = emit_like(t, x, 1), at_one = emit_equal(t, x, one);
    node_id safe = emit_where(t, at_one, emit_like(t, x, 2), x);
    node_id slope = emit_divide(t, emit_log(t, safe), emit_subtract(t, one, safe));
    return emit_where(t, at_one, emit_like(t, x, -1), slope);
}
SPECIAL1(spence, "y = integral of log t/(1 - t) from 1 to x; dy/dx = log x/(1 - x), -1 at x = 1",
         special_spence(x), emit_multiply(t, v, spence_slope(t, x)))

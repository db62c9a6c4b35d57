/* Arithmetic on scalar literals, with Python's meaning and int64: `size(x) // 2` must be known when
 * the graph is built. Nothing that touches the tape is folded here; that is the plan's business. */
#include "api/build.h"

#include <inttypes.h>
#include <math.h>

static bool fail_overflow(struct builder *b, int tag, int64_t x, int64_t y) {
    return error_set(b->error, ERROR_INVALID_ARGUMENT,
                     "%s(%" PRId64 ", %" PRId64
                     ") does not fit in 64 bits; write one of them as a float",
                     op_table[tag]->name, x, y);
}

static bool fail_zero(struct builder *b, int tag) {
    return error_set(b->error, ERROR_INVALID_ARGUMENT, "%s: division by zero", op_table[tag]->name);
}

bool fold_truth(const struct value *v) {
    if (v->kind == VALUE_FLOAT) return v->f != 0;
    return v->kind == VALUE_BOOL ? v->b : v->i != 0;
}

static bool is_int(const struct value *v) { return v->kind != VALUE_FLOAT; }
static int64_t int_of(const struct value *v) { return v->kind == VALUE_BOOL ? v->b : v->i; }
static double float_of(const struct value *v) {
    return v->kind == VALUE_FLOAT ? v->f : (double)int_of(v);
}

static bool sum_fits(int64_t x, int64_t y) {
    return y < 0 ? x >= INT64_MIN - y : x <= INT64_MAX - y;
}

static bool difference_fits(int64_t x, int64_t y) {
    return y < 0 ? x <= INT64_MAX + y : x >= INT64_MIN + y;
}

static bool product_fits(int64_t x, int64_t y) {
    if (x == 0 || y == 0) return true;
    if (x == -1 || y == -1) return x != INT64_MIN && y != INT64_MIN;
    return (x > 0) == (y > 0) ? (x > 0 ? x <= INT64_MAX / y : x >= INT64_MAX / y)
                              : (x > 0 ? y >= INT64_MIN / x : x >= INT64_MIN / y);
}

static bool power_int(int64_t x, int64_t y, int64_t *out) {
    int64_t power = 1;
    for (;;) {
        if (y & 1) {
            if (!product_fits(power, x)) return false;
            power *= x;
        }
        y >>= 1;
        if (!y) break;
        if (!product_fits(x, x)) return false;
        x *= x;
    }
    *out = power;
    return true;
}

static int64_t floored(int64_t x, int64_t y) { return x / y - (x % y != 0 && (x < 0) != (y < 0)); }

static bool int_arithmetic(struct builder *b, int tag, int64_t x, int64_t y, struct value *out) {
    bool fits = true;
    switch (tag) {
    case OP_add:
        fits = sum_fits(x, y);
        if (fits) *out = value_int(x + y);
        break;
    case OP_subtract:
        fits = difference_fits(x, y);
        if (fits) *out = value_int(x - y);
        break;
    case OP_multiply:
        fits = product_fits(x, y);
        if (fits) *out = value_int(x * y);
        break;
    case OP_floordiv:
        if (y == 0) return fail_zero(b, tag);
        fits = y != -1 || x != INT64_MIN;
        if (fits) *out = value_int(floored(x, y));
        break;
    case OP_mod:
        if (y == 0) return fail_zero(b, tag);
        *out = value_int(y == -1 ? 0 : x - floored(x, y) * y);
        break;
    default: {
        int64_t power = 0;
        fits = power_int(x, y, &power);
        *out = value_int(power);
    }
    }
    return fits || fail_overflow(b, tag, x, y);
}

static double mod_float(double x, double y) {
    const double m = fmod(x, y);
    if (m == 0) return copysign(0, y);
    return (m < 0) != (y < 0) ? m + y : m;
}

static double floordiv_float(double x, double y) {
    const double quotient = (x - mod_float(x, y)) / y, whole = floor(quotient);
    if (quotient == 0) return copysign(0, x / y);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

static bool power_float(struct builder *b, double x, double y, struct value *out) {
    if (x == 0 && y < 0) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "pow: 0.0 cannot be raised to a negative power");
    }
    if (x < 0 && isfinite(x) && isfinite(y) && floor(y) != y) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "pow: the negative number %.17g has no real power %.17g", x, y);
    }
    *out = value_float(pow(x, y));
    if (isinf(out->f) && isfinite(x) && isfinite(y)) {
        return error_set(b->error, ERROR_INVALID_ARGUMENT,
                         "pow(%.17g, %.17g) is out of range of float64", x, y);
    }
    return true;
}

static bool float_arithmetic(struct builder *b, int tag, double x, double y, struct value *out) {
    if (y == 0 && (tag == OP_divide || tag == OP_floordiv || tag == OP_mod))
        return fail_zero(b, tag);
    switch (tag) {
    case OP_add:
        *out = value_float(x + y);
        break;
    case OP_subtract:
        *out = value_float(x - y);
        break;
    case OP_multiply:
        *out = value_float(x * y);
        break;
    case OP_divide:
        *out = value_float(x / y);
        break;
    case OP_floordiv:
        *out = value_float(floordiv_float(x, y));
        break;
    case OP_mod:
        *out = value_float(mod_float(x, y));
        break;
    default:
        return power_float(b, x, y, out);
    }
    return true;
}

static bool compare(int tag, const struct value *x, const struct value *y) {
    const bool ints = is_int(x) && is_int(y);
    const bool less = ints ? int_of(x) < int_of(y) : float_of(x) < float_of(y);
    const bool equal = ints ? int_of(x) == int_of(y) : float_of(x) == float_of(y);
    const bool greater = ints ? int_of(x) > int_of(y) : float_of(x) > float_of(y);
    switch (tag) {
    case OP_less:
        return less;
    case OP_less_equal:
        return less || equal;
    case OP_greater:
        return greater;
    case OP_greater_equal:
        return greater || equal;
    case OP_equal:
        return equal;
    default:
        return !equal;
    }
}

static bool fold_unary(struct builder *b, int tag, const struct value *x, struct value *out) {
    if (tag == OP_logical_not) {
        *out = value_bool(!fold_truth(x));
        return true;
    }
    if (x->kind == VALUE_FLOAT) {
        *out = *x;
        out->f = -x->f;
        out->single = -x->single;
        return true;
    }
    if (int_of(x) == INT64_MIN) return fail_overflow(b, OP_multiply, INT64_MIN, -1);
    *out = value_int(-int_of(x));
    return true;
}

bool fold_operator(struct builder *b, int tag, const struct value *const *args, size_t n,
                   struct value *out, bool *folded) {
    *folded = false;
    for (size_t i = 0; i < n; i++) {
        if (!args[i] || !value_is_scalar(args[i])) return true;
    }
    *folded = true;
    switch (tag) {
    case OP_negative:
    case OP_logical_not:
        return fold_unary(b, tag, args[0], out);
    case OP_logical_and:
        *out = fold_truth(args[0]) ? *args[1] : *args[0];
        return true;
    case OP_logical_or:
        *out = fold_truth(args[0]) ? *args[0] : *args[1];
        return true;
    case OP_less:
    case OP_less_equal:
    case OP_greater:
    case OP_greater_equal:
    case OP_equal:
    case OP_not_equal:
        *out = value_bool(compare(tag, args[0], args[1]));
        return true;
    case OP_add:
    case OP_subtract:
    case OP_multiply:
    case OP_divide:
    case OP_floordiv:
    case OP_mod:
    case OP_pow:
        break;
    default:
        *folded = false;
        return true;
    }
    const bool ints = is_int(args[0]) && is_int(args[1]) && tag != OP_divide;
    if (ints && !(tag == OP_pow && int_of(args[1]) < 0)) {
        return int_arithmetic(b, tag, int_of(args[0]), int_of(args[1]), out);
    }
    return float_arithmetic(b, tag, float_of(args[0]), float_of(args[1]), out);
}

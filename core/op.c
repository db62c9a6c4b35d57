/* The op table and its names. What an op means stands in its own block, in its family's file. */
#include "core/op.h"

#include <pthread.h>
#include <string.h>

#include "core/emit.h"

/* The two leaves have no rule: the tape makes them itself. */
const struct op op_const = {
    .name = "const", .notation = "a value written in the graph", .kind = OP_INTERNAL};
const struct op op_input = {
    .name = "input", .notation = "a value bound when the plan runs", .kind = OP_INTERNAL};

#define OP(id) extern const struct op op_##id;
#include "core/op_list.h"
#undef OP

const struct op *const op_table[OP_COUNT] = {
#define OP(id) [OP_##id] = &op_##id,
#include "core/op_list.h"
#undef OP
};

/* An op belongs to the FAMILY that stands last before it: lines of op_list.h tell. */
const char *op_family(int tag) {
    static const struct {
        int line;
        const char *title;
    } families[] = {
#undef FAMILY
#define OP(id)
#define FAMILY(title) {__LINE__, title},
#include "core/op_list.h"
#undef OP
#undef FAMILY
    };
    static const int line_of[OP_COUNT] = {
#define OP(id) [OP_##id] = __LINE__,
#include "core/op_list.h"
#undef OP
    };
    size_t i = sizeof families / sizeof *families - 1;
    while (i > 0 && families[i].line > line_of[tag]) i--;
    return families[i].title;
}

bool op_differentiable(const struct op *op, int i) {
    const enum param_kind kind = op->params[i].kind;
    if (kind != PARAM_TENSOR && kind != PARAM_TENSORS) return false;
    if (op->inert >> i & 1 || op->flags & OP_UNRECORDED) return false;
    return op->kind == OP_COMPOSITE || op->partial || op->vjp;
}

unsigned op_dtypes(const struct op *op) {
    unsigned dtypes = op->dtypes;
    for (int d = 0; d < DTYPE_COUNT; d++) dtypes |= (unsigned)op_runs(op, (enum dtype)d) << d;
    if (dtypes) return dtypes;
    return op->kind == OP_COMPOSITE ? DTYPES_FLOATS : DTYPES_ALL;
}

const char *op_preset(const struct op *op, int i) {
    if (op->preset[i]) return op->preset[i];
    return op->params[i].kind == PARAM_BOOL ? "False" : "None";
}

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"sum", "reduce_sum"},
    {"mean", "reduce_mean"},
    {"max", "reduce_max"},
    {"min", "reduce_min"},
    {"prod", "reduce_prod"},
    {"amax", "reduce_max"},
    {"amin", "reduce_min"},
    {"mul", "multiply"},
    {"sub", "subtract"},
    {"div", "divide"},
    {"truediv", "divide"},
    {"true_divide", "divide"},
    {"neg", "negative"},
    {"power", "pow"},
    {"ln", "log"},
    {"absolute", "abs"},
    {"fabs", "abs"},
    {"expit", "sigmoid"},
    {"concatenate", "concat"},
    {"flip", "reverse"},
    {"arange", "range"},
    {"tensor_scatter_update", "tensor_scatter_nd_update"},
    {"tensor_scatter_add", "tensor_scatter_nd_add"},
    {"matrix_diag", "diag"},
    {"matrix_diag_part", "diag_part"},
    {"matrix_set_diag", "set_diag"},
    {"matrix_band_part", "band_part"},
    {"floor_divide", "floordiv"},
    {"floormod", "mod"},
    {"remainder", "mod"},
    {"mul_no_nan", "multiply_no_nan"},
    {"var", "reduce_variance"},
    {"std", "reduce_std"},
    {"any", "reduce_any"},
    {"all", "reduce_all"},
    {"logsumexp", "reduce_logsumexp"},
    {"euclidean_norm", "reduce_euclidean_norm"},
    {"mse", "mean_squared_error"},
    {"mae", "mean_absolute_error"},
    {"mape", "mean_absolute_percentage_error"},
    {"msle", "mean_squared_logarithmic_error"},
    {"arcsin", "asin"},
    {"arccos", "acos"},
    {"arctan", "atan"},
    {"arcsinh", "asinh"},
    {"arccosh", "acosh"},
    {"arctanh", "atanh"},
    {"arctan2", "atan2"},
    {"rint", "round"},
    {"div_no_nan", "divide_no_nan"},
    {"clip", "clip_by_value"},
    {"isnan", "is_nan"},
    {"isinf", "is_inf"},
    {"isfinite", "is_finite"},
    {"swish", "silu"},
    {"hard_swish", "hard_silu"},
    {"psi", "digamma"},
    {"gammaln", "lgamma"},
    {"i0", "bessel_i0"},
    {"gammainc", "igamma"},
    {"gammaincc", "igammac"},
    {"self_adjoint_eig", "eigh"},
    {"self_adjoint_eigvals", "eigvalsh"},
    {"matrix_solve_ls", "lstsq"},
    {"matrix_exp", "expm"},
    {"matrix_exponential", "expm"},
    {"double_exponential_lpdf", "laplace_lpdf"},
    {"inverse_gamma_lpdf", "inv_gamma_lpdf"},
    {"max_pool1d", "max_pool"},
    {"max_pool2d", "max_pool"},
    {"max_pool3d", "max_pool"},
    {"avg_pool1d", "avg_pool"},
    {"avg_pool2d", "avg_pool"},
    {"avg_pool3d", "avg_pool"},
    {"lrn", "local_response_normalization"},
    {"accumulate_n", "add_n"},
    {"adjoint", "matrix_transpose"},
    {"stateless_random_uniform", "stateless_uniform"},
    {"stateless_random_normal", "stateless_normal"},
    {"inv", "inverse"},
    {"matrix_inverse", "inverse"},
    {"matrix_determinant", "det"},
    {"log_matrix_determinant", "slogdet"},
    {"matrix_solve", "solve"},
    {"matrix_triangular_solve", "triangular_solve"},
};
enum { N_ALIASES = sizeof aliases / sizeof aliases[0], SLOTS = 1024, NAMES_MAX = 512 };

static const char *const prefixes[] = {
    "tf.math.special.", "tf.math.", "tf.nn.experimental.", "tf.nn.", "tf.linalg.",
    "tf.random.",       "tf.",      "np.linalg.",          "np."};

static struct {
    const char *name;
    uint32_t hash;
    int16_t op;
} slots[SLOTS];
static const char *callable[NAMES_MAX];
static size_t n_callable;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t hash_of(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

static void enter(const char *name, int op) {
    uint32_t h = hash_of(name), i = h % SLOTS;
    while (slots[i].name) i = (i + 1) % SLOTS;
    slots[i].name = name;
    slots[i].hash = h;
    slots[i].op = (int16_t)op;
    callable[n_callable++] = name;
}

static int look_up(const char *name) {
    uint32_t h = hash_of(name);
    for (uint32_t i = h % SLOTS; slots[i].name; i = (i + 1) % SLOTS)
        if (slots[i].hash == h && strcmp(slots[i].name, name) == 0) return slots[i].op;
    return -1;
}

static void enter_all(void) {
    _Static_assert(OP_COUNT + N_ALIASES < NAMES_MAX, "the name table is too small");
    for (int op = 0; op < OP_COUNT; op++)
        if (op_table[op]->kind != OP_INTERNAL) enter(op_table[op]->name, op);
    for (size_t i = 0; i < N_ALIASES; i++) enter(aliases[i].alias, look_up(aliases[i].name));
}

int op_find(const char *name) {
    pthread_once(&once, enter_all);
    int op = look_up(name);
    for (size_t i = 0; op < 0 && i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t n = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], n) == 0) op = look_up(name + n);
    }
    return op;
}

const char *op_nearest(const char *name) {
    pthread_once(&once, enter_all);
    return name_nearest(name, callable, n_callable);
}

bool op_alias(size_t i, const char **alias, const char **name) {
    if (i >= N_ALIASES) return false;
    *alias = aliases[i].alias;
    *name = aliases[i].name;
    return true;
}

/* Dtypes, shapes and tensors: row-major arrays of at most RANK_MAX axes. */
#ifndef GRADD_CORE_TENSOR_H
#define GRADD_CORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RANK_MAX = 8 };

/* tag, C type, name on the wire, differentiable ("trainable" in TensorFlow's words) */
#define DTYPES(X)                                                                                  \
    X(F32, float, "float32", true)                                                                 \
    X(F64, double, "float64", true)                                                                \
    X(I32, int32_t, "int32", false)                                                                \
    X(I64, int64_t, "int64", false)                                                                \
    X(BOOL, uint8_t, "bool", false)

enum dtype {
#define DTYPE_ENUM(tag, type, name, trainable) DTYPE_##tag,
    DTYPES(DTYPE_ENUM)
#undef DTYPE_ENUM
        DTYPE_COUNT
};

size_t dtype_size(enum dtype d);
const char *dtype_name(enum dtype d);
bool dtype_is_float(enum dtype d);
/* Finds a dtype by its name; false where there is none. */
bool dtype_find(const char *name, enum dtype *out);

struct shape {
    int32_t rank;
    int64_t dim[RANK_MAX]; /* only the first `rank` entries mean anything */
};

extern const struct shape shape_scalar;

/* Number of elements. Overflow has been refused where a shape was made, so this cannot overflow. */
int64_t shape_count(const struct shape *s);
/* Like shape_count, but true only where the product of the dimensions is at most `most`, and where the
 * other axes of an empty tensor are not too long for any arithmetic. */
bool shape_count_within(const struct shape *s, int64_t most, int64_t *count);
bool shape_equal(const struct shape *a, const struct shape *b);
/* NumPy's broadcasting of two shapes; false where they do not broadcast. */
bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *out);

/* Writes "(2,3)", "(4,)" or "()" and returns `text`. */
enum { SHAPE_TEXT = 24 * RANK_MAX };
const char *shape_text(const struct shape *s, char text[SHAPE_TEXT]);
/* The same as Python prints a tuple: "(2, 3)". */
const char *shape_tuple(const struct shape *s, char text[SHAPE_TEXT]);
/* "[2,3]", as TensorFlow's kernels print shapes. */
const char *shape_brackets(const struct shape *s, char text[SHAPE_TEXT]);

/* A view of row-major elements. Who owns `data` is said where the tensor is handed over. */
struct tensor {
    enum dtype dtype;
    struct shape shape;
    void *data;
};

size_t tensor_bytes(const struct tensor *t);

#endif

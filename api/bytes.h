/* Tensors as they stand in files: raw bytes, and NumPy's .npy. */
#ifndef GRADD_API_BYTES_H
#define GRADD_API_BYTES_H

#include "core/arena.h"
#include "core/error.h"
#include "core/tensor.h"

/* Whether the bytes begin as a .npy file does. */
bool npy_is(const char *bytes, size_t n);

/* Reads a .npy file, version 1 or 2, of <f4, <f8, <i4, <i8 or |b1; a Fortran-ordered one is put in
 * row-major order. At most `most` elements. False after a failure. */
bool npy_read(struct arena *arena, const char *bytes, size_t n, int64_t most, struct tensor *out,
              struct error *error);

/* Reads little-endian elements in row-major order; out's dtype and shape say which, and a rank of -1
 * that they are one axis. */
bool bytes_read(struct arena *arena, const char *bytes, size_t n, int64_t most, struct tensor *out,
                struct error *error);

/* Reads "2,3" (and "" or "()" for a scalar) as a shape. */
bool shape_parse(const char *text, struct shape *out, struct error *error);

#endif

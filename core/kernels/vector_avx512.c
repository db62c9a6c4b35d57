/* SLEEF's functions for processors with AVX-512F. */
#include <immintrin.h>

#define VECTOR_SET vector_avx512
#define VECTOR_NAME "avx512f"
#define VECTOR_KIND finz
#define VECTOR_EXTENSION avx512f
#define VECTOR_ALONE purecfma
#define VECTOR_WIDTH_F32 16
#define VECTOR_WIDTH_F64 8
#define VECTOR_F32 __m512
#define VECTOR_F64 __m512d

#include "core/kernels/vector_loops.h"

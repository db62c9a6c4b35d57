/* SLEEF's functions for processors with AVX2 and FMA. */
#include <immintrin.h>

#define VECTOR_SET vector_avx2
#define VECTOR_NAME "avx2"
#define VECTOR_KIND finz
#define VECTOR_EXTENSION avx2
#define VECTOR_ALONE purecfma
#define VECTOR_WIDTH_F32 8
#define VECTOR_WIDTH_F64 4
#define VECTOR_F32 __m256
#define VECTOR_F64 __m256d

#include "core/kernels/vector_loops.h"

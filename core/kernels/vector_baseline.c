/* SLEEF's functions for every processor of the architecture: SSE2 on x86-64, Advanced SIMD on arm64. */
#if defined(__x86_64__)
#include <emmintrin.h>
#define VECTOR_NAME "sse2"
#define VECTOR_KIND cinz
#define VECTOR_EXTENSION sse2
#define VECTOR_ALONE purec
#define VECTOR_F32 __m128
#define VECTOR_F64 __m128d
#elif defined(__aarch64__)
#include <arm_neon.h>
#define VECTOR_NAME "advsimd"
#define VECTOR_KIND finz
#define VECTOR_EXTENSION advsimd
#define VECTOR_ALONE purecfma
#define VECTOR_F32 float32x4_t
#define VECTOR_F64 float64x2_t
#endif
#define VECTOR_SET vector_baseline
#define VECTOR_WIDTH_F32 4
#define VECTOR_WIDTH_F64 2

#include "core/kernels/vector_loops.h"

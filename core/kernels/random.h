/* Random numbers without state: a number is a function of a seed and a place, the same bits on every
 * machine that has IEEE arithmetic.
 *
 * The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC11). A seed is two int64 numbers s0, s1. Element i (row-major) takes 64 bits x: words
 * 2 (i mod 2) (low) and 2 (i mod 2) + 1 (high) of the block with
 *     key      low s0, high s0
 *     counter  floor(i / 2), attempt, low s1, high s1
 * where low and high are halves of 32 bits, and attempt is 0 but for integers:
 *     uniform float32    the upper 24 bits of x times 2^-24
 *     uniform float64    the upper 53 bits of x times 2^-53
 *     normal             the quantile, in double, of (the upper 52 bits of x + 1/2) times 2^-52
 *     truncated normal   the quantile of 1/2 + (u - 1/2) (Phi(2) - Phi(-2)), u as for normal
 *     integers           min + x mod (max - min); an x beyond the last multiple of max - min is not
 *                        taken, and attempt grows by 1 */
#ifndef GRADD_CORE_KERNELS_RANDOM_H
#define GRADD_CORE_KERNELS_RANDOM_H

#include <stdint.h>

/* One block of Philox4x32-10: four words from a counter and a key. */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The 64 bits of element i. */
uint64_t random_bits(const int64_t seed[2], uint64_t i, uint32_t attempt);

/* What the bits become: in [0, 1), in (-inf, inf), in [-2, 2]. */
float random_uniform_float(uint64_t bits);
double random_uniform_double(uint64_t bits);
double random_normal(uint64_t bits);
double random_truncated_normal(uint64_t bits);

/* Element i of integers in [min, max), min < max, each equally probable. */
int64_t random_integer(const int64_t seed[2], uint64_t i, int64_t min, int64_t max);

#endif

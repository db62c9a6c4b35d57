/* The random generator: its authors' vectors, numbers that must never change, and how they are
 * distributed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernels/random.h"

enum { SAMPLES = 200000 };

/* Known answers of the Random123 library (its file kat_vectors): counter, key, result. */
static void philox_gives_its_authors_vectors(void **state) {
    (void)state;
    static const uint32_t vectors[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint32_t out[4];
        random_philox(vectors[i], vectors[i] + 4, out);
        assert_memory_equal(out, vectors[i] + 6, sizeof out);
    }
}

static void uniforms_lie_in_the_half_open_interval(void **state) {
    (void)state;
    assert_true(random_uniform_float(UINT64_MAX) == 1 - 0x1p-24f);
    assert_true(random_uniform_double(UINT64_MAX) == 1 - 0x1p-53);
    assert_true(random_uniform_float(0) == 0 && random_uniform_double(0) == 0);
}

static void normals_are_finite_and_symmetric(void **state) {
    (void)state;
    for (int k = 0; k < 64; k++) {
        const uint64_t bits = UINT64_C(1) << k;
        assert_true(isfinite(random_normal(bits)));
        assert_true(random_normal(bits) == -random_normal(~bits));
        assert_true(fabs(random_truncated_normal(bits)) <= 2);
        assert_true(random_truncated_normal(bits) == -random_truncated_normal(~bits));
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double normal_cdf(double x) { return erfc(-x / sqrt(2)) / 2; }
static double truncated_cdf(double x) {
    return (normal_cdf(x) - normal_cdf(-2)) / (normal_cdf(2) - normal_cdf(-2));
}
static double uniform_cdf(double x) { return x; }
static double float_of(uint64_t bits) { return random_uniform_float(bits); }

/* Kolmogorov and Smirnov: the largest distance between the sample's distribution and the true one is
 * below 1.63 / sqrt(n) with a probability of 99%. Moments lie within three standard errors. */
static void distributions_are_what_they_are_called(void **state) {
    (void)state;
    static const struct {
        double (*draw)(uint64_t bits), (*cdf)(double x);
        double mean, variance, fourth; /* the last about the mean */
    } kinds[] = {{random_uniform_double, uniform_cdf, 0.5, 1.0 / 12, 1.0 / 80},
                 {float_of, uniform_cdf, 0.5, 1.0 / 12, 1.0 / 80},
                 {random_normal, normal_cdf, 0, 1, 3},
                 {random_truncated_normal, truncated_cdf, 0, 0.77374130, 1.41618912}};
    double *x = malloc(SAMPLES * sizeof *x);
    if (!x) abort();
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (int64_t seed = 1; seed <= 3; seed++) {
            double sum = 0, squares = 0, worst = 0;
            for (int i = 0; i < SAMPLES; i++) {
                x[i] = kinds[k].draw(random_bits((int64_t[2]){seed, -seed}, (uint64_t)i, 0));
                const double d = x[i] - kinds[k].mean;
                sum += d;
                squares += d * d;
            }
            qsort(x, SAMPLES, sizeof *x, compare);
            for (int i = 0; i < SAMPLES; i++) {
                const double p = kinds[k].cdf(x[i]);
                worst = fmax(worst, fmax((i + 1.0) / SAMPLES - p, p - (double)i / SAMPLES));
            }
            const double v = kinds[k].variance, of_square = kinds[k].fourth - v * v;
            assert_true(worst < 1.63 / sqrt(SAMPLES));
            assert_true(fabs(sum / SAMPLES) < 3 * sqrt(v / SAMPLES));
            assert_true(fabs(squares / SAMPLES - v) < 3 * sqrt(of_square / SAMPLES));
        }
    }
    free(x);
}

/* A range that does not divide 2^64 shows the bias of a plain remainder; chi squared of 5 degrees of
 * freedom is below 20.5 with a probability of 99.9%. */
static void integers_are_equally_probable(void **state) {
    (void)state;
    const int64_t seed[2] = {7, 11},
                  wide = INT64_MAX / 2 + 1; /* 3/4 of all: a quarter is redrawn */
    int64_t counts[6] = {0}, thirds[3] = {0};
    double chi = 0, chi_wide = 0;
    for (uint64_t i = 0; i < 60000; i++) {
        const int64_t y = random_integer(seed, i, -2, 4);
        assert_true(y >= -2 && y < 4);
        counts[y + 2]++;
        const int64_t z = random_integer(seed, i, INT64_MIN, wide);
        assert_true(z < wide);
        thirds[((uint64_t)z - (uint64_t)INT64_MIN) >> 62]++;
    }
    for (int k = 0; k < 6; k++) chi += pow((double)counts[k] - 10000, 2) / 10000;
    for (int k = 0; k < 3; k++) chi_wide += pow((double)thirds[k] - 20000, 2) / 20000;
    assert_true(chi < 20.5 && chi_wide < 13.8);
    assert_int_equal(random_integer(seed, 0, 5, 6), 5);
}

static void elements_are_uncorrelated(void **state) {
    (void)state;
    double next = 0, seeds = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const double x = random_normal(random_bits((int64_t[2]){1, 2}, (uint64_t)i, 0));
        next += x * random_normal(random_bits((int64_t[2]){1, 2}, (uint64_t)i + 1, 0));
        seeds += x * random_normal(random_bits((int64_t[2]){1, 3}, (uint64_t)i, 0));
    }
    assert_true(fabs(next) < 3 * sqrt(SAMPLES) && fabs(seeds) < 3 * sqrt(SAMPLES));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_its_authors_vectors),
        cmocka_unit_test(uniforms_lie_in_the_half_open_interval),
        cmocka_unit_test(normals_are_finite_and_symmetric),
        cmocka_unit_test(distributions_are_what_they_are_called),
        cmocka_unit_test(integers_are_equally_probable),
        cmocka_unit_test(elements_are_uncorrelated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

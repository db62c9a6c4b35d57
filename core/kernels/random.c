/* The generator and its distributions, as random.h defines them. No function of the C library that may
 * differ between machines is called: the quantile brings its own logarithm. */
#include "core/kernels/random.h"

#include <math.h>

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

uint64_t random_bits(const int64_t seed[2], uint64_t i, uint32_t attempt) {
    const uint64_t s0 = (uint64_t)seed[0], s1 = (uint64_t)seed[1];
    const uint32_t key[2] = {(uint32_t)s0, (uint32_t)(s0 >> 32)};
    const uint32_t counter[4] = {(uint32_t)(i / 2), attempt, (uint32_t)s1, (uint32_t)(s1 >> 32)};
    uint32_t word[4];
    random_philox(counter, key, word);
    const uint64_t first = 2 * (i % 2);
    return word[first] | (uint64_t)word[first + 1] << 32;
}

float random_uniform_float(uint64_t bits) { return (float)(bits >> 40) * 0x1p-24f; }
double random_uniform_double(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

/* log x = e log 2 + log m by log m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172. */
static double logarithm(double x) {
    int e;
    double m = frexp(x, &e);
    if (m < 0x1.6a09e667f3bcdp-1) m *= 2, e--;
    const double s = (m - 1) / (m + 1), z = s * s;
    double series = 0;
    for (int k = 23; k >= 3; k -= 2) series = (series + 1.0 / k) * z;
    return e * 0x1.62e42fefa39efp-1 + 2 * (s + s * series);
}

static double ratio(const double *numerator, const double *denominator, double r) {
    double n = numerator[7], d = denominator[7];
    for (int i = 6; i >= 0; i--) {
        n = n * r + numerator[i];
        d = d * r + denominator[i];
    }
    return n / d;
}

/* The quantile at p = 1/2 + q, whose distance to the nearer of 0 and 1 is `tail`.
 * Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37
 * (1988), PPND16: relative error about 1e-16. */
static double quantile(double q, double tail) {
    static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                               1.9715909503065514427e+3, 1.3731693765509461125e+4,
                               4.5921953931549871457e+4, 6.7265770927008700853e+4,
                               3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[] = {1,
                               4.2313330701600911252e+1,
                               6.8718700749205790830e+2,
                               5.3941960214247511077e+3,
                               2.1213794301586595867e+4,
                               3.9307895800092710610e+4,
                               2.8729085735721942674e+4,
                               5.2264952788528545610e+3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                               5.76949722146069140550e0,  3.64784832476320460504e0,
                               1.27045825245236838258e0,  2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {1,
                               2.05319162663775882187e0,
                               1.67638483018380384940e0,
                               6.89767334985100004550e-1,
                               1.48103976427480074590e-1,
                               1.51986665636164571966e-2,
                               5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {1,
                               5.99832206555887937690e-1,
                               1.36929880922735805310e-1,
                               1.48753612908506148525e-2,
                               7.86869131145613259100e-4,
                               1.84631831751005468180e-5,
                               1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    if (fabs(q) <= 0.425) return q * ratio(a, b, 0.180625 - q * q);
    const double r = sqrt(-logarithm(tail));
    return copysign(r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5), q);
}

double random_normal(uint64_t bits) {
    const double u = ((double)(bits >> 12) + 0.5) * 0x1p-52;
    return quantile(u - 0.5, u < 0.5 ? u : 1 - u);
}

double random_truncated_normal(uint64_t bits) {
    static const double mass = 0x1.e8b4307d3627ap-1; /* Phi(2) - Phi(-2) */
    const double q = (((double)(bits >> 12) + 0.5) * 0x1p-52 - 0.5) * mass;
    return quantile(q, 0.5 - fabs(q));
}

int64_t random_integer(const int64_t seed[2], uint64_t i, int64_t min, int64_t max) {
    const uint64_t range = (uint64_t)max - (uint64_t)min, excess = -range % range;
    uint64_t bits;
    uint32_t attempt = 0;
    do {
        bits = random_bits(seed, i, attempt++);
    } while (bits > UINT64_MAX - excess && attempt);
    return (int64_t)((uint64_t)min + bits % range);
}

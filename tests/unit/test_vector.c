/* The elementary functions that run as vectors: within an ulp of libm's in higher precision at every kind of
 * argument, and the same bits alone, in runs of any length, in cells, and on every set of instructions with
 * FMA. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/kernels/vector.h"

static const char *const names[] = {
#define X(name, ...) #name,
    VECTOR_FUNCTIONS(X)
#undef X
};

static long double (*const exact[])(long double) = {
#define X(name, ...) name##l,
    VECTOR_FUNCTIONS(X)
#undef X
};

/* ulps between y, of a significand of `bits` and a least exponent, and the exact value. Whoever loses the
 * last bit of a subnormal number, or a sign, is wrong without end. */
static double error_of(double y, long double is, int bits, int least) {
    int exponent;
    if (is == 0) return y == 0 && !signbit(y) == !signbit(is) ? 0 : INFINITY;
    if (isnan(y) || isnan(is)) return isnan(y) && isnan(is) ? 0 : INFINITY;
    if (isinf(y)) return isinf(is) && (is < 0) == (y < 0) ? 0 : INFINITY;
    frexpl(is, &exponent);
    const bool subnormal = exponent - bits < least;
    const double error =
        (double)fabsl(ldexpl((long double)y - is, subnormal ? -least : bits - exponent));
    const bool lost = !signbit(y) != !signbit(is) || (subnormal && error > 0.75);
    return lost ? INFINITY : error;
}

static double float_error(float y, long double is) {
    if (isinf(y) && fabsl(is) > 0x1.fffffep127L) return (y < 0) == (is < 0) ? 0 : INFINITY;
    return error_of((double)y, is, 24, -149);
}

static double double_error(double y, long double is) {
    if (isinf(y) && fabsl(is) > 0x1.fffffffffffffp1023L) return (y < 0) == (is < 0) ? 0 : INFINITY;
    return error_of(y, is, 53, -1074);
}

static bool is_good_in_float32(const struct vector_math *m) {
    enum { N = 4096 };
    const char *stride = getenv("GRADD_TEST_STRIDE");
    const uint64_t step = stride ? strtoull(stride, NULL, 10) : 9973;
    bool good = true;
    for (int f = 0; f < VECTOR_COUNT; f++) {
        double worst = 0;
        float at = 0;
        for (uint64_t bits = 0; bits < UINT64_C(1) << 32;) {
            float x[N], y[N];
            int n = 0;
            for (; n < N && bits < UINT64_C(1) << 32; n++, bits += step) {
                const uint32_t low = (uint32_t)bits;
                memcpy(&x[n], &low, 4);
            }
            m->many_F32[f](n, y, x);
            for (int i = 0; i < n; i++) {
                const double error = float_error(y[i], exact[f]((long double)x[i]));
                if (error > worst) worst = error, at = x[i];
            }
        }
        if (worst > 1.01) good = false;
        print_message("%s: %-6s float32: %.3f ulp at %a\n", m->name, names[f], worst, (double)at);
    }
    return good;
}

/* Arguments of every exponent, and of those that are usual. */
static double draw(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint64_t z = *state ^ *state >> 29;
    double x;
    if (z & 1) return ((double)(z >> 11) * 0x1p-52 - 1) * (z & 2 ? 1 : z & 4 ? 40 : 800);
    memcpy(&x, &z, sizeof x);
    return x;
}

static bool is_good_in_float64(const struct vector_math *m) {
    enum { N = 300000 };
    static const double special[] = {0.0,
                                     -0.0,
                                     1,
                                     -1,
                                     INFINITY,
                                     -INFINITY,
                                     NAN,
                                     5e-324,
                                     -5e-324,
                                     0x1p-1022,
                                     0x1.fffffffffffffp1023,
                                     -0x1.fffffffffffffp1023,
                                     709.782712893384,
                                     709.9,
                                     -745.2,
                                     -744.9,
                                     1e22,
                                     1e300,
                                     710.4};
    enum { SPECIAL = sizeof special / sizeof *special };
    bool good = true;
    for (int f = 0; f < VECTOR_COUNT; f++) {
        static double x[N], y[N];
        uint64_t state = 1;
        double worst = 0, at = 0;
        for (int i = 0; i < N; i++) x[i] = i < SPECIAL ? special[i] : draw(&state);
        m->many_F64[f](N, y, x);
        for (int i = 0; i < N; i++) {
            const double error = double_error(y[i], exact[f]((long double)x[i]));
            if (error > worst) worst = error, at = x[i];
        }
        if (worst > 1.01) good = false;
        print_message("%s: %-6s float64: %.3f ulp at %a\n", m->name, names[f], worst, at);
    }
    return good;
}

static void every_set_is_within_an_ulp_everywhere(void **unused) {
    (void)unused;
    const struct vector_math *m;
    for (int i = 0; (m = vector_choice(i)); i++) {
        assert_true(is_good_in_float64(m));
        assert_true(is_good_in_float32(m));
    }
}

/* Of one set, alone and in runs; and the bits of the set that was chosen, where both have FMA. */
static void check_set(const struct vector_math *m, bool as_chosen) {
    enum { N = 1003 };
    static double x[N], y[N], z[N];
    static float u[N], v[N], w[N];
    uint64_t state = 7;
    for (int i = 0; i < N; i++) {
        x[i] = draw(&state);
        u[i] = (float)x[i];
    }
    for (int f = 0; f < VECTOR_COUNT; f++) {
        m->many_F64[f](N, y, x);
        m->many_F32[f](N, v, u);
        /* A NaN has no sign. */
        for (int i = 0; i < N; i++)
            if (isnan(y[i]) || isnan(v[i])) x[i] = u[i] = 0.5F;
        m->many_F64[f](N, y, x);
        m->many_F32[f](N, v, u);
        for (int n = 1; n <= N; n = 2 * n + 1) {
            m->many_F64[f](n, z, x + N - n);
            assert_memory_equal(z, y + N - n, (size_t)n * sizeof *z);
            m->many_F32[f](n, w, u + N - n);
            assert_memory_equal(w, v + N - n, (size_t)n * sizeof *w);
        }
        for (int i = 0; i < N; i++) {
            z[i] = m->one_F64[f](x[i]);
            w[i] = m->one_F32[f](u[i]);
        }
        assert_memory_equal(z, y, sizeof y);
        assert_memory_equal(w, v, sizeof v);
        if (!as_chosen) continue;
        vector_math->many_F64[f](N, z, x);
        vector_math->many_F32[f](N, w, u);
        assert_memory_equal(z, y, sizeof y);
        assert_memory_equal(w, v, sizeof v);
    }
}

static void an_element_is_the_same_alone_and_in_any_run(void **unused) {
    (void)unused;
    const struct vector_math *m;
    for (int i = 0; (m = vector_choice(i)); i++) check_set(m, strcmp(m->name, "sse2") != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_is_the_same_alone_and_in_any_run),
        cmocka_unit_test(every_set_is_within_an_ulp_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

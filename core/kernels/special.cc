// Special functions over Boost.Math. This file owns what they answer at poles, at infinities and outside
// their domains, and the few that Boost lacks. It allocates nothing and lets no exception out.
#include "core/kernels/special.h"

#include <cmath>
#include <limits>

#include <boost/math/special_functions/bessel.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/expint.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <boost/math/special_functions/polygamma.hpp>

namespace {

namespace bm = boost::math;
namespace bp = boost::math::policies;

// Every error becomes a value: an infinity, a zero or NaN.
using quiet =
    bp::policy<bp::domain_error<bp::ignore_error>, bp::pole_error<bp::ignore_error>,
               bp::overflow_error<bp::ignore_error>, bp::underflow_error<bp::ignore_error>,
               bp::denorm_error<bp::ignore_error>, bp::evaluation_error<bp::ignore_error>,
               bp::rounding_error<bp::ignore_error>,
               bp::indeterminate_result_error<bp::ignore_error>>;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr long double pi = 3.14159265358979323846264338327950288L;

template <class F> double quietly(F f) noexcept {
    try {
        return static_cast<double>(f());
    } catch (...) {
        return nan_value;
    }
}

bool is_whole(double x) { return x == std::floor(x); }

// Hurwitz zeta of s > 1 and q > 0 by Euler and Maclaurin, as in Moshier's cephes (zeta.c): the first terms one by
// one, and from a on the integral, half a term, and the derivatives with B_2j / (2j)!.
long double hurwitz(long double s, long double q) {
    static const long double factorials_over_bernoulli[] = {
        12.0L,
        -720.0L,
        30240.0L,
        -1209600.0L,
        47900160.0L,
        -1307674368000.0L / 691,
        74724249600.0L,
        -10670622842880000.0L / 3617,
        5109094217170944000.0L / 43867,
        -802857662698291200000.0L / 174611,
        14101100039391805440000.0L / 77683,
        -1693824136731743669452800000.0L / 236364091,
    };
    long double a = q, term = std::pow(q, -s), sum = term;
    // The quotient of two derivatives' terms is about ((s + 2j) / (2 pi a))^2.
    const long double enough = s + 24 > 1e6L ? 1e6L : s + 24;
    while (a < enough) {
        a += 1;
        term = std::pow(a, -s);
        sum += term;
        if (term <= sum * 1e-21L) return sum;
    }
    sum += term * a / (s - 1) - term / 2;
    long double rising = s;
    for (int j = 0; j < 12; j++) {
        term /= a;
        const long double part = rising * term / factorials_over_bernoulli[j];
        sum += part;
        if (std::fabs(part) <= std::fabs(sum) * 1e-21L) break;
        rising *= (s + 2 * j + 1) * (s + 2 * j + 2);
        term /= a;
    }
    return sum;
}

// Hurwitz zeta of whole s > 1 at q < 0, no integer. Up to order 21 by Boost's reflection; past it what is further
// than 64 from 0 is below the last digit of the nearest term, which is at least 2^s.
long double hurwitz_negative(double s, double q) {
    if (s <= 21) {
        const int n = static_cast<int>(s) - 1;
        const long double p = bm::polygamma(n, static_cast<long double>(q), quiet());
        return (n % 2 ? p : -p) / std::tgamma(static_cast<long double>(s));
    }
    long double sum = 0, a = q;
    if (a < -64) a -= std::ceil(a + 64);
    while (a < 0) {
        sum += std::pow(a, static_cast<long double>(-s));
        a += 1;
    }
    // The first term past 0 may cancel the last before it: it stands apart from the rest.
    sum += std::pow(a, static_cast<long double>(-s));
    return sum + hurwitz(s, a + 1);
}

// I_n e^-|x| and K_n e^x far out, where the functions themselves leave a double's range: Abramowitz and
// Stegun 9.7.1 and 9.7.2; sign is -1 and 1.
long double scaled_far(double n, double x, int sign) {
    const long double mu = 4.0L * n * n;
    long double term = 1, sum = 1;
    for (int k = 1; k < 40; k++) {
        term *= sign * (mu - (2.0L * k - 1) * (2.0L * k - 1)) / (k * 8.0L * x);
        sum += term;
        if (std::fabs(term) <= 1e-21L * std::fabs(sum)) break;
    }
    return sum;
}
constexpr double far = 700;

// For a function that is even or odd in x as its order is.
double with_parity(double n, double x, double y) { return x < 0 && std::fmod(n, 2) != 0 ? -y : y; }

// The incomplete beta function where both parameters are so large that a continued fraction would take
// long: the first two terms of Temme's uniform expansion, DLMF 8.18.9. The third is below 1/(a + b).
constexpr double large = 1e9;
long double betainc_large(long double a, long double b, long double x) {
    const long double n = a + b, x0 = a / n, x1 = b / n, d = x - x0;
    const long double h = x0 * bm::log1pmx(d / x0, quiet()) + x1 * bm::log1pmx(-d / x1, quiet());
    const long double eta = std::copysign(std::sqrt(-2 * h), d), spread = std::sqrt(x0 * x1);
    const long double c0 =
        std::fabs(d) < 1e-9L * x0 * x1 ? (1 - 2 * x0) / (3 * spread) : 1 / eta - spread / d;
    return std::erfc(-eta * std::sqrt(n / 2)) / 2 + std::exp(n * h) / std::sqrt(2 * pi * n) * c0;
}

// P and Q of a > large: the first two terms of Temme's uniform expansion, DLMF 8.12.3 to 8.12.10. Boost's series
// end too early there.
struct tails {
    long double p, q;
};
constexpr double large_igamma = 1e8;
tails igamma_large(long double a, long double x) {
    const long double mu = (x - a) / a;
    const long double eta = std::copysign(std::sqrt(-2 * bm::log1pmx(mu, quiet())), mu);
    const long double c0 = std::fabs(mu) < 1e-9L ? mu / 12 - 1 / 3.0L : 1 / mu - 1 / eta;
    const long double rest = std::exp(-a * eta * eta / 2) / std::sqrt(2 * pi * a) * c0;
    const long double at = eta * std::sqrt(a / 2);
    return {std::erfc(-at) / 2 - rest, std::erfc(at) / 2 + rest};
}

// e^y - 1 - y
long double expm1_less(long double y) {
    if (std::fabs(y) > 0.5L) return std::expm1(y) - y;
    long double term = y * y / 2, sum = term;
    for (int k = 3; k < 30 && term != 0; k++) sum += term *= y / k;
    return sum;
}

// Derivative n by a of the density of u = log t under P, over the density: the complete Bell polynomial of
// the derivatives of its logarithm, which are u - digamma a (here l[0]), -polygamma(1, a), ...
long double bell(int n, const long double *l) {
    long double b[SPECIAL_IGAMMA_ORDERS + 1] = {1};
    for (int m = 0; m < n; m++) {
        long double binomial = 1;
        for (int i = 0; i <= m; i++) {
            b[m + 1] += binomial * b[m - i] * l[i];
            binomial *= static_cast<long double>(m - i) / (i + 1);
        }
    }
    return b[n];
}

// l[k] for k >= 1: derivative k by a of -digamma at `a`.
void fill_slopes(int n, long double a, long double *l) {
    for (int k = 1; k < n; k++) {
        const long double p = std::tgamma(k + 1.0L) * hurwitz(k + 1, a);
        l[k] = k % 2 ? -p : p;
    }
}

// Derivative n of P by a for small x: P is x^a / Gamma(a + 1) times the sum S of a / (a + k) (-x)^k / k!, and
// the derivatives of a product are Leibniz's.
long double igamma_near(long double a, long double x, int n) {
    long double l[SPECIAL_IGAMMA_ORDERS] = {std::log(x) - bm::digamma(a + 1, quiet())};
    fill_slopes(n, a + 1, l);
    long double sum = 0, choose = 1, factorial = 1;
    for (int i = 0; i <= n; i++) {
        long double s = i == 0 ? 1 : 0, power = 1;
        for (int k = 1; k < 40; k++) {
            power *= -x / k;
            const long double c = a + k;
            s += power * (i == 0 ? a / c : (i % 2 ? k : -k) * factorial / std::pow(c, i + 1));
        }
        sum += choose * bell(n - i, l) * s;
        choose *= static_cast<long double>(n - i) / (i + 1);
        factorial *= i + 1;
    }
    int sign;
    return sum * std::exp(a * std::log(x) - lgammal_r(a + 1, &sign));
}

// Derivative n of P by a is the integral of density times Bell polynomial over u from -infinity to log x, or
// minus that from log x to infinity: of the two the one that does not contain the polynomial's root u = digamma a
// where n = 1, so that nothing cancels. Takahasi and Mori's double exponential rule for a
// half line, u = log x -+ width * s with s = exp(tau - e^-tau).
long double igamma_far(long double a, long double x, int n) {
    long double l[SPECIAL_IGAMMA_ORDERS];
    const long double peak = std::log(x) - bm::digamma(a, quiet());
    const long double side = peak > 0 ? 1 : -1;
    const long double width = 1 / (std::fabs(a - x) + std::sqrt(a));
    fill_slopes(n, a, l);
    constexpr long double step = 1.0L / 24;
    long double sum = 0;
    for (int i = -100; i < 150; i++) {
        const long double inner = std::exp(-i * step), s = std::exp(i * step - inner);
        const long double y = side * width * s, fall = (a - x) * y - x * expm1_less(y);
        l[0] = peak + y;
        sum += std::exp(fall) * bell(n, l) * (1 + inner) * s;
        if (fall < -120) break;
    }
    return -side * sum * step * width * x * bm::gamma_p_derivative(a, x, quiet());
}

// Li2 of z <= 1/2, z >= -1/2: the series of Bernoulli numbers in u = -log(1 - z).
long double dilog_near(long double z) {
    static const long double bernoulli[] = {// B_2k / (2k + 1)!
                                            1.0L / 36,
                                            -1.0L / 3600,
                                            1.0L / 211680,
                                            -1.0L / 10886400,
                                            1.0L / 526901760,
                                            -691.0L / 16999766784000.0L,
                                            1.0L / 1120863744000.0L,
                                            -3617.0L / 181400588328960000.0L,
                                            43867.0L / 97072790126247936000.0L,
                                            -174611.0L / 16860010916664115200000.0L};
    const long double u = -std::log1p(-z), square = u * u;
    long double power = u, sum = u - square / 4;
    for (const long double b : bernoulli) {
        power *= square;
        sum += b * power;
    }
    return sum;
}

} // namespace

double special_lgamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

double special_digamma(double x) {
    if (std::isnan(x) || (x <= 0 && is_whole(x))) return nan_value;
    if (x == infinity) return x;
    return quietly([=] { return bm::digamma(static_cast<long double>(x), quiet()); });
}

double special_polygamma(double n, double x) {
    if (std::isnan(x) || !(n >= 0 && n <= 1000 && is_whole(n))) return nan_value;
    if (n == 0) return special_digamma(x);
    const double sign = std::fmod(n, 2) != 0 ? 1 : -1;
    if (x == infinity) return sign * 0.0;
    if (x <= 0 && is_whole(x)) return sign > 0 ? infinity : nan_value;
    return quietly([=] {
        const long double z = x > 0 ? hurwitz(n + 1, x) : hurwitz_negative(n + 1, x);
        return sign * std::tgamma(static_cast<long double>(n) + 1) * z;
    });
}

double special_zeta(double s, double q) {
    if (std::isnan(s) || std::isnan(q) || s < 1) return nan_value;
    if (s == 1) return infinity;
    if (q <= 0) {
        const bool even = std::fmod(s, 2) == 0;
        if (is_whole(q)) return even ? infinity : nan_value;
        if (!is_whole(s) || s == infinity) return nan_value;
        return quietly([=] { return hurwitz_negative(s, q); });
    }
    if (q == infinity) return 0;
    if (s == infinity) return q > 1 ? 0 : q == 1 ? 1 : infinity;
    return quietly([=] { return hurwitz(s, q); });
}

double special_erfinv(double x) {
    if (!(x >= -1 && x <= 1)) return nan_value;
    if (x == 1 || x == -1) return x * infinity;
    return quietly([=] { return bm::erf_inv(x, quiet()); });
}

double special_ndtri(double p) {
    if (!(p >= 0 && p <= 1)) return nan_value;
    if (p == 0 || p == 1) return p == 0 ? -infinity : infinity;
    return quietly([=] {
        return -1.41421356237309504880168872420969808L *
               bm::erfc_inv(2 * static_cast<long double>(p), quiet());
    });
}

double special_igamma(double a, double x) {
    if (x == 0 && a >= 0) return 0;
    if (!(a > 0 && x >= 0)) return nan_value;
    if (a == infinity || x == infinity) return a == infinity ? 0 : 1;
    if (a > large_igamma) return quietly([=] { return igamma_large(a, x).p; });
    return quietly([=] { return bm::gamma_p(a, x, quiet()); });
}

double special_igammac(double a, double x) {
    if (!(a > 0 && x >= 0)) return nan_value;
    if (x == 0 || a == infinity || x == infinity) return x == 0 || a == infinity;
    if (a > large_igamma) return quietly([=] { return igamma_large(a, x).q; });
    return quietly([=] { return bm::gamma_q(a, x, quiet()); });
}

double special_igamma_dx(double a, double x) {
    if (!(a > 0 && x >= 0)) return nan_value;
    if (a == infinity || x == infinity) return 0;
    if (x == 0) return a > 1 ? 0 : a == 1 ? 1 : infinity;
    return quietly([=] {
        return bm::gamma_p_derivative(static_cast<long double>(a), static_cast<long double>(x),
                                      quiet());
    });
}

double special_igamma_da(double a, double x, double n) {
    if (!(a > 0 && x >= 0 && n >= 1 && n <= int{SPECIAL_IGAMMA_ORDERS})) return nan_value;
    if (x == 0 || a == infinity || x == infinity) return 0;
    return quietly([=] {
        return x < 1.5 ? igamma_near(a, x, static_cast<int>(n))
                       : igamma_far(a, x, static_cast<int>(n));
    });
}

double special_betainc(double a, double b, double x) {
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return nan_value;
    if (a == infinity || b == infinity) return nan_value;
    if (x == 0 || x == 1) return x;
    return quietly([=] {
        return a > large && b > large ? betainc_large(a, b, x)
                                      : static_cast<long double>(bm::ibeta(a, b, x, quiet()));
    });
}

double special_bessel_j(double n, double x) {
    if (std::isnan(x)) return x;
    if (std::isinf(x)) return 0;
    const long double r = std::fabs(x);
    return with_parity(n, x,
                       quietly([=] { return bm::cyl_bessel_j(static_cast<int>(n), r, quiet()); }));
}

double special_bessel_y(double n, double x) {
    if (std::isnan(x) || x == infinity) return std::isnan(x) ? x : 0;
    if (x <= 0) return -infinity;
    return quietly(
        [=] { return bm::cyl_neumann(static_cast<int>(n), static_cast<long double>(x), quiet()); });
}

double special_bessel_ie(double n, double x) {
    if (std::isnan(x)) return x;
    if (std::isinf(x)) return 0;
    const double r = std::fabs(x);
    return with_parity(n, x, quietly([=] {
                           if (r > far) return scaled_far(n, r, -1) / std::sqrt(2 * pi * r);
                           const long double wide = r;
                           return bm::cyl_bessel_i(static_cast<int>(n), wide, quiet()) *
                                  std::exp(-wide);
                       }));
}

double special_bessel_i(double n, double x) {
    if (std::isnan(x)) return x;
    const double r = std::fabs(x);
    return with_parity(n, x, quietly([=] {
                           if (r > far) {
                               return r > 1000 ? static_cast<long double>(infinity)
                                               : scaled_far(n, r, -1) / std::sqrt(2 * pi * r) *
                                                     std::exp(static_cast<long double>(r));
                           }
                           return bm::cyl_bessel_i(static_cast<int>(n), static_cast<long double>(r),
                                                   quiet());
                       }));
}

double special_bessel_ke(double n, double x) {
    if (std::isnan(x) || x == infinity) return std::isnan(x) ? x : 0;
    if (x <= 0) return infinity;
    return quietly([=] {
        if (x > far) return scaled_far(n, x, 1) * std::sqrt(pi / (2 * static_cast<long double>(x)));
        const long double wide = x;
        return bm::cyl_bessel_k(static_cast<int>(n), wide, quiet()) * std::exp(wide);
    });
}

double special_bessel_k(double n, double x) {
    if (std::isnan(x) || x > 1000) return std::isnan(x) ? x : 0;
    if (x <= 0) return infinity;
    return quietly([=] {
        const long double wide = x;
        if (x > far) return scaled_far(n, x, 1) * std::sqrt(pi / (2 * wide)) * std::exp(-wide);
        return bm::cyl_bessel_k(static_cast<int>(n), wide, quiet());
    });
}

// Near 0 Taylor's series, far out the asymptotic one (Abramowitz and Stegun 7.1.29 and 7.1.23), between them
// Rybicki's sum of Gaussians at odd multiples of h, whose error is e^-(pi / 2h)^2 (Computers in Physics 3, 1989).
double special_dawsn(double x) {
    const long double r = std::fabs(static_cast<long double>(x)), square = r * r;
    long double sum = 0;
    if (std::isnan(x)) return x;
    if (r < 0.5L) {
        long double term = r;
        for (int k = 0; k < 40 && term != 0; k++) {
            sum += term;
            term *= -2 * square / (2 * k + 3);
            if (std::fabs(term) <= 1e-21L * sum) break;
        }
    } else if (r > 12) {
        long double term = 1;
        for (int k = 0; k < 40; k++) {
            sum += term;
            term *= (2 * k + 1) / (2 * square);
            if (term <= 1e-21L) break;
        }
        sum /= 2 * r;
    } else {
        constexpr long double h = 0.2L;
        const long double middle = 2 * std::round(r / (2 * h)), offset = r - middle * h;
        for (int k = -35; k <= 35; k += 2) {
            const long double d = offset - k * h;
            sum += std::exp(-d * d) / (k + middle);
        }
        sum /= std::sqrt(pi);
    }
    return static_cast<double>(x < 0 ? -sum : sum);
}

double special_expint(double x) {
    if (std::isnan(x)) return x;
    if (x == 0) return -infinity;
    if (std::isinf(x)) return x > 0 ? x : -0.0;
    return quietly([=] { return bm::expint(static_cast<long double>(x), quiet()); });
}

// Reduced to |z| <= 1/2 as in Moshier's cephes (spence.c).
double special_spence(double x) {
    if (!(x >= 0)) return nan_value;
    if (x == infinity) return -infinity;
    constexpr long double sixth = pi * pi / 6;
    if (x == 0) return static_cast<double>(sixth);
    const long double wide = x, log_x = std::log(wide);
    if (x < 0.5) return static_cast<double>(sixth - log_x * std::log1p(-wide) - dilog_near(wide));
    if (x <= 1.5) return static_cast<double>(dilog_near(1 - wide));
    const long double inverse = 1 / wide, flipped = -log_x * log_x / 2;
    if (x <= 2) return static_cast<double>(flipped - dilog_near(1 - inverse));
    return static_cast<double>(flipped - sixth - log_x * std::log1p(-inverse) +
                               dilog_near(inverse));
}

/* Special functions of doubles: a C header over one C++ file, which has Boost.Math in it. What Boost
 * lacks is computed there from the formulas that are cited. Nothing is thrown and nothing is
 * allocated; at poles and outside a domain the answer is an infinity or NaN, as TensorFlow has it, and a
 * NaN in is a NaN out. The work of one call is bounded whatever the arguments are. */
#ifndef GRADD_CORE_KERNELS_SPECIAL_H
#define GRADD_CORE_KERNELS_SPECIAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* log |Gamma x|; an infinity at 0, -1, -2, ... */
double special_lgamma(double x);
/* The logarithmic derivative of Gamma; NaN at 0, -1, -2, ... */
double special_digamma(double x);
/* Derivative n of digamma, n = 0, 1, ..., 1000; NaN for another n. */
double special_polygamma(double n, double x);
/* The sum of (q + k)^-s over k = 0, 1, ...; infinite at s = 1 and NaN for s < 1. */
double special_zeta(double s, double q);
double special_erfinv(double x);
/* The quantile of the normal distribution. */
double special_ndtri(double p);

/* The regularised incomplete gamma functions P and Q = 1 - P, the derivative of P by x, and derivative n
 * of P by a, n = 1, ..., SPECIAL_IGAMMA_ORDERS. */
enum { SPECIAL_IGAMMA_ORDERS = 8 };
double special_igamma(double a, double x);
double special_igammac(double a, double x);
double special_igamma_dx(double a, double x);
double special_igamma_da(double a, double x, double n);

/* The regularised incomplete beta function. */
double special_betainc(double a, double b, double x);

/* Bessel functions of whole order n >= 0: J, Y, I, K; the last two also times e^-|x| and
 * e^x. Y is -infinity and K infinity for x <= 0. */
double special_bessel_j(double n, double x);
double special_bessel_y(double n, double x);
double special_bessel_i(double n, double x);
double special_bessel_ie(double n, double x);
double special_bessel_k(double n, double x);
double special_bessel_ke(double n, double x);

/* e^-x^2 times the integral of e^t^2 from 0 to x. */
double special_dawsn(double x);
/* Ei x, the principal value of the integral of e^t / t from -infinity to x. */
double special_expint(double x);
/* The integral of log t / (1 - t) from 1 to x: Li2(1 - x). */
double special_spence(double x);

#ifdef __cplusplus
}
#endif
#endif

"""Log densities. TensorFlow has none: mpmath computes values and derivatives to 30 digits from the formulas of Stan's
function reference, and while the table is made scipy must agree with each value, JAX with each gradient.

A number may be off by a relative 1e-13 (float64) or 2e-6 (float32) of itself, and of what a relative change of the
arguments of that size changes in it."""

import functools
import itertools

import jax
import jax.scipy.stats as js
import mpmath as m
import numpy as np
import scipy.stats as ss
from jax.scipy.special import gammaln
from table import BOTH, SEED, Case, count, nest, seed_of, tensor, typed

jax.config.update("jax_enable_x64", True)
INF, NEG, NAN = np.inf, -np.inf, np.nan
m.mp.dps = 30
UNIT = {"float32": 2e-6, "float64": 1e-13}


def log_choose(n, k):
    return m.loggamma(n + 1) - m.loggamma(k + 1) - m.loggamma(n - k + 1)


def student(y, nu, mu, s):
    return m.loggamma((nu + 1) / 2) - m.loggamma(nu / 2) - m.log(nu * m.pi) / 2 - m.log(s) - (nu + 1) / 2 * m.log(1 + ((y - mu) / s) ** 2 / nu)


def gamma(y, a, b):
    return a * m.log(b) - m.loggamma(a) + (a - 1) * m.log(y) - b * y


def binomial(n, t, p):
    return log_choose(t, n) + n * m.log(p) + (t - n) * m.log(1 - p)


def neg_binomial(n, mu, phi):
    return log_choose(n + phi - 1, n) + n * m.log(mu / (mu + phi)) + phi * m.log(phi / (mu + phi))


def sigmoid(x):
    return 1 / (1 + m.exp(-x))


def normal(y, mu, s):
    return -(((y - mu) / s) ** 2) / 2 - m.log(s) - m.log(2 * m.pi) / 2


def laplace(y, mu, s):
    return -(y - mu if y >= mu else mu - y) / s - m.log(2 * s)


LOCATION = [(0.25, -1.5, 0.75), (-2.0, 0.5, 1.5), (7.5, 3.0, 0.125), (1.0, 1.25, 20.0)]
FAR = [(1e6, 0.0, 1.0), (1.5, 1.0, 1e6), (1e3, 1e3 - 0.5, 1e-3), (-40.0, 2.0, 0.5)]
SHAPE = [(0.75, 1.5, 2.0), (2.5, 0.5, 0.25), (0.125, 3.0, 4.0), (6.0, 12.5, 2.5)]
LARGE = [(1e4, 1e4, 1.0078125), (5e5, 1e6, 2.0), (1e-10, 0.5, 3.0), (900.0, 10.0, 0.015625), (1e-3, 20.0, 8.0)]


class Density:
    """`f` takes mpmath's numbers, `scipy` and `jax` arrays (jax None: it lacks the density). `counts` are the names of
    counted arguments. `points` are ordinary, `far` extreme; the edges are rows of arguments, the value and,
    but for counts, the gradient."""

    def __init__(self, op, names, f, points, scipy, jax=None, far=(), edges=(), invalid=(), counts="", mix=None):
        self.op, self.names, self.f, self.points, self.scipy, self.jax = op, names.split(), f, points, scipy, jax
        self.far, self.edges, self.invalid, self.counts = far, edges, invalid, counts.split()
        self.mix = mix or points  # the arguments may come from different rows of it
        self.reals = [n for n in self.names if n not in self.counts]


def on_line(op, names, f, scipy, jax=None, far=FAR):
    bad = [(1.0, 0.0, 0.0), (1.0, 0.0, -1.0), (1.0, 0.0, INF), (1.0, NAN, 1.0), (1.0, INF, 1.0), (1.0, 0.0, NAN)]
    return Density(op, names, f, LOCATION, scipy, jax, far, (), bad)


BAD_SCALE = [(1.0, 0.0), (1.0, -2.0), (1.0, INF), (1.0, NAN)]
BAD_SHAPES = [(1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, -2.0), (1.0, INF, 1.0), (1.0, 1.0, NAN), (-1.0, 1.0, -2.0)]
BELOW_2 = [((y, 2.0), NEG, (0.0, 0.0)) for y in (-1.0, -1e-30, INF, NEG)]
BELOW_3 = [((y, 2.0, 0.5), NEG, (0.0, 0.0, 0.0)) for y in (-1.0, -1e-30, INF, NEG)]
AT_0 = [((0.0, 2.0, 0.5), NEG, (0.0, 0.0, 0.0))]
LOG2 = float(np.log(2))

DENSITIES = [
    on_line("normal_lpdf", "y mu sigma", normal, ss.norm.logpdf, js.norm.logpdf),
    Density("std_normal_lpdf", "y", lambda y: normal(y, 0, 1), [(0.25,), (-2.0,), (0.0,), (5.5,)], ss.norm.logpdf, js.norm.logpdf, [(1e5,), (1e-5,)], [((INF,), NEG, (NEG,)), ((NAN,), NAN, (NAN,))]),
    on_line("cauchy_lpdf", "y mu sigma", lambda y, mu, s: -m.log(1 + ((y - mu) / s) ** 2) - m.log(m.pi * s), ss.cauchy.logpdf, js.cauchy.logpdf, FAR + [(1e25, 0.0, 1e-5), (1.0, 0.0, 1.0)]),
    on_line("laplace_lpdf", "y mu sigma", laplace, ss.laplace.logpdf, js.laplace.logpdf),
    on_line("logistic_lpdf", "y mu sigma", lambda y, mu, s: -(y - mu) / s - m.log(s) - 2 * m.log(1 + m.exp(-(y - mu) / s)), ss.logistic.logpdf, js.logistic.logpdf),
    on_line("gumbel_lpdf", "y mu beta", lambda y, mu, s: -(y - mu) / s - m.exp(-(y - mu) / s) - m.log(s), ss.gumbel_r.logpdf, far=FAR[:3] + [(-10.0, 2.0, 0.5)]),
    Density("student_t_lpdf", "y nu mu sigma", student, [(0.25, 3.0, -1.5, 0.75), (-2.0, 0.5, 0.5, 1.5), (7.5, 30.0, 3.0, 0.125), (1.0, 7.25, 1.0, 2.0)], ss.t.logpdf, js.t.logpdf,
            [(2.0, 1e6, 0.5, 1.0), (30.0, 1e4, 0.5, 1.0), (1e25, 2.0, 0.0, 1e-5), (1.0, 1e-4, 0.0, 1.0), (4.0, 19.0, 1.0, 0.5), (4.0, 21.0, 1.0, 0.5)], (),
            [(1.0, 0.0, 0.0, 1.0), (1.0, -2.0, 0.0, 1.0), (1.0, INF, 0.0, 1.0), (1.0, 2.0, INF, 1.0), (1.0, 2.0, 0.0, 0.0)]),
    Density("half_normal_lpdf", "y sigma", lambda y, s: m.log(2) + normal(y, 0, s), [(0.25, 0.75), (2.0, 1.5), (0.0, 3.0), (7.5, 2.0)], lambda y, s: ss.halfnorm.logpdf(y, scale=s), None,
            [(1e3, 1e3), (40.0, 0.5)], BELOW_2, BAD_SCALE),
    Density("half_cauchy_lpdf", "y sigma", lambda y, s: m.log(2) - m.log(1 + (y / s) ** 2) - m.log(m.pi * s), [(0.25, 0.75), (2.0, 1.5), (0.0, 3.0), (7.5, 2.0)], lambda y, s: ss.halfcauchy.logpdf(y, scale=s), None,
            [(1e25, 1e-5), (1e3, 1e3), (40.0, 0.5)], BELOW_2, BAD_SCALE),
    Density("half_student_t_lpdf", "y nu sigma", lambda y, nu, s: m.log(2) + student(y, nu, 0, s), [(0.25, 3.0, 0.75), (2.0, 0.5, 1.5), (0.0, 4.0, 3.0), (7.5, 30.0, 2.0)], lambda y, nu, s: ss.t.logpdf(y, nu, scale=s) + LOG2, None,
            [(2.0, 1e6, 1.0)], BELOW_3, BAD_SHAPES),
    Density("lognormal_lpdf", "y mu sigma", lambda y, mu, s: normal(m.log(y), mu, s) - m.log(y), SHAPE, lambda y, mu, s: ss.lognorm.logpdf(y, s, scale=np.exp(mu)), None,
            [(1e-20, -40.0, 2.0), (1e20, 40.0, 0.5)], BELOW_3 + AT_0, [(1.0, 0.0, 0.0), (1.0, INF, 1.0), (1.0, NAN, 1.0), (1.0, 0.0, -1.0)]),
    Density("exponential_lpdf", "y beta", lambda y, b: m.log(b) - b * y, [(0.25, 0.75), (2.0, 1.5), (0.0, 3.0), (7.5, 2.0)], lambda y, b: ss.expon.logpdf(y, scale=1 / b), lambda y, b: js.expon.logpdf(y, scale=1 / b),
            [(1e6, 1e-6), (1e-6, 1e6)], BELOW_2 + [((0.0, 2.0), LOG2, (-2.0, 0.5))], BAD_SCALE),
    Density("gamma_lpdf", "y alpha beta", gamma, SHAPE, lambda y, a, b: ss.gamma.logpdf(y, a, scale=1 / b), lambda y, a, b: js.gamma.logpdf(y, a, scale=1 / b), LARGE + [(0.5, 1.0, 3.0)],
            BELOW_3 + AT_0 + [((0.0, 1.0, 2.0), LOG2, (-2.0, 0.0, 0.5)), ((0.0, 0.5, 2.0), INF, (0.0, 0.0, 0.0))], BAD_SHAPES),
    Density("chi_square_lpdf", "y nu", lambda y, nu: gamma(y, nu / 2, m.mpf(1) / 2), [(0.25, 0.75), (2.0, 1.5), (5.0, 3.0), (7.5, 2.0)], ss.chi2.logpdf, js.chi2.logpdf, [(1e6, 1e6), (3.0, 60.0)],
            [((-1.0, 3.0), NEG, (0.0, 0.0)), ((0.0, 3.0), NEG, (0.0, 0.0)), ((0.0, 2.0), -LOG2, (-0.5, 0.0)), ((0.0, 1.0), INF, (0.0, 0.0)), ((INF, 3.0), NEG, (0.0, 0.0))], BAD_SCALE),
    Density("inv_gamma_lpdf", "y alpha beta", lambda y, a, b: a * m.log(b) - m.loggamma(a) - (a + 1) * m.log(y) - b / y, SHAPE, lambda y, a, b: ss.invgamma.logpdf(y, a, scale=b), None,
            [(1e-4, 1e4, 1.0078125), (2.0, 1e6, 2.1e6), (1e10, 0.5, 3.0), (1e-3, 20.0, 8.0)], BELOW_3 + AT_0 + [((0.0, 0.5, 2.0), NEG, (0.0, 0.0, 0.0))], BAD_SHAPES),
    Density("weibull_lpdf", "y alpha sigma", lambda y, a, s: m.log(a / s) + (a - 1) * m.log(y / s) - (y / s) ** a, SHAPE, lambda y, a, s: ss.weibull_min.logpdf(y, a, scale=s), None,
            [(1.0078125, 500.0, 1.0), (1e-10, 0.5, 3.0), (5e5, 1.0, 4e5), (1.5, 1.0, 0.5)],
            BELOW_3 + AT_0 + [((0.0, 1.0, 0.5), LOG2, (-2.0, 0.0, -2.0)), ((0.0, 0.5, 2.0), INF, (0.0, 0.0, 0.0))], BAD_SHAPES),
    Density("pareto_lpdf", "y y_min alpha", lambda y, low, a: m.log(a) + a * m.log(low) - (a + 1) * m.log(y), [(0.75, 0.5, 2.0), (2.5, 0.5, 0.25), (4.0, 3.0, 4.0), (16.0, 12.5, 2.5)], lambda y, low, a: ss.pareto.logpdf(y, a, scale=low),
            lambda y, low, a: js.pareto.logpdf(y, a, scale=low), [(1e20, 1.0, 0.5), (1.0078125, 1.0, 1e5)], [((0.5, 1.0, 2.0), NEG, (0.0, 0.0, 0.0)), ((-1.0, 1.0, 2.0), NEG, (0.0, 0.0, 0.0)), ((INF, 1.0, 2.0), NEG, (0.0, 0.0, 0.0)),
             ((1.0, 1.0, 2.0), LOG2, (-3.0, 2.0, 0.5))], BAD_SHAPES, mix=[(3.75, 0.5, 2.0), (3.5, 1.5, 0.25), (4.0, 3.0, 4.0), (16.0, 2.5, 2.5)]),
    Density("uniform_lpdf", "y alpha beta", lambda y, a, b: 0 * y - m.log(b - a), [(0.75, 0.5, 2.0), (-0.5, -1.5, 0.25), (4.0, 3.0, 4.5), (1.0, -12.5, 2.5)], lambda y, a, b: ss.uniform.logpdf(y, a, b - a),
            lambda y, a, b: js.uniform.logpdf(y, a, b - a), [(1e6, -1e6, 1.5e6), (1.0, 1.0 - 2.0**-10, 1.0 + 2.0**-10)],
            [((-1.0, -1.0, 1.0), -LOG2, (0.0, 0.5, -0.5)), ((1.0, -1.0, 1.0), -LOG2, (0.0, 0.5, -0.5)), ((1.5, -1.0, 1.0), NEG, (0.0, 0.0, 0.0)), ((-1.5, -1.0, 1.0), NEG, (0.0, 0.0, 0.0)), ((INF, -1.0, 1.0), NEG, (0.0, 0.0, 0.0))],
            [(0.5, 1.0, 0.0), (0.5, 0.5, 0.5), (0.5, 0.0, INF), (0.5, NEG, 1.0), (0.5, NAN, 1.0), (2.0, 1.0, 0.0)], mix=[(0.75, 0.5, 2.0), (0.875, -1.5, 1.25), (0.625, 0.25, 4.5), (1.0, -12.5, 2.5)]),
    Density("beta_lpdf", "theta alpha beta", lambda y, a, b: (a - 1) * m.log(y) + (b - 1) * m.log(1 - y) - m.loggamma(a) - m.loggamma(b) + m.loggamma(a + b), [(0.25, 1.5, 2.0), (0.875, 0.5, 0.25), (0.125, 3.0, 4.0), (0.375, 12.5, 9.5)],
            ss.beta.logpdf, js.beta.logpdf, [(0.5, 1e6, 1e6), (0.25, 1e4, 3e4), (1e-10, 0.5, 3.0), (0.75, 1000.0, 0.5), (0.5, 1e-3, 2e-3), (2.0**-20, 2.0, 1e6), (0.5, 1.0, 1.0)],
            [((y, 2.0, 3.0), NEG, (0.0, 0.0, 0.0)) for y in (-0.5, 1.5, 0.0, 1.0, INF, NEG)]
            + [((0.0, 1.0, 2.0), LOG2, (-1.0, 0.0, 0.5)), ((1.0, 2.0, 1.0), LOG2, (1.0, 0.5, 0.0)), ((0.0, 0.5, 2.0), INF, (0.0, 0.0, 0.0)), ((1.0, 2.0, 0.5), INF, (0.0, 0.0, 0.0)), ((0.0, 1.0, 1.0), 0.0, (0.0, 0.0, 1.0))],
            [(0.5, 0.0, 1.0), (0.5, -1.0, 1.0), (0.5, 1.0, 0.0), (0.5, INF, 1.0), (0.5, 1.0, NAN), (2.0, -1.0, 1.0)]),
    Density("bernoulli_lpmf", "y theta", lambda y, p: m.log(p) if y == 1 else m.log(1 - p), [(0.0, 0.25), (1.0, 0.25), (1.0, 0.875), (0.0, 0.5)], ss.bernoulli.logpmf, js.bernoulli.logpmf, [(0.0, 1e-10), (1.0, 1e-10)],
            [((2.0, 0.5), NEG, (0.0,)), ((-1.0, 0.5), NEG, (0.0,)), ((0.5, 0.5), NEG, (0.0,)), ((1.0, 0.0), NEG, (0.0,)), ((0.0, 1.0), NEG, (0.0,)), ((0.0, 0.0), 0.0, (-1.0,)), ((1.0, 1.0), 0.0, (1.0,)), ((INF, 0.5), NEG, (0.0,))],
            [(1.0, -0.5), (0.0, 1.5), (1.0, NAN), (2.0, 1.5)], "y"),
    Density("bernoulli_logit_lpmf", "y alpha", lambda y, a: -m.log1p(m.exp(-a if y == 1 else a)), [(0.0, 0.25), (1.0, -1.25), (1.0, 3.5), (0.0, 0.0)], lambda y, a: ss.bernoulli.logpmf(y, 1 / (1 + np.exp(-a))), None,
            [(0.0, -80.0), (1.0, -80.0), (1.0, 40.0), (0.0, 1000.0)], [((2.0, 0.5), NEG, (0.0,)), ((0.5, 0.5), NEG, (0.0,)), ((-1.0, 0.5), NEG, (0.0,)), ((1.0, INF), 0.0, (0.0,))], [(1.0, NAN)], "y"),
    Density("binomial_lpmf", "n N theta", binomial, [(2.0, 5.0, 0.25), (0.0, 3.0, 0.875), (7.0, 7.0, 0.5), (12.0, 20.0, 0.375)], ss.binom.logpmf, js.binom.logpmf,
            [(5e5, 1e6, 0.5), (250.0, 1000.0, 0.75), (3.0, 1e6, 2.0**-18), (0.0, 1e6, 1e-9), (100.0, 100.0, 0.9990234375)],
            [((n, 5.0, 0.5), NEG, (0.0,)) for n in (-1.0, 6.0, 2.5, INF, NEG)]
            + [((1.0, 5.0, 0.0), NEG, (0.0,)), ((4.0, 5.0, 1.0), NEG, (0.0,)), ((0.0, 5.0, 0.0), 0.0, (-5.0,)), ((5.0, 5.0, 1.0), 0.0, (5.0,)), ((0.0, 0.0, 0.5), 0.0, (0.0,)), ((0.0, 0.0, 0.0), 0.0, (0.0,)), ((5.0, 5.0, 0.0), NEG, (0.0,))],
            [(1.0, 5.0, -0.5), (1.0, 5.0, 1.5), (1.0, 5.0, NAN), (0.0, -5.0, 0.5), (1.0, 2.5, 0.5), (-1.0, 5.0, 2.0)], "n N", [(2.0, 5.0, 0.25), (0.0, 4.0, 0.875), (3.0, 7.0, 0.5), (1.0, 20.0, 0.375)]),
    Density("binomial_logit_lpmf", "n N alpha", lambda n, t, a: log_choose(t, n) - n * m.log1p(m.exp(-a)) - (t - n) * m.log1p(m.exp(a)), [(2.0, 5.0, 0.25), (0.0, 3.0, -1.5), (7.0, 7.0, 2.5), (12.0, 20.0, 0.375)],
            lambda n, t, a: ss.binom.logpmf(n, t, 1 / (1 + np.exp(-a))), lambda n, t, a: js.binom.logpmf(n, t, jax.nn.sigmoid(a)), [(5e5, 1e6, 2.0**-10), (1.0, 5.0, 60.0), (5.0, 5.0, 60.0), (0.0, 5.0, -60.0), (4.0, 5.0, -60.0)],
            [((n, 5.0, 0.5), NEG, (0.0,)) for n in (-1.0, 6.0, 2.5)] + [((0.0, 0.0, 0.5), 0.0, (0.0,))], [(1.0, 5.0, INF), (1.0, 5.0, NEG), (1.0, 5.0, NAN), (0.0, -5.0, 0.5)], "n N", [(2.0, 5.0, 0.25), (0.0, 4.0, -1.5), (3.0, 7.0, 2.5), (1.0, 20.0, 0.375)]),
    Density("poisson_lpmf", "n lambda", lambda n, r: n * m.log(r) - r - m.loggamma(n + 1), [(2.0, 0.25), (0.0, 3.5), (7.0, 7.0), (12.0, 20.0)], ss.poisson.logpmf, js.poisson.logpmf,
            [(1e6, 1.0009765625e6), (1e4, 1e4), (1000.0, 300.0), (0.0, 1e-10), (3.0, 1e-10), (11.0, 9.0)],
            [((n, 2.0), NEG, (0.0,)) for n in (-1.0, 2.5, INF, NEG)] + [((0.0, 0.0), 0.0, (-1.0,)), ((1.0, 0.0), NEG, (0.0,)), ((1.0, INF), NEG, (0.0,))], [(1.0, -0.5), (1.0, NAN), (-1.0, -0.5)], "n"),
    Density("poisson_log_lpmf", "n alpha", lambda n, a: n * a - m.exp(a) - m.loggamma(n + 1), [(2.0, 0.25), (0.0, -1.5), (7.0, 2.0), (12.0, 3.0)], lambda n, a: ss.poisson.logpmf(n, np.exp(a)), lambda n, a: js.poisson.logpmf(n, jax.numpy.exp(a)),
            [(1e6, 13.8125), (3.0, -40.0), (0.0, -80.0), (1000.0, 5.5)], [((n, 0.5), NEG, (0.0,)) for n in (-1.0, 2.5, INF)] + [((0.0, NEG), 0.0, (0.0,)), ((1.0, NEG), NEG, (0.0,)), ((1.0, INF), NEG, (0.0,))], [(1.0, NAN)], "n"),
    Density("neg_binomial_2_lpmf", "n mu phi", neg_binomial, [(2.0, 0.75, 1.5), (0.0, 3.5, 0.5), (7.0, 7.0, 12.5), (12.0, 20.0, 3.0)], lambda n, mu, phi: ss.nbinom.logpmf(n, phi, phi / (mu + phi)),
            lambda n, mu, phi: js.nbinom.logpmf(n, phi, phi / (mu + phi)), [(5.0, 4.5, 1e8), (1e6, 1.0009765625e6, 50.0), (1e4, 1e4, 1e4), (0.0, 1e-6, 2.0), (3.0, 1e-6, 2.0), (100.0, 2.0, 1e-3)],
            [((n, 2.0, 0.5), NEG, (0.0, 0.0)) for n in (-1.0, 2.5, INF)], [(1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, INF), (1.0, NAN, 1.0)], "n"),
    Density("geometric_lpmf", "n theta", lambda n, p: m.log(p) + n * m.log(1 - p), [(2.0, 0.25), (0.0, 0.875), (7.0, 0.125), (1.0, 0.5)], lambda n, p: ss.geom.logpmf(n + 1, p), lambda n, p: js.geom.logpmf(n + 1, p), [(1e6, 1e-6)],
            [((-1.0, 0.5), NEG, (0.0,)), ((2.5, 0.5), NEG, (0.0,)), ((0.0, 1.0), 0.0, (1.0,)), ((1.0, 1.0), NEG, (0.0,))], [(1.0, 0.0), (1.0, 1.5), (1.0, -0.5), (1.0, NAN)], "n"),
]  # fmt: skip


# Null as in nested tapes: the gradient does not depend on it.
UNCONNECTED = {"exponential_lpdf": [("y", "y")], "uniform_lpdf": [("y", "y"), ("y", "alpha"), ("y", "beta"), ("alpha", "y"), ("beta", "y")]}


# ---- the reference


def by(f, p, orders):
    return m.diff(f, p if len(p) > 1 else p[0], orders if len(p) > 1 else orders[0])


def orders(n, *at):
    return tuple(sum(k == i for k in at) for i in range(n))


def rounded(p, dtype):
    return tuple(float(np.dtype(dtype).type(x)) for x in p)


@functools.cache
def answered(op, p):
    return Answered(next(d for d in DENSITIES if d.op == op), p)


class Answered:
    """Value, gradient by the reals, second derivatives, and what a relative change of the reals changes in them."""

    def __init__(self, d, p):
        n, x = len(p), tuple(m.mpf(v) for v in p)
        at = [d.names.index(name) for name in d.reals]
        self.value = d.f(*x)
        self.gradient = [by(d.f, x, orders(n, i)) for i in at]
        self.hessian = [[by(d.f, x, orders(n, i, j)) for j in at] for i in at]
        self.value_sway = sum(abs(g * x[i]) for i, g in zip(at, self.gradient))
        # Gradients are differences of counts and what is expected of them.
        by_counts = [k for k in range(n) if k not in at and not d.op.startswith("bernoulli")]
        mixed = [sum(abs(by(d.f, x, orders(n, i, k)) * x[k]) for k in by_counts) for i in at]
        self.sway = max(sum(abs(h * x[i]) for i, h in zip(at, row)) + c for row, c in zip(self.hessian, mixed))


def agree(what, found, expected, unit):
    if not np.allclose(np.asarray(found, dtype=float), [float(x) for x in expected], rtol=unit, atol=unit):
        raise ValueError(f"{what}: {found} where mpmath has {[float(x) for x in expected]}")


def second_opinions(d):
    for p in d.points:
        a = answered(d.op, p)
        agree(f"scipy's {d.op}{p}", [d.scipy(*p)], [a.value], 1e-9)
        if d.jax:
            at = tuple(d.names.index(n) for n in d.reals)
            call = [jax.numpy.asarray(v, "float64") for v in p]
            unit = 1e-6 if d.op == "beta_lpdf" else 1e-9  # its betaln has seven digits
            agree(f"JAX's {d.op}{p}", [d.jax(*call)], [a.value], unit)
            agree(f"JAX's gradient of {d.op}{p}", jax.grad(d.jax, at)(*call), a.gradient, 10 * unit)
            if d.op not in ("beta_lpdf", "binomial_logit_lpmf"):  # JAX has no second derivative of betaln
                rows = jax.hessian(d.jax, at)(*call)
                agree(f"JAX's Hessian of {d.op}{p}", [x for row in rows for x in row], [x for row in a.hessian for x in row], 1e-7)


# ---- rows


def row(name, d, dtype, call, variables, value, gradient, sway, constants=None, seeds=None, route="gradient", **answer):
    request = {"graph": f"{d.op}({call})"}
    if dtype != "float32":
        request["dtype"] = dtype
    request["variables"] = variables
    if constants:
        request["constants"] = constants
    if seeds is not None:
        request["output_gradients"] = seeds
    atol = float(f"{max(UNIT[dtype] * float(sway), 1.2e-38 if dtype == 'float32' else 2.3e-308):.1e}")
    c = Case(f"{d.op} {name}, {dtype}", route, request, UNIT[dtype], atol, False)
    array = lambda x: None if x is None else np.array(x, dtype)
    c.answer = {"value": array(value)}
    if route != "evaluate":
        c.answer["gradient"] = {k: array(v) for k, v in gradient.items()}
    c.answer.update(answer)
    if route == "evaluate":
        request["constants"] = dict(request.pop("variables"), **request.get("constants", {}))
    return c


def flat(x):
    return [float(v) for v in x]


def split(d, columns):
    """Columns by name as variables and constants."""
    return {n: columns[n] for n in d.reals}, {n: columns[n] for n in d.counts}


def vectors(d, dtype, points, name):
    """Elements one by one, each with its own output gradient; and the values by themselves, which are better conditioned."""
    points = [rounded(p, dtype) for p in points]
    columns = {n: [p[i] for p in points] for i, n in enumerate(d.names)}
    variables, constants = split(d, columns)
    answers = [answered(d.op, p) for p in points]
    seeds = [SEED[i % len(SEED)] for i in range(len(points))]
    values = flat(a.value for a in answers)
    gradient = {n: [float(a.gradient[i]) * s for a, s in zip(answers, seeds)] for i, n in enumerate(d.reals)}
    sway = max(a.sway * abs(s) for a, s in zip(answers, seeds))
    call = ", ".join(d.names) + ', reduction="none"'
    yield row(f"{name}, one by one", d, dtype, call, variables, values, gradient, max(sway, max(a.value_sway for a in answers)), constants, seeds)
    for p, a in zip(points, answers):
        scalars, counted = split(d, dict(zip(d.names, p)))
        at = ", ".join(f"{x:g}" for x in p)
        yield row(f"at {at}", d, dtype, ", ".join(d.names), scalars, float(a.value), {n: float(g) for n, g in zip(d.reals, a.gradient)}, max(a.sway, a.value_sway), counted)
        yield row(f"at {at}, its value", d, dtype, ", ".join(d.names), scalars, float(a.value), {}, a.value_sway, counted, route="evaluate")


def broadcast(d, dtype, shapes, reduction, name):
    """Arguments of these shapes, from the ordinary points."""
    columns = {n: tensor([rounded(p, dtype)[i] for p in d.mix], s, dtype) for i, (n, s) in enumerate(zip(d.names, shapes))}
    arrays = [np.array(columns[n], dtype) if all(s) else np.zeros(s) for n, s in zip(d.names, shapes)]
    joint = np.broadcast_shapes(*shapes)
    whole = np.broadcast_arrays(*arrays)
    seeds = np.array(nest(SEED, joint)) if reduction == "none" and all(joint) else np.ones(joint)
    value, gradient, sway = np.zeros(joint), [np.zeros(joint) for _ in d.reals], 0
    for at in itertools.product(*map(range, joint)):
        a = answered(d.op, tuple(float(x[at]) for x in whole))
        value[at] = float(a.value)
        sway += max(a.sway, a.value_sway) * abs(seeds[at])
        for g, x in zip(gradient, a.gradient):
            g[at] = float(x) * seeds[at]
    if reduction == "sum":
        value = value.sum()
    own = {}
    for n, g in zip(d.reals, gradient):
        s = shapes[d.names.index(n)]
        g = g.sum(axis=tuple(range(len(joint) - len(s))))
        own[n] = g.sum(axis=tuple(i for i, k in enumerate(s) if k == 1), keepdims=True)
    variables, constants = split(d, columns)
    given = seed_of(np.zeros(joint, dtype)) if reduction == "none" else None
    call = ", ".join(d.names) + ("" if reduction == "sum" else f', reduction="{reduction}"')
    return row(name, d, dtype, call, variables, value, own, sway, constants, given)


def shapes(d):
    n = len(d.names)
    yield "of data", [(4,)] + [()] * (n - 1), "sum"
    yield "of nothing", [(0, 3)] + [(3,)] * (n - 1), "sum"
    yield "of nothing, one by one", [(0, 3)] + [()] * (n - 1), "none"
    if n > 1:
        yield "of a matrix and rows", [(2, 3), (3,)] + [(2, 1)] * (n - 2), "sum"
        yield "of columns and rows", [(3, 1), (1, 2)] + [()] * (n - 2), "none"
        yield "of one observation", [()] + [(2, 1, 2)] * (n - 1), "none"


def hessians(d, dtype):
    p = rounded(d.points[0], dtype)
    a = answered(d.op, p)
    variables, constants = split(d, dict(zip(d.names, p)))
    x = [m.mpf(v) for v in p]
    at = [d.names.index(n) for n in d.reals]
    third = max(sum(abs(by(d.f, tuple(x), orders(len(x), i, j, k)) * x[k]) for k in at) for i in at for j in at)
    blocks = {n: {k: np.array(float(a.hessian[i][j]), dtype) for j, k in enumerate(d.reals)} for i, n in enumerate(d.reals)}
    for n, k in UNCONNECTED.get(d.op, []):
        blocks[n][k] = None
    gradient = {n: float(g) for n, g in zip(d.reals, a.gradient)}
    return row("and its Hessian", d, dtype, ", ".join(d.names), variables, float(a.value), gradient, max(third, a.sway, a.value_sway), constants, route="hessian", hessian=blocks)


def edges(d, dtype):
    for p, value, gradient in d.edges:
        variables, constants = split(d, dict(zip(d.names, map(spelt, p))))
        at = ", ".join(f"{x:g}" for x in p)
        yield row(f"at the edge {at}", d, dtype, ", ".join(d.names), variables, value, dict(zip(d.reals, gradient)), 0, constants)
    if d.edges:
        # Between ordinary points, an edge changes nothing.
        points = [d.points[0], d.edges[0][0], d.points[1]]
        columns = {n: [spelt(rounded(p, dtype)[i]) for p in points] for i, n in enumerate(d.names)}
        variables, constants = split(d, columns)
        a, b = (answered(d.op, rounded(p, dtype)) for p in d.points[:2])
        value = [float(a.value), d.edges[0][1], float(b.value)]
        gradient = {n: [float(a.gradient[i]), d.edges[0][2][i], float(b.gradient[i])] for i, n in enumerate(d.reals)}
        call = ", ".join(d.names) + ', reduction="none"'
        yield row("with an edge among others", d, dtype, call, variables, value, gradient, max(a.sway, b.sway, a.value_sway, b.value_sway), constants)
    for p in d.invalid:
        variables, constants = split(d, dict(zip(d.names, map(spelt, p))))
        at = ", ".join(f"{x:g}" for x in p)
        yield row(f"of an invalid parameter, {at}", d, dtype, ", ".join(d.names), variables, NAN, {}, 0, constants, route="evaluate")
    p = d.points[0]
    variables, constants = split(d, dict(zip(d.names, ["NaN", *p[1:]])))
    yield row("of NaN", d, dtype, ", ".join(d.names), variables, NAN, {}, 0, constants, route="evaluate")


def spelt(x):
    return "NaN" if x != x else x if abs(x) != np.inf else "Infinity" if x > 0 else "-Infinity"


def counted(d):
    """Counts in every dtype, as literals, and as variables without a gradient."""
    p = d.points[0]
    a = answered(d.op, p)
    gradient = {n: float(g) for n, g in zip(d.reals, a.gradient)}
    variables, constants = split(d, dict(zip(d.names, p)))
    sway = max(a.sway, a.value_sway)
    for dtype in ("int32", "int64"):
        ints = {n: typed(dtype, [int(x)], []) for n, x in constants.items()}
        yield row(f"of {dtype}", d, "float64", ", ".join(d.names), variables, float(a.value), gradient, sway, ints)
    literals = ", ".join(str(int(x)) if n in d.counts else n for n, x in zip(d.names, p))
    yield row("of literals", d, "float64", literals, variables, float(a.value), gradient, sway)
    yield row("of counts that are variables", d, "float64", ", ".join(d.names), {**constants, **variables}, float(a.value), {**dict.fromkeys(constants), **gradient}, sway)


def cases():
    for d in DENSITIES:
        second_opinions(d)
        for dtype in BOTH:
            yield from vectors(d, dtype, d.points, "at ordinary points")
            if d.far:
                yield from vectors(d, dtype, d.far, "at extreme points")
            for name, s, reduction in shapes(d):
                yield broadcast(d, dtype, s, reduction, name)
            yield hessians(d, dtype)
            yield from edges(d, dtype)
        if d.counts:
            yield from counted(d)

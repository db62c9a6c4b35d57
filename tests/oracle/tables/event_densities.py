"""Log densities of classes, vectors and matrices: as in densities.py, by mpmath, with scipy and JAX agreeing."""

import jax
import jax.scipy.stats as js
import mpmath as m
import numpy as np
import scipy.stats as ss
from table import BOTH, SEED, Case, typed
from tables.densities import INF, NAN, NEG, UNIT, agree, spelt

LOG2 = float(np.log(2))


def tril(a):
    return m.matrix([[a[i][j] if j <= i else 0 for j in range(len(a))] for i in range(len(a))])


def dirichlet(theta, alpha):
    return m.loggamma(sum(alpha)) + sum((a - 1) * m.log(p) - m.loggamma(a) for p, a in zip(theta, alpha))


def multi_normal(y, mu, sigma):
    # A Cholesky factor's gradient is that of the symmetric part.
    s = m.matrix([[(a + b) / 2 for a, b in zip(row, column)] for row, column in zip(sigma, zip(*sigma))])
    r = m.matrix([a - b for a, b in zip(y, mu)])
    return -(r.T * m.inverse(s) * r)[0] / 2 - m.log(m.det(s)) / 2 - len(y) * m.log(2 * m.pi) / 2


def multi_normal_cholesky(y, mu, factor):
    s = tril(factor) * tril(factor).T
    return multi_normal(y, mu, s.tolist())


def lkj(factor, eta):
    n = len(factor)
    norm = (n - 1) * m.loggamma(eta + m.mpf(n - 1) / 2) - sum(m.mpf(k) / 2 * m.log(m.pi) + m.loggamma(eta + m.mpf(n - 1 - k) / 2) for k in range(1, n))
    return norm + sum((n - k + 2 * eta - 2) * m.log(factor[k - 1][k - 1]) for k in range(2, n + 1))


def multinomial(n, theta):
    return m.loggamma(sum(n) + 1) + sum(k * m.log(p) - m.loggamma(k + 1) for k, p in zip(n, theta) if k)


def categorical(y, theta):
    return m.log(theta[int(y)])


def categorical_logit(y, beta):
    return beta[int(y)] - m.log(sum(m.exp(b) for b in beta))


COVARIANCE = [[2.0, 0.5, -0.25], [0.5, 1.5, 0.75], [-0.25, 0.75, 3.0]]
FACTOR = [[1.5, 0.0, 0.0], [0.25, 0.75, 0.0], [-0.5, 1.0, 2.0]]
SKEWED = [[2.0, 0.0, 0.25], [1.0, 1.5, 0.75], [-0.75, 0.75, 3.0]]
CORRELATION = [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [-0.28, 0.576, 0.768]]

# op, names, counts, reference, events
OPS = {
    "dirichlet_lpdf": ("theta alpha", "", dirichlet, [
        ([0.25, 0.125, 0.625], [1.5, 0.5, 3.0]), ([0.5, 0.5], [20.0, 30.0]), ([1.0], [2.0]), ([0.125, 0.25, 0.5, 0.125], [1e4, 2e4, 4.5e4, 1e4])]),
    "multi_normal_lpdf": ("y mu Sigma", "", multi_normal, [
        ([0.25, -1.0, 2.0], [0.5, 0.75, -0.5], COVARIANCE), ([1.0, 2.0], [0.0, 0.5], [[4.0, 1.0], [1.0, 0.5]]), ([1.5], [0.5], [[0.25]])]),
    "multi_normal_cholesky_lpdf": ("y mu L", "", multi_normal_cholesky, [
        ([0.25, -1.0, 2.0], [0.5, 0.75, -0.5], FACTOR), ([0.25, -1.0, 2.0], [0.5, 0.75, -0.5], [[1.5, 7.0, 8.0], [0.25, 0.75, 9.0], [-0.5, 1.0, 2.0]]),
        ([1.0, 2.0], [0.0, 0.5], [[2.0, 0.0], [0.5, 0.5]]), ([1.5], [0.5], [[0.5]])]),
    "lkj_corr_cholesky_lpdf": ("L eta", "", lkj, [
        (CORRELATION, 2.5), (CORRELATION, 1.0), ([[1.0, 0.0], [0.6, 0.8]], 0.5), ([[1.0, 0.0], [0.6, 0.8]], 1e5), ([[1.0]], 3.0)]),
    "categorical_lpmf": ("y theta", "y", categorical, [(1.0, [0.25, 0.125, 0.625]), (0.0, [0.5, 0.5]), (0.0, [1.0])]),
    "categorical_logit_lpmf": ("y beta", "y", categorical_logit, [(1.0, [0.25, -1.5, 3.0]), (1.0, [40.0, -40.0]), (0.0, [7.0]), (2.0, [1000.0, 999.0, 998.5])]),
    "multinomial_lpmf": ("n theta", "n", multinomial, [
        ([2.0, 0.0, 3.0], [0.25, 0.125, 0.625]), ([0.0, 0.0], [0.5, 0.5]), ([4.0], [1.0]), ([1e5, 2e5, 5e5], [0.125, 0.25, 0.625])]),
}  # fmt: skip

# op, arguments, value, gradient (None: only the value)
EDGES = [
    ("dirichlet_lpdf", ([0.25, 0.25, 0.25], [2.0, 2.0, 2.0]), NEG, ([0.0] * 3, [0.0] * 3)),
    ("dirichlet_lpdf", ([-0.25, 0.75, 0.5], [2.0, 2.0, 2.0]), NEG, ([0.0] * 3, [0.0] * 3)),
    ("dirichlet_lpdf", ([0.0, 0.5, 0.5], [2.0, 2.0, 2.0]), NEG, ([0.0] * 3, [0.0] * 3)),
    ("dirichlet_lpdf", ([0.0, 1.0], [1.0, 1.0]), 0.0, None), ("dirichlet_lpdf", ([0.0, 1.0], [0.5, 2.0]), INF, None), ("dirichlet_lpdf", ([0.0, 0.5, 0.5], [1.0, 1.0, 1.0]), LOG2, None),
    ("dirichlet_lpdf", ([0.5, 0.5], [0.0, 1.0]), NAN, None), ("dirichlet_lpdf", ([0.5, 0.5], [1.0, NAN]), NAN, None), ("dirichlet_lpdf", ([0.5, 0.75], [1.0, -1.0]), NAN, None),
    ("multi_normal_lpdf", ([1.0, INF], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), NEG, ([0.0] * 2, [0.0] * 2, [[0.0] * 2] * 2)),
    ("multi_normal_lpdf", ([1.0, NAN], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), NAN, None), ("multi_normal_lpdf", ([1.0, 1.0], [0.0, INF], [[1.0, 0.0], [0.0, 1.0]]), NAN, None),
    ("multi_normal_cholesky_lpdf", ([1.0, 1.0], [0.0, 0.0], [[1.0, 0.0], [0.0, -1.0]]), NAN, None), ("multi_normal_cholesky_lpdf", ([1.0, 1.0], [0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]]), NAN, None),
    ("multi_normal_cholesky_lpdf", ([NEG, 1.0], [0.0, 0.0], [[1.0, 0.0], [0.5, 1.0]]), NEG, ([0.0] * 2, [0.0] * 2, [[0.0] * 2] * 2)),
    ("lkj_corr_cholesky_lpdf", ([[1.0, 0.0], [1.0, 0.0]], 2.0), NEG, ([[0.0] * 2] * 2, 0.0)), ("lkj_corr_cholesky_lpdf", ([[1.0, 0.0], [0.6, -0.8]], 2.0), NEG, ([[0.0] * 2] * 2, 0.0)),
    ("lkj_corr_cholesky_lpdf", ([[1.0, 0.0], [0.6, 0.8]], 0.0), NAN, None), ("lkj_corr_cholesky_lpdf", ([[1.0, 0.0], [0.6, -0.8]], -1.0), NAN, None),
    *[("categorical_lpmf", (y, [0.25, 0.75]), NEG, ([0.0] * 2,)) for y in (-1.0, 2.0, 0.5, INF)],
    ("categorical_lpmf", (0.0, [0.0, 1.0]), NEG, ([0.0] * 2,)), ("categorical_lpmf", (1.0, [0.0, 1.0]), 0.0, ([0.0, 1.0],)), ("categorical_lpmf", (NAN, [0.25, 0.75]), NAN, None),
    ("categorical_lpmf", (0.0, [0.25, 0.5]), NAN, None), ("categorical_lpmf", (0.0, [-0.25, 1.25]), NAN, None), ("categorical_lpmf", (1.0, [NAN, 0.5]), NAN, None), ("categorical_lpmf", (0.0, [0.3335, 0.333, 0.333]), float(np.log(0.3335)), None),
    *[("categorical_logit_lpmf", (y, [0.25, 0.75]), NEG, ([0.0] * 2,)) for y in (-1.0, 2.0, 0.5)],
    ("categorical_logit_lpmf", (NAN, [0.25, 0.75]), NAN, None), ("categorical_logit_lpmf", (0.0, [NAN, 0.75]), NAN, None), ("categorical_logit_lpmf", (0.0, [NEG, 0.75]), NEG, None), ("categorical_logit_lpmf", (1.0, [NEG, 0.75]), 0.0, ([0.0, 0.0],)),
    ("multinomial_lpmf", ([1.0, -1.0], [0.5, 0.5]), NEG, ([0.0] * 2,)), ("multinomial_lpmf", ([1.0, 0.5], [0.5, 0.5]), NEG, ([0.0] * 2,)), ("multinomial_lpmf", ([1.0, 1.0], [0.0, 1.0]), NEG, ([0.0] * 2,)),
    ("multinomial_lpmf", ([0.0, 2.0], [0.0, 1.0]), 0.0, ([0.0, 2.0],)), ("multinomial_lpmf", ([0.0, NAN], [0.5, 0.5]), NAN, None), ("multinomial_lpmf", ([0.0, 1.0], [0.5, 0.25]), NAN, None), ("multinomial_lpmf", ([0.0, 1.0], [-0.5, 1.5]), NAN, None),
]  # fmt: skip


# ---- the reference: a function of all elements of all arguments


def convert(x, f):
    return [convert(v, f) for v in x] if isinstance(x, (list, tuple)) else f(x)


def leaves(x):
    return [v for item in x for v in leaves(item)] if isinstance(x, (list, tuple)) else [x]


def refill(x, values):
    return [refill(v, values) for v in x] if isinstance(x, (list, tuple)) else next(values)


class Event:
    def __init__(self, f, args, reals):
        self.args = convert(args, lambda v: m.mpf(float(v)))
        point = leaves(self.args)
        g = lambda *x: f(*refill(self.args, iter(x)))
        n = len(point)
        one = lambda *at: tuple(sum(k == i for k in at) for i in range(n))
        begin = [len(leaves(self.args[:i])) for i in range(len(args) + 1)]
        free = [k for i in reals for k in range(begin[i], begin[i + 1])]
        self.value = f(*self.args)
        slopes = {k: m.diff(g, tuple(point), one(k)) for k in free}
        self.second = {(j, k): m.diff(g, tuple(point), one(j, k)) for j in free for k in free if j <= k}
        self.second.update({(k, j): v for (j, k), v in list(self.second.items())})
        self.gradient = [refill(self.args[i], iter([slopes[k] for k in range(begin[i], begin[i + 1])])) for i in reals]
        self.hessian = [[[[self.second[j, k] for k in range(begin[b], begin[b + 1])] for j in range(begin[a], begin[a + 1])] for b in reals] for a in reals]
        # A change of all elements; of counts and what is expected of them too.
        self.sway = sum(abs(s * point[k]) for k, s in slopes.items()) + max(sum(abs(self.second[j, k] * point[k]) for k in free) for j in free)
        counted = [p for k, p in enumerate(point) if k not in free]
        self.sway += max((abs(s) for s in slopes.values()), default=0) if counted else 0


def second_opinions():
    for y, mu, s in OPS["multi_normal_lpdf"][3]:
        e = Event(multi_normal, (y, mu, s), (0, 1, 2))
        agree("scipy's multivariate_normal", [ss.multivariate_normal.logpdf(y, mu, s)], [e.value], 1e-9)
        call = [jax.numpy.array(v) for v in (y, mu, s)]
        for found, expected in zip(jax.grad(js.multivariate_normal.logpdf, (0, 1, 2))(*call), e.gradient):
            found = np.asarray(found)
            agree("JAX's gradient of multivariate_normal", ((found + found.T) / 2).reshape(-1), leaves(expected), 1e-9)
    for theta, alpha in OPS["dirichlet_lpdf"][3]:
        e = Event(dirichlet, (theta, alpha), (0, 1))
        agree("scipy's dirichlet", [ss.dirichlet.logpdf(theta, alpha)], [e.value], 1e-9)
        by_alpha = jax.grad(lambda a: js.dirichlet.logpdf(jax.numpy.array(theta), a))(jax.numpy.array(alpha))
        agree("JAX's gradient of dirichlet", by_alpha, e.gradient[1], 1e-8)
    for n, theta in OPS["multinomial_lpmf"][3]:
        agree("scipy's multinomial", [ss.multinomial.logpmf(n, sum(n), theta)], [multinomial(n, theta)], 1e-9)
    for eta in (0.5, 1, 2.5):  # the density of the one correlation of two variables integrates to 1
        whole = m.quad(lambda r: m.exp(lkj([[1, 0], [r, m.sqrt(1 - r * r)]], m.mpf(eta))), [-1, 0, 1])
        agree("LKJ's integral", [float(whole)], [1], 1e-6)


# ---- rows


def row(name, op, dtype, variables, constants, value, gradient, sway, extra="", seeds=None, route="gradient", **answer):
    request = {"graph": f"{op}({', '.join(OPS[op][0].split())}{extra})"}
    if dtype != "float32":
        request["dtype"] = dtype
    if route == "evaluate":
        constants, variables = {**variables, **constants}, {}
    for what, names in (("variables", variables), ("constants", constants)):
        if names:
            request[what] = names
    if seeds is not None:
        request["output_gradients"] = seeds
    tiny = 1.2e-38 if dtype == "float32" else 2.3e-308
    c = Case(f"{op} {name}, {dtype}", route, request, UNIT[dtype], float(f"{max(UNIT[dtype] * float(sway), tiny):.1e}"), False)
    array = lambda x: None if x is None else np.array(convert(x, float), dtype)
    c.answer = {"value": array(value)}
    if route != "evaluate":
        c.answer["gradient"] = {k: array(v) for k, v in gradient.items()}
    c.answer.update(answer)
    return c


def named(op, args):
    names, counts = OPS[op][0].split(), OPS[op][1].split()
    given = dict(zip(names, convert(args, spelt)))
    return {n: given[n] for n in names if n not in counts}, {n: given[n] for n in counts}


def rounded(args, dtype):
    return convert(args, lambda v: float(np.dtype(dtype).type(v)))


def events(op, dtype):
    names, counts, f, points = OPS[op]
    reals = [i for i, n in enumerate(names.split()) if n not in counts.split()]
    for i, p in enumerate(points):
        p = rounded(p, dtype)
        e = Event(f, p, reals)
        variables, constants = named(op, p)
        gradient = dict(zip(variables, e.gradient))
        yield row(f"at point {i}", op, dtype, variables, constants, e.value, gradient, e.sway)
    p = rounded(points[0], dtype)
    e, (variables, constants) = Event(f, p, reals), named(op, p)
    gradient = dict(zip(variables, e.gradient))
    if op not in ("lkj_corr_cholesky_lpdf", "multi_normal_lpdf"):
        if constants:
            for t in ("int32", "int64"):
                ints = {n: typed(t, convert(v, int), list(np.shape(v))) for n, v in constants.items()}
                yield row(f"of {t}", op, dtype, variables, ints, e.value, gradient, e.sway)
            yield row("of counts that are variables", op, dtype, {**constants, **variables}, {}, e.value, {**dict.fromkeys(constants), **gradient}, e.sway)
    # Two events: summed, and one by one with output gradients; the last argument is shared.
    other = convert(p[:-1], lambda v: v)
    first = other[0]
    if op == "lkj_corr_cholesky_lpdf":
        other[0] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]]
    elif isinstance(first, list):
        other[0] = first[::-1]
    else:
        other[0] = 0.0
    q = rounded([*other, p[-1]], dtype)
    two = [Event(f, p, reals), Event(f, q, reals)]
    pair, held = named(op, p)
    for x in (pair, held):
        for k in x:
            if k == names.split()[0]:
                x[k] = [p[0], q[0]]
    for extra, weights in (("", (1.0, 1.0)), (', reduction="none"', SEED[:2])):
        total = [np.array(convert(a, float)) * weights[0] + np.array(convert(b, float)) * weights[1] for a, b in zip(*(x.gradient for x in two))]
        if 0 in reals:
            total[0] = np.array([np.array(convert(x.gradient[0], float)) * w for x, w in zip(two, weights)])
        value = [float(x.value) for x in two]
        sway = sum(abs(w) * x.sway for w, x in zip(weights, two))
        yield row("of two events" + (", one by one" if extra else ""), op, dtype, pair, held, value if extra else sum(value),
                  {k: g.tolist() for k, g in zip(pair, total)}, sway, extra, list(weights) if extra else None)  # fmt: skip
    empty = {n: typed(dtype, [], [0, *np.shape(p[0])]) if n == names.split()[0] else v for n, v in {**pair, **held}.items()}
    blank = lambda k: np.zeros(np.shape(p[names.split().index(k)])).tolist() if k != names.split()[0] else np.zeros((0, *np.shape(p[0])))
    own = {k: empty[k] for k in pair}
    c = row("of no events", op, dtype, own, {k: empty[k] for k in held}, 0.0, {}, 0)
    c.answer["gradient"] = {k: np.array(blank(k), dtype) for k in pair}
    yield c


def hessians(op):
    names, counts, f, points = OPS[op]
    if op == "lkj_corr_cholesky_lpdf":
        return
    reals = [i for i, n in enumerate(names.split()) if n not in counts.split()]
    p = points[1]
    e, (variables, constants) = Event(f, p, reals), named(op, p)
    shape = [np.shape(p[i]) for i in reals]
    blocks = {n: {k: np.array(convert(e.hessian[i][j], float)).reshape(shape[i] + shape[j]) for j, k in enumerate(variables)} for i, n in enumerate(variables)}
    yield row("and its Hessian", op, "float64", variables, constants, e.value, dict(zip(variables, e.gradient)), 100 * e.sway, route="hessian", hessian=blocks)


def cases():
    second_opinions()
    for op in OPS:
        for dtype in BOTH:
            yield from events(op, dtype)
        yield from hessians(op)
    for op, args, value, gradient in EDGES:
        for dtype in BOTH:
            variables, constants = named(op, args)
            if gradient is None:
                yield row(f"at the edge {args}", op, dtype, variables, constants, value, {}, 1, route="evaluate")
            else:
                yield row(f"at the edge {args}", op, dtype, variables, constants, value, dict(zip(variables, gradient)), 0)

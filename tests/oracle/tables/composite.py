"""Whole problems in float64: a Gaussian process, a Kalman filter, regressions, a net, a mixture, Rosenbrock's
function. Each by all routes that somebody who solves it would take."""

import math

import tensorflow as tf

import tf_answer
from table import case, nest

tf_answer.OPS.update({
    "cholesky": tf.linalg.cholesky, "cholesky_solve": tf.linalg.cholesky_solve, "logdet": tf.linalg.logdet,
    "triangular_solve": tf.linalg.triangular_solve, "solve": tf.linalg.solve, "slogdet": tf.linalg.slogdet, "inverse": tf.linalg.inv,
    "diag_part": tf.linalg.diag_part, "trace": tf.linalg.trace, "log_softmax": tf.nn.log_softmax, "reduce_logsumexp": tf.reduce_logsumexp,
    "softmax_cross_entropy_with_logits": tf.nn.softmax_cross_entropy_with_logits,
    "sigmoid_cross_entropy_with_logits": lambda z, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x),
})  # fmt: skip

# Sums of terms of both signs behind one or two factorisations: the digits that either side may lose.
LOOSE = {"rtol": {"float64": 1e-10}, "atol": {"float64": 1e-13}, "cancel": True}
LOG_2PI = math.log(2 * math.pi)


def problem(name, graph, routes, variables, **members):
    """One problem by several routes; `hvp` and `jvp` go along the variables' own values."""
    along = {"hvp": "vector", "jvp": "tangents"}
    for route in routes:
        extra = {along[route]: variables} if route in along else {}
        yield from case(f"{name}, {route}", graph, route, ("float64",), variables=variables, **extra, **members, **LOOSE)


def unit(n):
    return [[float(i == j) for j in range(n)] for i in range(n)]


# ---- a Gaussian process: log marginal likelihood by its three logarithms of hyper-parameters

KERNEL = """\
d = x - transpose(x)
k = exp(2 * log_s) * exp(-0.5 * (d / exp(log_l)) ** 2) + exp(2 * log_n) * unit
"""
LIKELIHOODS = {
    "cholesky_solve and logdet": "y = -0.5 * reduce_sum(t * cholesky_solve(cholesky(k), t)) - 0.5 * logdet(k) - c",
    "triangular_solve": "l = cholesky(k)\ne = triangular_solve(l, t)\ny = -0.5 * reduce_sum(e * e) - reduce_sum(log(diag_part(l))) - c",
    "solve and slogdet": "s, l = slogdet(k)\ny = -0.5 * reduce_sum(t * solve(k, t)) - 0.5 * s * l - c",
    "inverse": "y = -0.5 * reduce_sum(t * (inverse(k) @ t)) - 0.5 * logdet(k) - c",
}


def gaussian_process():
    x = [[0.0], [0.4], [0.9], [1.3], [2.0], [2.2], [3.1], [3.5]]
    t = [[0.1], [0.5], [0.7], [1.1], [0.8], [0.9], [-0.1], [-0.3]]
    point = {"log_l": -0.2, "log_s": 0.1, "log_n": -1.2}
    data = {"x": x, "t": t, "unit": unit(8), "c": 4 * LOG_2PI}
    for how, text in LIKELIHOODS.items():
        yield from problem(f"a Gaussian process by {how}", KERNEL + text, ("gradient", "hessian", "hvp", "jvp"), point, constants=data)
    new = KERNEL + "q = exp(2 * log_s) * exp(-0.5 * ((z - transpose(x)) / exp(log_l)) ** 2)\nm = q @ cholesky_solve(cholesky(k), t)\nv = exp(2 * log_s) - diag_part(q @ cholesky_solve(cholesky(k), transpose(q)))"
    yield from problem("what a Gaussian process foretells", new, ("gradient",), {**point, "z": [[0.6], [2.7]]}, constants={k: data[k] for k in ("x", "t", "unit")}, target=["m", "v"])
    third = KERNEL + LIKELIHOODS["triangular_solve"] + "\na = grad(y, log_l)\nb = grad(a, log_l)\nh = grad(b, log_l)"
    yield from problem("third derivatives of a Gaussian process", third, ("evaluate",), point, constants=data, fetch=["y", "a", "b", "h"])


# ---- a Kalman filter: position and velocity, both observed, 20 steps

STEP = """\
def step(m, p, o):
    m1 = f @ m
    p1 = f @ p @ transpose(f) + exp(log_q) * q
    l = cholesky(p1 + exp(log_r) * unit)
    e = triangular_solve(l, o - m1)
    gain = transpose(cholesky_solve(l, p1))
    return m1 + gain @ (o - m1), p1 - gain @ p1, -0.5 * reduce_sum(e * e) - reduce_sum(log(diag_part(l)))
"""


def kalman():
    steps = 20
    lines = [f"m{i + 1}, p{i + 1}, l{i + 1} = step(m{i}, p{i}, o[{i}])" for i in range(steps)]
    text = STEP + "\n".join(lines) + "\ny = " + " + ".join(f"l{i + 1}" for i in range(steps))
    seen = [[[round(0.3 * i + 0.4 * math.sin(2.1 * i), 3)], [round(0.3 + 0.25 * math.cos(1.7 * i), 3)]] for i in range(steps)]
    data = {"f": [[1.0, 1.0], [0.0, 1.0]], "q": [[0.25, 0.5], [0.5, 1.0]], "unit": unit(2), "o": seen, "p0": unit(2)}
    point = {"log_q": -3.0, "log_r": -1.5, "m0": [[0.0], [0.3]]}
    yield from problem("a Kalman filter of 20 steps", text, ("gradient", "hessian", "hvp"), point, constants=data)


# ---- fits


def fits():
    x = nest([0.3, -1.1, 0.8, 1.9, -0.4, 2.2, -1.3], [12, 3])
    classes = nest([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.2, 0.5, 0.3], [12, 3])
    ones = nest([1.0, 0.0, 1.0, 1.0, 0.0], [12, 1])
    logistic = "loss = reduce_mean(sigmoid_cross_entropy_with_logits(z, x @ w + b)) + 0.05 * reduce_sum(w ** 2)"
    yield from problem("a logistic regression", logistic, ("gradient", "hessian", "hvp", "jvp"), {"w": [[0.5], [-1.0], [0.25]], "b": 0.1}, constants={"x": x, "z": ones})
    net = "h = tanh(x @ w1 + b1)\nloss = reduce_mean(softmax_cross_entropy_with_logits(z, h @ w2 + b2)) + 0.01 * (reduce_sum(w1 ** 2) + reduce_sum(w2 ** 2))"
    small = [0.2, -0.5, 0.8, 0.3, -0.15, 0.6, -1.0]
    weights = {"w1": nest(small, [3, 4]), "b1": small[:4], "w2": nest(small[2:], [4, 3]), "b2": small[3:6]}
    yield from problem("a net of two layers", net, ("gradient", "hessian", "hvp"), weights, constants={"x": x, "z": classes})
    mixture = "e = log_softmax(w) - log_s - 0.5 * ((expand_dims(x, 1) - m) / exp(log_s)) ** 2\ny = reduce_sum(reduce_logsumexp(e, axis=1))"
    point = {"w": [0.3, -0.2, 0.1], "m": [-1.0, 0.5, 2.0], "log_s": [-0.3, 0.2, 0.0]}
    yield from problem("a mixture of three normals", mixture, ("gradient", "hessian", "hvp"), point, constants={"x": [-1.4, -0.9, -0.2, 0.4, 0.6, 1.1, 1.9, 2.4, 3.0, -2.2]})
    third = "y = sin(x) * exp(x / 2) + x ** 5\na = grad(y, x)\nb = grad(a, x)\nc = grad(b, x)"
    yield from problem("a third derivative", third, ("gradient",), {"x": [-1.5, 0.0, 0.7, 2.0]}, fetch=["y", "a", "b"])


# ---- Rosenbrock's function


def rosenbrock():
    text = "y = reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)"
    for n in (2, 10, 100):
        point = {"x": [round(-1.2 + 2.2 * ((7 * i) % n) / n, 3) for i in range(n)]}
        yield from problem(f"Rosenbrock's function of {n}", text, ("gradient", "hessian", "hvp", "jvp"), point)
        yield from problem(f"Rosenbrock's function of {n}, at its minimum", text, ("gradient", "hessian"), {"x": [1.0] * n})


def cases():
    for table in (gaussian_process, kalman, fits, rosenbrock):
        yield from table()

"""Makes accuracy.json: values of the functions of one to three arguments at many points, by mpmath to 50
digits, for tests/accuracy. Each value is its nearest float64 and the rest in units of the last
place; beside it stands the condition number, by how much a relative error of the arguments grows."""

import json
import math
import pathlib
import random

import mpmath as m

m.mp.dps = 50
HERE = pathlib.Path(__file__).resolve().parent
COUNT = {"elementary": 150, "special": 60}


def even(low, high):
    return lambda r: r.uniform(low, high)


def sizes(low, high, signed=False):
    """Of all orders of magnitude."""
    least, most = math.log2(low), math.log2(high)
    return lambda r: math.ldexp(r.uniform(1.0, 2.0), math.floor(r.uniform(least, most))) * (r.choice((-1, 1)) if signed else 1)


def whole(low, high):
    return lambda r: float(r.randint(low, high))


ALL, POSITIVE, INSIDE = sizes(1e-10, 700, True), sizes(1e-300, 1e300), lambda r: math.sin(r.uniform(-1.57, 1.57))
CIRCLE, MIDDLE, UNIT = sizes(1e-8, 1e6, True), sizes(1e-8, 30, True), even(0.0, 1.0)
GAMMA, BESSEL = sizes(1e-8, 1e8), sizes(1e-6, 600)
HALF_LOG = m.sqrt(2 / m.pi)


def upper_sum(s, q):
    """The zeta function of Hurwitz, also below 0 where s is whole."""
    n = max(0, math.ceil(-q) + 1)
    with m.workdps(150):  # mpmath's error is absolute
        return sum((q + k) ** -s for k in range(n)) + m.zeta(s, q + n)


ELEMENTARY = {
    "sqrt(x)": (m.sqrt, POSITIVE), "rsqrt(x)": (lambda x: 1 / m.sqrt(x), POSITIVE), "cbrt(x)": (lambda x: m.sign(x) * m.cbrt(abs(x)), CIRCLE),
    "exp(x)": (m.exp, ALL), "expm1(x)": (m.expm1, ALL), "exp2(x)": (lambda x: m.mpf(2) ** x, ALL),
    "log(x)": (m.log, POSITIVE), "log1p(x)": (m.log1p, lambda r: r.choice((GAMMA(r), -UNIT(r), GAMMA(r) * 1e-8))),
    "log2(x)": (lambda x: m.log(x, 2), POSITIVE), "log10(x)": (m.log10, POSITIVE),
    "sin(x)": (m.sin, CIRCLE), "cos(x)": (m.cos, CIRCLE), "tan(x)": (m.tan, CIRCLE),
    "asin(x)": (m.asin, INSIDE), "acos(x)": (m.acos, INSIDE), "atan(x)": (m.atan, CIRCLE),
    "sinh(x)": (m.sinh, ALL), "cosh(x)": (m.cosh, ALL), "tanh(x)": (m.tanh, MIDDLE),
    "asinh(x)": (m.asinh, CIRCLE), "acosh(x)": (m.acosh, lambda r: 1 + GAMMA(r)), "atanh(x)": (m.atanh, INSIDE),
    "atan2(x, y)": (m.atan2, CIRCLE, CIRCLE), "hypot(x, y)": (m.hypot, CIRCLE, CIRCLE), "x ** y": (m.power, sizes(1e-3, 1e3), even(-40.0, 40.0)),
    "erf(x)": (m.erf, sizes(1e-8, 6, True)), "erfc(x)": (m.erfc, lambda r: r.choice((r.uniform(-5, 5), r.uniform(5, 26)))),
    "sigmoid(x)": (lambda x: 1 / (1 + m.exp(-x)), ALL), "softplus(x)": (lambda x: m.log1p(m.exp(x)), ALL),
    "log_sigmoid(x)": (lambda x: -m.log1p(m.exp(-x)), ALL), "softsign(x)": (lambda x: x / (1 + abs(x)), CIRCLE),
    "silu(x)": (lambda x: x / (1 + m.exp(-x)), ALL), "elu(x)": (lambda x: x if x >= 0 else m.expm1(x), ALL),
    "selu(x)": (lambda x: m.mpf("1.0507009873554804934193349852946") * (x if x >= 0 else m.mpf("1.6732632423543772848170429916717") * m.expm1(x)), ALL),
}  # fmt: skip

SPECIAL = {
    "gelu(x)": (lambda x: x * m.ncdf(x), even(-30.0, 30.0)),
    "gelu(x, approximate=True)": (lambda x: x / 2 * (1 + m.tanh(HALF_LOG * (x + m.mpf("0.044715") * x**3))), even(-3.0, 30.0)),
    "mish(x)": (lambda x: x * m.tanh(m.log1p(m.exp(x))), ALL),
    "lgamma(x)": (lambda x: m.log(abs(m.gamma(x))), lambda r: r.choice((GAMMA(r), r.uniform(-20, 5)))),
    "digamma(x)": (m.digamma, lambda r: r.choice((GAMMA(r), r.uniform(-20, 5)))),
    "polygamma(x, y)": (lambda n, x: m.psi(int(n), x), whole(1, 12), lambda r: r.choice((sizes(1e-3, 1e3)(r), r.uniform(-9, 0)))),
    "zeta(x, y)": (upper_sum, sizes(1.01, 30), sizes(1e-2, 1e3)),
    "erfinv(x)": (m.erfinv, INSIDE), "ndtri(x)": (lambda p: m.sqrt(2) * m.erfinv(2 * p - 1), lambda r: r.choice((UNIT(r), sizes(1e-12, 0.5)(r)))),
    "ndtr(x)": (m.ncdf, even(-35.0, 8.0)),
    "betainc(x, y, z)": (lambda a, b, x: m.betainc(a, b, 0, x, regularized=True), sizes(0.1, 50), sizes(0.1, 50), even(0.01, 0.99)),
    "igamma(x, y)": (lambda a, x: m.gammainc(a, 0, x, regularized=True), sizes(0.1, 100), sizes(0.1, 100)),
    "igammac(x, y)": (lambda a, x: m.gammainc(a, x, regularized=True), sizes(0.1, 100), sizes(0.1, 100)),
    "dawsn(x)": (lambda x: m.sqrt(m.pi) / 2 * m.exp(-x * x) * m.erfi(x), sizes(1e-6, 20, True)),
    "expint(x)": (m.ei, sizes(1e-6, 100, True)), "spence(x)": (lambda x: m.re(m.polylog(2, 1 - x)), sizes(1e-6, 50)),
    "bessel_i0(x)": (lambda x: m.besseli(0, x), BESSEL), "bessel_i1(x)": (lambda x: m.besseli(1, x), BESSEL),
    "bessel_i0e(x)": (lambda x: m.exp(-x) * m.besseli(0, x), BESSEL), "bessel_i1e(x)": (lambda x: m.exp(-x) * m.besseli(1, x), BESSEL),
    "bessel_j0(x)": (lambda x: m.besselj(0, x), BESSEL), "bessel_j1(x)": (lambda x: m.besselj(1, x), BESSEL),
    "bessel_k0(x)": (lambda x: m.besselk(0, x), BESSEL), "bessel_k1(x)": (lambda x: m.besselk(1, x), BESSEL),
    "bessel_k0e(x)": (lambda x: m.exp(x) * m.besselk(0, x), BESSEL), "bessel_k1e(x)": (lambda x: m.exp(x) * m.besselk(1, x), BESSEL),
    "bessel_y0(x)": (lambda x: m.bessely(0, x), BESSEL), "bessel_y1(x)": (lambda x: m.bessely(1, x), BESSEL),
}  # fmt: skip


def condition(f, graph, point, value):
    """The sum over the arguments of |x f_x / f|; an order, which is whole, is exact."""
    total = m.mpf(0)
    for i, x in enumerate(point):
        if graph.startswith("polygamma") and i == 0:
            continue
        h = abs(x) * m.mpf(10) ** -20
        up, down = (f(*point[:i], x + s * h, *point[i + 1 :]) for s in (1, -1))
        total += abs((up - down) / (2 * h) * x / value)
    return total


def row(kind, graph, f, *ranges):
    r = random.Random(graph)
    points, values, rests, conditions = [], [], [], []
    while len(values) < COUNT[kind]:
        point = [pick(r) for pick in ranges]
        exact = [m.mpf(x) for x in point]
        value = f(*exact)
        nearest = float(value)
        if not math.isfinite(nearest) or abs(nearest) < 1e-290 or abs(nearest) > 1e300:
            continue
        points.append(point)
        values.append(nearest)
        rests.append(round(float((value - nearest) / math.ulp(nearest)), 3))
        conditions.append(float(f"{float(condition(f, graph, exact, value)):.2g}"))
    names = "xyz"[: len(ranges)]
    columns = {n: [p[i] for p in points] for i, n in enumerate(names)}
    return {"kind": kind, "graph": graph, "constants": columns, "value": values, "rest": rests, "condition": conditions}


def make():
    rows = [row(kind, graph, *rest) for kind, table in (("elementary", ELEMENTARY), ("special", SPECIAL)) for graph, rest in table.items()]
    (HERE / "accuracy.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n", encoding="utf-8")
    print(f"accuracy.json: {len(rows)} functions")
    return len(rows)


if __name__ == "__main__":
    make()

"""Special functions: TensorFlow's numbers for shapes, poles and second derivatives, mpmath's for the digits."""

import mpmath as m
from exact import exact
from table import BOTH, binary_cases, case, tensor, unary_cases
from tables.elementwise import BINARY_SHAPES, UNARY_SHAPES
from tables.special import INF, NAN, NEG, UPSTREAM

POSITIVE = [0.25, 0.5, 1.5, 2.0, 7.5, 0.125]
ALL = [-2.5, -0.75, 0.25, 1.0, 3.5, -0.125]
UNARY = {
    "lgamma": [-2.5, -0.75, 0.25, 1.25, 3.5, 10.0], "digamma": [-2.5, -0.75, 0.25, 1.25, 3.5, 10.0],
    "erfinv": [-0.75, -0.5, 0.25, 0.875, -0.125, 0.0625], "ndtri": [0.75, 0.25, 0.0625, 0.875, 0.375, 0.9375],
    "ndtr": ALL, "dawsn": ALL, "expint": POSITIVE, "spence": [0.25, 0.5, 1.5, 2.0, 7.5, 0.125],
    "bessel_i0": ALL, "bessel_i0e": ALL, "bessel_i1": ALL, "bessel_i1e": ALL, "bessel_j0": ALL, "bessel_j1": ALL,
    "bessel_k0": POSITIVE, "bessel_k0e": POSITIVE, "bessel_k1": POSITIVE, "bessel_k1e": POSITIVE,
    "bessel_y0": POSITIVE, "bessel_y1": POSITIVE,
}  # fmt: skip
# Differences of nearly equal terms in the derivatives, and TensorFlow's own error in float32.
CLOSE = {"float32": 4e-6, "float64": 2e-14}

BINARY = {
    "polygamma": ([1.0, 2.0, 3.0, 0.0, 4.0, 5.0], [0.5, 1.5, 2.0, 4.0]),
    "zeta": ([1.5, 2.0, 3.0, 2.5, 4.0, 5.0], [0.5, 1.5, 2.0, 4.0]),
}
INCOMPLETE = {
    "igamma": ([0.5, 2.0, 3.5, 1.0, 7.0, 12.5], [0.25, 1.5, 2.0, 8.0]),
    "igammac": ([0.5, 2.0, 3.5, 1.0, 7.0, 12.5], [0.25, 1.5, 2.0, 8.0]),
}

POINTS = {
    "lgamma": [0.0, -0.0, -1.0, -2.0, INF, NAN, 1.0], "digamma": [0.0, -0.0, -1.0, -2.0, INF, NAN, 1.0],
    "erfinv": [1.0, -1.0, 0.0, -0.0, 2.0, NAN, -2.0], "ndtri": [0.0, 1.0, 0.5, -1.0, 2.0, NAN, 0.25],
    "dawsn": [0.0, -0.0, INF, NEG, NAN, 1.0, -5.0], "expint": [0.0, -0.0, NAN, 1.0, 5.0, 0.5, 10.0],
    "spence": [0.0, -0.0, 1.0, -1.0, -2.0, NAN, 2.0],
    "bessel_i0": [0.0, -0.0, NAN, 1000.0, -1000.0, 1.0, -1.0], "bessel_i0e": [0.0, -0.0, INF, NEG, NAN, 20.0, -1.0],
    "bessel_i1": [NAN, 1.0, -1.0, 2.0, -2.0, 5.0, -5.0], "bessel_i1e": [0.0, -0.0, INF, NEG, NAN, 20.0, -1.0],
    "bessel_j0": [0.0, -0.0, NAN, 2.0, -2.0, 30.0, -1.0], "bessel_j1": [0.0, -0.0, NAN, 2.0, -2.0, 30.0, -1.0],
    "bessel_k0": [0.0, -0.0, -1.0, INF, NAN, 1.0, 1000.0], "bessel_k0e": [0.0, -0.0, -1.0, INF, NAN, 1.0, 20.0],
    "bessel_k1": [0.0, -0.0, -1.0, INF, NAN, 1.0, 1000.0], "bessel_k1e": [0.0, -0.0, -1.0, INF, NAN, 1.0, 20.0],
    "bessel_y0": [0.0, -0.0, -1.0, NAN, 1.0, 30.0, 2.0], "bessel_y1": [0.0, -0.0, -1.0, NAN, 1.0, 30.0, 2.0],
}  # fmt: skip
FLOAT64 = {"bessel_y0", "bessel_y1"}  # in float32 TensorFlow's y1 is NaN at 0
PAIRS = [
    ("polygamma", [0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 1.5], [0.0, 0.0, -1.0, -0.5, -1.0, -0.5, 1.0]),
    ("polygamma", [-1.0, 1.0, 1.0, 3.0, 2.0, 2.0, 2.0], [1.0, INF, NAN, 100.0, NEG, 0.0, 1.0]),
    ("zeta", [1.0, 0.5, 2.0, 2.0, 3.0, 2.0, 3.0], [1.0, 1.0, 0.0, -1.0, -1.0, -0.5, -0.5]),
    ("zeta", [2.5, 2.0, INF, 2.0, NAN, 2.0, 1.0], [-0.5, INF, 2.0, NAN, 1.0, NEG, -1.0]),
]


def several():
    yield from binary_cases(BINARY, BINARY_SHAPES, atol=CLOSE)
    yield from binary_cases(INCOMPLETE, BINARY_SHAPES, atol=CLOSE, rtol={"float32": 2e-5, "float64": 1e-9})
    a, b, x = [0.5, 2.0, 3.5], [1.5, 0.75, 4.0], [0.25, 0.5, 0.875]
    yield from case("betainc", "z = betainc(a, b, x)", variables={"a": a, "b": b, "x": x}, seed=True, atol=CLOSE)
    yield from case("betainc of scalars", "z = betainc(a, b, x)", variables={"a": 0.5, "b": 1.5, "x": 0.25}, atol=CLOSE)
    yield from case("betainc of two scalars and a matrix", "z = betainc(a, b, x)", variables={"a": 0.5, "b": 1.5, "x": [x, x]}, seed=True, atol=CLOSE)
    yield from case("betainc of nothing", "z = betainc(a, b, x)", variables={"a": 0.5, "b": 1.5, "x": tensor([], (0, 2), "float32")}, seed=True, dtypes=("float32",))
    for what, g in UPSTREAM.items():
        yield from case(f"igamma at special points, output gradient {what}", "z = igamma(a, x)", output_gradients=g, atol=CLOSE,
                        variables={"x": [4.0, NAN, 2.0, 0.0, 0.0, 0.5, 1.0]}, constants={"a": [1.0, 1.0, 1.0, 2.0, 0.5, 0.5, 7.0]})  # fmt: skip
        yield from case(f"igammac at special points, output gradient {what}", "z = igammac(a, x)", output_gradients=g, atol=CLOSE,
                        variables={"x": [2.5, NAN, 2.0, 0.0, 0.0, 0.5, 1.0]}, constants={"a": [1.0, 1.0, 1.0, 2.0, 0.5, 0.5, 3.0]})  # fmt: skip
        yield from case(f"betainc at special points, output gradient {what}", "z = betainc(a, b, x)", output_gradients=g, atol=CLOSE,
                        variables={"a": [1.0, 2.0, 2.0, 2.0, 2.0, -1.0, 0.5], "b": [1.0, 3.0, 3.0, 3.0, 3.0, 1.0, 0.5], "x": [0.5, 0.0, 1.0, -0.125, 1.5, 0.5, 0.0]})  # fmt: skip


def special():
    for op, x in POINTS.items():
        for what, g in UPSTREAM.items():
            yield from case(f"{op} at special points, output gradient {what}", f"y = {op}(x)", variables={"x": x}, output_gradients=g,
                            dtypes=("float64",) if op in FLOAT64 else BOTH, atol=CLOSE)  # fmt: skip
    for op, x, y in PAIRS:
        for what, g in UPSTREAM.items():
            yield from case(f"{op} at special points {x} and {y}, output gradient {what}", f"z = {op}(x, y)", variables={"x": x, "y": y},
                            output_gradients=g, atol=CLOSE)  # fmt: skip


def second():
    for op, x in UNARY.items():
        yield from case(f"second derivative of {op}", f"y = {op}(x); g = grad(y, x); s = reduce_sum(g * c)", fetch=["g"],
                        variables={"x": x[:5]}, constants={"c": [0.5, -1.25, 2.0, 0.75, -0.375]}, cancel=True,
                        atol={"float32": 1e-4, "float64": 1e-13}, rtol={"float32": 1e-5, "float64": 1e-11})  # fmt: skip
    for op, (n, x) in BINARY.items():
        yield from case(f"second derivative of {op}", f"y = {op}(n, x); g = grad(y, x); s = reduce_sum(g)", fetch=["g"],
                        variables={"x": x, "n": n[:4]}, rtol={"float32": 1e-5, "float64": 1e-11})  # fmt: skip
    yield from case("second derivative of betainc", "z = betainc(a, b, x); g = grad(z, x); s = reduce_sum(g)", fetch=["g"],
                    variables={"a": [0.5, 2.0, 3.5], "b": [1.5, 0.75, 4.0], "x": [0.25, 0.5, 0.875]},
                    atol={"float32": 1e-5, "float64": 1e-13}, rtol={"float32": 1e-5, "float64": 1e-11})  # fmt: skip


WIDE = [2.0**-20, 0.01171875, 0.25, 1.0, 1.4375, 3.0, 12.5, 100.25]
SIGNED = [-50.25, -7.5, -1.0, -0.0078125, 2.0**-16, 0.375, 2.0, 6.25, 30.5]
NEGATIVE = [-0.5, -0.875, -1.25, -3.75, -10.5]
MPMATH = {
    "lgamma": (lambda x: m.log(abs(m.gamma(x))), WIDE + NEGATIVE),
    "digamma": (m.digamma, WIDE + NEGATIVE),
    "erfinv": (m.erfinv, [-0.99609375, -0.5, -(2.0**-12), 2.0**-20, 0.125, 0.75, 0.9999847412109375]),
    "ndtri": (lambda p: m.sqrt(2) * m.erfinv(2 * p - 1), [2.0**-40, 2.0**-12, 0.125, 0.375, 0.625, 0.875, 0.9998779296875]),
    "ndtr": (m.ncdf, [-12.5, -5.0, -1.0, -0.0625, 0.5, 2.0, 6.0]),
    "dawsn": (lambda x: m.sqrt(m.pi) / 2 * m.exp(-x * x) * m.erfi(x), [-13.0, -5.5, -0.5, 2.0**-12, 0.25, 1.5, 4.75]),
    "expint": (m.ei, [-50.25, -2.0, -0.0625, 2.0**-20, 0.25, 0.4375, 1.0, 7.5, 60.25]),
    "spence": (lambda x: m.re(m.polylog(2, 1 - x)), [2.0**-20, 0.125, 0.4375, 0.5625, 1.25, 1.75, 2.5, 100.25]),
    "bessel_i0": (lambda x: m.besseli(0, x), SIGNED), "bessel_i1": (lambda x: m.besseli(1, x), SIGNED),
    "bessel_i0e": (lambda x: m.exp(-abs(x)) * m.besseli(0, x), SIGNED + [1000.5]),
    "bessel_i1e": (lambda x: m.exp(-abs(x)) * m.besseli(1, x), SIGNED + [1000.5]),
    "bessel_j0": (lambda x: m.besselj(0, x), SIGNED), "bessel_j1": (lambda x: m.besselj(1, x), SIGNED),
    "bessel_k0": (lambda x: m.besselk(0, x), WIDE[:-1]), "bessel_k1": (lambda x: m.besselk(1, x), WIDE[:-1]),
    "bessel_k0e": (lambda x: m.exp(x) * m.besselk(0, x), WIDE), "bessel_k1e": (lambda x: m.exp(x) * m.besselk(1, x), WIDE),
    "bessel_y0": (lambda x: m.bessely(0, x), WIDE), "bessel_y1": (lambda x: m.bessely(1, x), WIDE),
}  # fmt: skip
# Derivatives that are differences: their relative error is 1e-13 times how much cancels.
SLOPE = {"dawsn": 1e-12, "bessel_i0e": 1e-12, "bessel_i1e": 1e-12, "bessel_k0e": 1e-12, "bessel_k1e": 1e-12}
VALUE = {"ndtr": 1e-14}  # erfc of a rounded argument


def digits():
    for op, (f, points) in MPMATH.items():
        yield from exact(op, f"y = {op}(x)", f, points, dtypes=("float64",), value=VALUE.get(op, 1e-15), slope=SLOPE.get(op, 1e-13))
        if op != "ndtr":
            yield from exact(f"{op} at fewer points", f"y = {op}(x)", f, points[2:6], dtypes=("float32",), gradient=False)
    orders = [(n, x) for n in (1, 2, 5, 20) for x in (2.0**-8, 0.5, 3.25, 40.5, 1000.25)]
    yield from exact("polygamma", "z = polygamma(x, y)", lambda n, x: m.psi(int(n), x), orders, dtypes=("float64",))
    below = [(n, x) for n in (1, 2, 5, 17) for x in (-0.5, -0.875, -3.25, -100.125)]
    yield from exact("polygamma below 0", "z = polygamma(x, y)", lambda n, x: m.psi(int(n), x), below, dtypes=("float64",))
    with m.workdps(100):
        powers = [(s, q) for s in (1.0078125, 1.5, 2.0, 7.25, 25.5) for q in (2.0**-8, 0.5, 3.25, 40.5)]
        yield from exact("zeta", "z = zeta(x, y)", lambda s, q: m.zeta(s, q), powers, dtypes=("float64",))
        whole = [(s, q) for s in (2.0, 3.0, 6.0, 30.0) for q in (-0.5, -0.875, -3.25)]
        yield from exact("zeta below 0", "z = zeta(x, y)", lambda s, q: sum((q + k) ** -int(s) for k in range(8)) + m.zeta(int(s), q + 8), whole, dtypes=("float64",))
    def lower(a, x):
        return m.gammainc(a, 0, x, regularized=True)

    pairs = [(a, x) for a in (0.0625, 1.0, 3.5, 40.5, 1000.0) for x in (0.0078125, 0.75, 3.0, 35.0, 1010.0) if x > a / 50 and x < 50 * (1 + a)]
    turned = [(x, a) for a, x in pairs]
    yield from exact("igamma", "z = igamma(x, y)", lower, pairs, dtypes=("float64",), value=1e-13)
    yield from exact("igamma by a", "z = igamma(y, x)", lambda x, a: lower(a, x), turned, dtypes=("float64",), value=1e-13)
    yield from exact("igammac", "z = igammac(x, y)", lambda a, x: m.gammainc(a, x, regularized=True), pairs, dtypes=("float64",), value=1e-13)
    some = [(0.75, 0.5), (2.5, 2.0), (8.0, 3.5)]
    for what, text, f in (
        ("second derivative by a", "grad(grad(z, x), x)", (2, 0)), ("mixed derivative", "grad(grad(z, x), y)", (1, 1)),
        ("mixed derivative, the other way", "grad(grad(z, y), x)", (1, 1)), ("second derivative by x", "grad(grad(z, y), y)", (0, 2)),
        ("third derivative by a, a and x", "grad(grad(grad(z, x), x), y)", (2, 1)), ("third derivative by a", "grad(grad(grad(z, x), x), x)", (3, 0)),
    ):
        yield from exact(f"{what} of igamma", f"z = igamma(x, y); g = {text}", lambda a, x: m.diff(lower, (a, x), f), some, dtypes=("float64",), gradient=False, value=1e-12)
    shapes = [(a, b, x) for a in (0.125, 1.0, 3.5, 40.5) for b in (0.5, 2.0, 17.25) for x in (0.0078125, 0.375, 0.9375)]
    yield from exact("betainc", "w = betainc(x, y, z)", lambda a, b, x: m.betainc(a, b, 0, x, regularized=True), shapes, dtypes=("float64",), slope=2e-13)
    for n, f in {"bessel_i1": lambda x: m.besseli(1, x), "bessel_j1": lambda x: m.besselj(1, x), "bessel_i0": lambda x: m.besseli(0, x)}.items():
        for order, text in (("first", "grad(y, x)"), ("third", "grad(grad(grad(y, x), x), x)")):
            k = 1 if order == "first" else 3
            yield from exact(f"{order} derivative of {n} around 0", f"y = {n}(x); g = {text}", lambda x: m.diff(f, x, k), [0.0, 0.5, -0.25], dtypes=("float64",), gradient=False, value=1e-14)


# Elementary functions are within 4 units in the last place: 4 * 2^-52.
ELEMENTARY = {
    "exp": (m.exp, SIGNED), "expm1": (m.expm1, SIGNED), "log": (m.log, WIDE), "log1p": (m.log1p, WIDE + [-0.875, -0.0078125]),
    "sqrt": (m.sqrt, WIDE), "rsqrt": (lambda x: 1 / m.sqrt(x), WIDE), "sin": (m.sin, SIGNED), "cos": (m.cos, SIGNED), "tan": (m.tan, SIGNED),
    "sinh": (m.sinh, SIGNED), "cosh": (m.cosh, SIGNED), "tanh": (m.tanh, SIGNED), "asinh": (m.asinh, SIGNED), "atan": (m.atan, SIGNED),
    "asin": (m.asin, [-0.9921875, -0.5, 2.0**-20, 0.625, 0.875]), "acos": (m.acos, [-0.9921875, -0.5, 2.0**-20, 0.625, 0.875]),
    "atanh": (m.atanh, [-0.9921875, -0.5, 2.0**-20, 0.625, 0.875]), "acosh": (m.acosh, [1.0009765625, 1.5, 7.25, 100.25, 1e6]),
    "exp2": (lambda x: m.mpf(2) ** x, SIGNED), "log2": (lambda x: m.log(x) / m.log(2), WIDE), "log10": (m.log10, WIDE),
    "cbrt": (lambda x: m.sign(x) * m.cbrt(abs(x)), SIGNED), "erf": (m.erf, [-4.5, -1.0, 2.0**-20, 0.25, 0.875, 2.0, 5.5]),
    "erfc": (m.erfc, [-4.5, -1.0, 2.0**-20, 0.25, 0.875, 2.0, 5.5, 20.25]),
    "sigmoid": (lambda x: 1 / (1 + m.exp(-x)), SIGNED), "softplus": (lambda x: m.log1p(m.exp(x)), SIGNED),
}  # fmt: skip
ACTIVATIONS = {
    "gelu": lambda x: x * m.ncdf(x), "silu": lambda x: x / (1 + m.exp(-x)), "mish": lambda x: x * m.tanh(m.log1p(m.exp(x))),
    "gelu_by_tanh": lambda x: x / 2 * (1 + m.tanh(m.sqrt(2 / m.pi) * (x + m.mpf("0.044715") * x**3))),
    "log_sigmoid": lambda x: -m.log1p(m.exp(-x)), "softsign": lambda x: x / (1 + abs(x)),
    "elu": lambda x: x if x >= 0 else m.expm1(x),
    "selu": lambda x: m.mpf("1.0507009873554804934193349852946") * (x if x >= 0 else m.mpf("1.6732632423543772848170429916717") * m.expm1(x)),
}  # fmt: skip


def elementary():
    for op, (f, points) in ELEMENTARY.items():
        yield from exact(op, f"y = {op}(x)", f, points, dtypes=("float64",), gradient=False, value=8.9e-16)
    for op, f in ACTIVATIONS.items():
        text = "gelu(x, approximate=True)" if op == "gelu_by_tanh" else f"{op}(x)"
        yield from exact(op, f"y = {text}", f, [-2.5, -1.25, -0.25, 2.0**-10, 0.75, 3.5], dtypes=("float64",), value=1e-13, slope=1e-12)
    for n, text, f in (("atan2", "atan2(x, y)", m.atan2), ("hypot", "hypot(x, y)", m.hypot), ("pow", "x ** y", m.power)):
        points = [(a, b) for a in (0.0078125, 0.75, 9.5) for b in (-3.25, -0.5, 0.25, 7.0)]
        yield from exact(n, f"z = {text}", f, points, dtypes=("float64",), gradient=False, value=8.9e-16)


def cases():
    yield from unary_cases(UNARY, UNARY_SHAPES, lambda op: CLOSE)
    for table in (several, special, second, digits, elementary):
        yield from table()

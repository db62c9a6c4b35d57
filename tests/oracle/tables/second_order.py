"""Derivatives of derivatives: a gradient taken inside the recording of another tape."""

from table import case, evaluate

ALL = [-2.5, -0.75, 0.25, 1.0, 3.5]
POSITIVE = [0.1, 0.5, 1.0, 2.0, 7.5]
C = [0.5, -1.25, 2.0, 0.75, -0.375]
KINK = [-1.0, 0.0, -0.0, 2.0, 0.5]

UNARY = {
    "square(x)": ALL, "exp(x)": ALL, "expm1(x)": ALL, "sin(x)": ALL, "cos(x)": ALL, "tan(x)": ALL,
    "sinh(x)": ALL, "cosh(x)": ALL, "tanh(x)": ALL, "sigmoid(x)": ALL, "softplus(x)": ALL,
    "sqrt(x)": POSITIVE, "rsqrt(x)": POSITIVE, "log(x)": POSITIVE, "log1p(x)": POSITIVE,
    "reciprocal(x)": ALL, "x ** 3": ALL, "x ** 2.5": POSITIVE, "x ** -1.5": POSITIVE,
    "2 ** x": ALL, "x ** x": POSITIVE, "1 / x": ALL, "x / (1 + x * x)": ALL, "x * x * x": ALL,
    "exp(-x * x)": ALL, "sin(x) * exp(x)": ALL, "log(1 + exp(x))": ALL, "sqrt(1 + x ** 2)": ALL,
    "x % 0.75 * x": ALL, "mod(x * x, 2.0)": ALL,
    "relu(x) * x": KINK, "relu(x) ** 2": KINK, "abs(x) * x": KINK, "maximum(x, 0.3) * x": KINK,
    "minimum(x, 0.3) ** 2": KINK, "where(x > 0.3, x ** 3, x)": KINK, "sign(x) * x ** 2": KINK,
    "stop_gradient(x) * x": ALL, "stop_gradient(x) * x ** 2": ALL,
}  # fmt: skip

# the first derivative does not read x (null), or reads it and is flat (a connected 0)
FLAT = ["negative(x)", "x + 1", "x - 2", "3 * x", "x / 4", "identity(x)", "sign(x)", "maximum(x, 0.3)", "minimum(x, 0.3)",
        "where(x > 0.3, x, 2 * x)", "x % 0.75", "relu(x)", "abs(x)", "x ** 1", "x ** 0", "x[::-1]", "x[1:]", "reshape(x, [5, 1])",
        "transpose(x)", "expand_dims(x, 0)", "squeeze(x)", "broadcast_to(x, [2, 5])", "concat([x, x], axis=0)", "stack([x, x])",
        "maximum(minimum(x, 1.0), -1.0)", "matmul(expand_dims(x, 0), expand_dims(c, 1))", "reduce_sum(x)", "reduce_mean(x)",
        "reduce_max(x)", "reduce_min(x)", "zeros_like(x) * x", "cast(x, 'float64')", "x * stop_gradient(x)"]  # fmt: skip

BINARY = {
    "x + y": (ALL, POSITIVE), "x - y": (ALL, POSITIVE), "x * y": (ALL, POSITIVE), "x / y": (ALL, POSITIVE),
    "x ** y": (POSITIVE, ALL), "maximum(x, y)": (ALL, POSITIVE), "minimum(x, y)": (ALL, POSITIVE),
    "mod(x, y)": (ALL, POSITIVE), "where(x > y, x * y, x / y)": (ALL, POSITIVE), "x * x * y": (ALL, POSITIVE),
    "sin(x * y)": (ALL, POSITIVE), "exp(x / y)": (ALL, [0.5, 0.75, 1.0, 2.0, 7.5]), "(x + 5) * y ** 2": (ALL, POSITIVE),
    "x * reduce_sum(y)": (ALL, POSITIVE), "x * y[0]": (ALL, POSITIVE),
}  # fmt: skip

STRUCTURES = {
    "matmul(x, y)": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "matmul(x, y, transpose_a=True)": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "matmul(x, y, transpose_b=True)": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "matmul(x, y, transpose_a=True, transpose_b=True)": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "matmul(x, x) * y": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "reduce_sum(x, axis=0) * reduce_prod(y, axis=1)": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "reduce_prod(x) * y": ([1.5, -2.0, 3.0], [0.5, -1.0, 2.0]),
    "reduce_mean(x ** 2, axis=1, keepdims=True) * y": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "reduce_max(x ** 2, axis=1) * y[0]": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "reduce_min(x * y, axis=0)": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "concat([x, y], axis=0) ** 2": ([1.0, 2.0], [3.0]),
    "stack([x, y, x * y])": (1.5, -2.0),
    "x[1:] * x[:-1] * y": ([1.0, 2.0, 3.0], [0.5, -1.0]),
    "x[::-2] ** 2 * y": ([1.0, 2.0, 3.0], [0.5, -1.0]),
    "x[:, None] * y": ([1.0, 2.0], [3.0, 4.0]),
    "log(reduce_sum(exp(x))) * y": ([1.0, 2.0, 0.5], 2.0),
    "exp(x) / reduce_sum(exp(x)) * y": ([1.0, 2.0, 0.5], [1.0, -1.0, 2.0]),
    "transpose(x) * y": ([[1.0, 2.0], [3.0, -4.0]], [[0.5, -1.0], [1.5, 2.0]]),
    "reshape(x, [4]) ** 3 * y": ([[1.0, 2.0], [3.0, -4.0]], [0.5, -1.0, 1.5, 2.0]),
    "broadcast_to(x, [2, 2]) * y ** 2": ([1.0, 2.0], [[0.5, -1.0], [1.5, 2.0]]),
    "tanh(matmul(x, y))": ([[0.1, 0.2], [0.3, -0.4]], [[0.5, -1.0], [1.5, 2.0]]),
}  # fmt: skip

THIRD = {
    "x ** 5": ALL, "sin(x)": ALL, "exp(2 * x)": ALL, "log(x)": POSITIVE, "sqrt(x)": POSITIVE,
    "tanh(x)": ALL, "sigmoid(x)": ALL, "1 / x": ALL, "x ** 2.5": POSITIVE, "softplus(x)": ALL,
    "rsqrt(x)": POSITIVE, "x * sin(x)": ALL,
}  # fmt: skip


def unary():
    for text, x in UNARY.items():
        yield from case(f"second derivative of {text}", f"y = {text}; g = grad(y, x); s = reduce_sum(g * c)", fetch=["g"],
                        variables={"x": x}, constants={"c": C}, cancel=True)  # fmt: skip
    for text in FLAT:
        yield from case(f"second derivative of {text}: null or a connected 0", f"y = {text}; g = grad(y, x); s = reduce_sum(g * c)", fetch=["g"],
                        variables={"x": KINK}, constants={"c": C})  # fmt: skip
        yield from case(f"a second derivative of {text} that is unconnected as zeros", f"y = {text}; g = grad(y, x); s = reduce_sum(g * c)", dtypes=("float32",),
                        variables={"x": KINK}, constants={"c": C}, unconnected_gradients="zero")  # fmt: skip


def binary():
    for text, (x, y) in BINARY.items():
        for which in "xy":
            yield from case(f"both derivatives of d({text})/d{which}", f"z = {text}; g = grad(z, {which}); s = reduce_sum(g * c)", fetch=["g"],
                            variables={"x": x, "y": y}, constants={"c": C}, cancel=True)  # fmt: skip
    for text, (x, y) in STRUCTURES.items():
        for which in "xy":
            yield from case(f"both derivatives of d({text})/d{which} squared", f"z = {text}; g = grad(z ** 2, {which}); s = reduce_sum(g ** 2)", fetch=["g"],
                            variables={"x": x, "y": y}, cancel=True)  # fmt: skip
            yield from case(f"both derivatives of d({text})/d{which}", f"z = {text}; g = grad(z, {which}); s = reduce_sum(g * ({which} + 1))",
                            variables={"x": x, "y": y}, cancel=True)  # fmt: skip


def in_text():
    yield from evaluate("grad of grad in the text", "y = x ** 3; h = grad(grad(y, x), x)", constants={"x": 3.0})
    yield from evaluate("grad of a sum of gradients", "y = x ** 4 * z; h = grad(reduce_sum(grad(y, x)), z)", constants={"x": [1.0, 2.0], "z": [3.0, 4.0]})
    yield from evaluate("two gradients unpacked", "y = x ** 2 * z; a, b = grad(y, [x, z]); s = a + b", constants={"x": 3.0, "z": 2.0}, fetch=["a", "b", "s"])
    yield from evaluate("a missing gradient as zero", "y = x * x; g = grad(y, z, unconnected='zero')", constants={"x": 3.0, "z": [2.0, 1.0]})
    yield from evaluate("grad of several targets", "a = x ** 2; b = 3 * x; g = grad([a, b], x)", constants={"x": [1.0, -2.0]})
    yield from evaluate("grad by an inner node", "a = x ** 2; b = sin(a); g = grad(b, a)", constants={"x": [1.0, -2.0]})
    yield from evaluate("grad by an inner node and its origin", "a = x ** 2; b = a * x; g, h = grad(b, [a, x]); s = g * 10 + h", constants={"x": [1.0, -2.0]}, fetch=["g", "h", "s"])
    yield from case("a gradient penalty", "d = tanh(x * w); g = grad(d, x); loss = reduce_sum((sqrt(reduce_sum(g ** 2)) - 1) ** 2)", constants={"x": [0.5, -1.0]}, variables={"w": [1.5, 2.0]})
    yield from case("a gradient step inside a loss", "l = reduce_sum((w - 3) ** 2); v = w - a * grad(l, w); m = reduce_sum((v - 1) ** 2)", variables={"w": [0.0, 1.0], "a": 0.1}, cancel=True)
    yield from case("a Hessian times a vector", "f = reduce_sum(x[0] ** 2 * x[1] + x[1] ** 3); g = grad(f, x); s = reduce_sum(g * v)", variables={"x": [1.5, -2.0]}, constants={"v": [1.0, 0.5]})


def third():
    for text, x in THIRD.items():
        yield from case(f"third derivative of {text}", f"y = {text}; g = grad(y, x); h = grad(g, x); s = reduce_sum(h * c)", fetch=["g", "h"],
                        variables={"x": x}, constants={"c": C}, cancel=True, rtol={"float32": 1e-5, "float64": 1e-12})  # fmt: skip
    yield from case("fourth derivative of x ** 5", "y = x ** 5; h = grad(grad(grad(y, x), x), x)", variables={"x": ALL})
    yield from case("fifth derivative of exp", "y = exp(x); h = grad(grad(grad(grad(y, x), x), x), x)", variables={"x": ALL})
    yield from case("mixed third derivatives", "y = x ** 3 * z ** 2; h = grad(grad(y, x), z)", variables={"x": [1.5, -2.0], "z": [0.5, 3.0]})


def special():
    for text, x in {
        "sqrt(x)": [0.0, 4.0], "relu(x)": [0.0, 1.0], "abs(x)": [0.0, 1.0], "x ** 2": [0.0, 1.0], "x ** 3": [0.0, -1.0], "x ** 1.5": [0.0, 1.0],
        "log(x)": [0.0, 1.0], "1 / x": [0.0, 1.0], "maximum(x, 0.0) ** 2": [0.0, 1.0], "tanh(x)": [30.0, -30.0], "sigmoid(x)": [50.0, -50.0],
        "softplus(x)": [50.0, -50.0], "exp(x)": [-80.0, 0.0], "where(x > 0, log(x), x)": [0.0, 1.0], "rsqrt(x)": [0.0, 1.0], "reciprocal(x)": [0.0, 1.0],
    }.items():  # fmt: skip
        yield from case(f"second derivative of {text} at {x}", f"y = {text}; g = grad(y, x)", variables={"x": x})


def cases():
    for table in (unary, binary, in_text, third, special):
        yield from table()

"""Inverse and guarded functions, rounding, clipping and activations: ordinary points, broadcast, empty,
special points, and second derivatives that are null or a connected 0."""

from table import BOTH, binary_cases, case, evaluate, typed, unary_cases
from tables.elementwise import ALL, BINARY_SHAPES, POSITIVE, UNARY_SHAPES
from tables.special import INF, NAN, NEG, UPSTREAM

WITHIN = [-0.75, -0.5, 0.25, 0.875, -0.1, 0.0625]
UNARY = {
    "asin": WITHIN, "acos": WITHIN, "atanh": WITHIN, "atan": ALL, "asinh": ALL,
    "acosh": [1.5, 2.0, 1.125, 7.5, 30.0, 4.0], "erf": ALL, "erfc": ALL,
    "exp2": ALL, "log2": POSITIVE, "log10": POSITIVE, "cbrt": [-2.5, -0.75, 0.25, 1.0, 3.5, -0.1],
    "floor": ALL, "ceil": ALL, "round": ALL,
    "relu6": [-2.5, 7.5, 0.25, 1.0, 3.5, -0.1], "leaky_relu": ALL, "elu": ALL, "selu": ALL, "softsign": ALL,
    "gelu": ALL, "silu": ALL, "mish": ALL, "log_sigmoid": ALL,
    "hard_sigmoid": [-3.5, -0.75, 0.25, 1.0, 3.5, -0.1], "hard_silu": [-3.5, -0.75, 0.25, 1.0, 3.5, -0.1],
    "hard_tanh": [-3.5, -0.75, 0.25, 0.5, 3.5, -0.1],
}  # fmt: skip
# TensorFlow's float64 has float32's constants in it: those numbers are right in float32 alone.
FLOAT32 = {"leaky_relu", "gelu"}
# Terms that cancel: 1 - x^2, 1 + erf, e^x - 1, and what TensorFlow's float32 erfc makes of its tail.
ATOL = {
    "erfc": {"float32": 1e-7, "float64": 1e-16}, "elu": {"float32": 2e-7, "float64": 4e-16},
    "selu": {"float32": 4e-7, "float64": 8e-16}, "gelu": {"float32": 4e-7}, "silu": {"float32": 4e-7, "float64": 8e-16},
    "mish": {"float32": 8e-7, "float64": 2e-15}, "log_sigmoid": {"float32": 2e-7, "float64": 4e-16},
    "exp2": {"float32": 2e-6}, "cbrt": {"float32": 2e-6}, "log2": {"float32": 4e-7, "float64": 4e-16},
    "log10": {"float32": 2e-7, "float64": 2e-16}, "erf": {"float32": 1e-7, "float64": 1e-16},
}  # fmt: skip

BINARY = {
    "atan2": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "hypot": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "divide_no_nan": (ALL, [0.5, -1.5, 0.0, 4.0]),
    "squared_difference": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "xlogy": ([-2.5, 0.0, 0.25, 1.0, 3.5, -0.1], [0.5, 1.5, 2.0, 4.0]),
    "xlog1py": ([-2.5, 0.0, 0.25, 1.0, 3.5, -0.1], [0.5, -0.5, 2.0, 4.0]),
    "xdivy": ([-2.5, 0.0, 0.25, 1.0, 3.5, -0.1], [0.5, -1.5, 2.0, 4.0]),
}

POINTS = {
    "asin": [1.0, -1.0, 0.0, -0.0, 2.0, NAN, 1e-10],
    "acos": [1.0, -1.0, 0.0, -0.0, 2.0, NAN, 1e-10],
    "atan": [0.0, -0.0, INF, NEG, NAN, 1e10, 1e-10],
    "asinh": [0.0, -0.0, INF, NEG, NAN, 50.0, 1e-10],
    "acosh": [1.0, 0.5, INF, NEG, NAN, 50.0, 2.0],
    "atanh": [1.0, -1.0, 0.0, -0.0, 2.0, NAN, 1e-10],
    "erf": [0.0, -0.0, 6.0, -6.0, NAN, 1e-10, 0.5],
    "erfc": [0.0, -0.0, 6.0, -6.0, NAN, 1e-10, 0.5],
    "floor": [0.0, -0.0, -0.5, INF, NEG, NAN, 1e15],
    "ceil": [0.0, -0.0, -0.5, INF, NEG, NAN, 1e15],
    "round": [0.5, 1.5, -0.5, 2.5, INF, NAN, -1.5],
    "relu6": [0.0, -0.0, 6.0, INF, NEG, NAN, 3.0],
    "leaky_relu": [0.0, -0.0, -1.0, INF, NEG, NAN, 3.0],
    "elu": [0.0, -0.0, -1.0, INF, NEG, NAN, 3.0],
    "selu": [0.0, -0.0, -1.0, INF, NEG, NAN, 3.0],
    "softsign": [0.0, -0.0, -1.0, INF, NEG, NAN, 1e10],
    "gelu": [0.0, -0.0, -1.0, 8.0, -4.0, NAN, 3.0],
    "silu": [0.0, -0.0, -1.0, 40.0, -40.0, NAN, 3.0],
    "mish": [0.0, -0.0, -1.0, 40.0, -4.0, NAN, 3.0],
    "log_sigmoid": [0.0, -0.0, -1.0, 40.0, -40.0, NAN, 3.0],
    "hard_sigmoid": [0.0, -3.0, 3.0, INF, NEG, NAN, 1.0],
    "hard_silu": [0.0, -3.0, 3.0, 5.0, -5.0, NAN, 1.0],
    "hard_tanh": [0.0, -1.0, 1.0, INF, NEG, NAN, 0.5],
}

PAIRS = [
    ("atan2", [0.0, -0.0, 1.0, -1.0, 0.0, INF, NAN], [0.0, -1.0, 0.0, 0.0, 2.0, 1.0, 1.0]),
    ("divide_no_nan", [0.0, 1.0, INF, NAN, 0.0, -2.0, 1.0], [0.0, 0.0, 0.0, 0.0, 3.0, -4.0, NAN]),
    ("squared_difference", [0.0, 1.0, INF, NAN, 0.0, -2.0, 1.0], [0.0, 1.0, 1.0, 0.0, 3.0, -4.0, INF]),
    ("xlogy", [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0], [0.0, -1.0, INF, NAN, 0.0, INF, 2.0]),
    ("xlog1py", [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0], [-1.0, -2.0, INF, NAN, -1.0, INF, 2.0]),
    ("xdivy", [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0], [0.0, -1.0, INF, NAN, 0.0, INF, 2.0]),
    ("hypot", [0.0, 3.0, 0.0, NAN, INF, -3.0, 1e-10], [0.0, 0.0, -2.0, 1.0, 1.0, 4.0, 1e-10]),
]

# what the first derivative reads decides: null, a connected 0, or values
SECOND = {
    "asin": WITHIN, "acos": WITHIN, "atan": ALL, "asinh": ALL, "acosh": [1.5, 2.0, 1.125, 7.5, 30.0], "atanh": WITHIN,
    "erf": ALL, "erfc": ALL, "relu6": [-1.0, 0.0, 6.0, 2.0, 7.0], "elu": [-1.0, 0.0, -0.5, 2.0, -2.5],
    "selu": [-1.0, 0.0, -0.5, 2.0, -2.5], "leaky_relu": [-1.0, 0.0, -0.0, 2.0, 0.5], "gelu": ALL, "mish": ALL, "log_sigmoid": ALL,
    "hard_sigmoid": [-4.0, 0.0, 3.0, 2.0, -3.0], "hard_silu": [-4.0, 0.0, 2.5, 2.0, -1.0], "hard_tanh": [-1.0, 0.0, -0.5, 2.0, -2.5],
    "floor": ALL, "round": ALL, "exp2": ALL, "log2": POSITIVE, "log10": POSITIVE,
}  # fmt: skip
SECOND_BINARY = {
    "atan2": ([-2.5, -0.75, 0.25], [0.5, -1.5, 2.0]), "hypot": ([-2.5, -0.75, 0.25], [0.5, -1.5, 2.0]),
    "divide_no_nan": ([-2.5, 0.0, 0.25], [0.5, -1.5, 0.0]), "squared_difference": ([-2.5, -0.75, 0.25], [0.5, -1.5, 0.25]),
    "xlogy": ([-2.5, 0.0, 0.25], [0.5, 1.5, 2.0]), "xlog1py": ([-2.5, 0.0, 0.25], [0.5, 1.5, 2.0]),
    "xdivy": ([-2.5, 0.0, 0.25], [0.5, -1.5, 2.0]),
}  # fmt: skip


def dtypes_of(op):
    return ("float32",) if op in FLOAT32 else BOTH


def attributes():
    x = {"x": ALL}
    for alpha in (0.01, 0.0, 1.0, -0.5, 2):
        yield from case(f"leaky_relu with alpha {alpha}", f"y = leaky_relu(x, alpha={alpha})", variables=x, seed=True,
                        dtypes=("float32",) if alpha == 0.01 else BOTH)  # fmt: skip
    yield from evaluate("leaky_relu of integers is float32", "y = leaky_relu(x)", dtypes=("float32",), constants={"x": typed("int32", [-5, 0, 5])})
    yield from case("gelu by tanh", "y = gelu(x, approximate=True)", variables=x, seed=True, dtypes=("float32",), atol={"float32": 4e-7})
    yield from case("gelu by erf, said so", "y = gelu(x, approximate=False)", variables=x, seed=True, dtypes=("float32",), atol={"float32": 4e-7})
    yield from case("silu with beta", "y = silu(x, b)", variables={"x": ALL, "b": 1.5}, seed=True, cancel=True)
    yield from case("silu with beta 0", "y = silu(x, beta=0.0)", variables=x, seed=True)
    yield from case("swish is silu", "y = swish(x)", variables=x, seed=True, atol=ATOL["silu"])
    yield from case("rint is round", "y = rint(x) * x", variables=x, seed=True)


def clipping():
    points = [-2.0, -1.0, 0.0, 1.0, 2.0, NAN, 0.5]
    for what, g in UPSTREAM.items():
        yield from case(f"clip_by_value at its bounds, output gradient {what}", "y = clip_by_value(x, -1.0, 1.0)", variables={"x": points}, output_gradients=g)
    yield from case("clip_by_value by variables", "y = clip_by_value(x, a, b)", variables={"x": points, "a": -1.0, "b": 1.0}, seed=True)
    yield from case("clip_by_value by tensors", "y = clip_by_value(x, a, b)", seed=True,
                    variables={"x": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "a": [1.5, 2.5, 2.0], "b": [[2.5], [4.5]]})  # fmt: skip
    yield from case("clip_by_value with crossed bounds", "y = clip_by_value(x, a, b)", variables={"x": points, "a": 1.0, "b": -1.0}, seed=True)
    yield from case("clip_by_value of nothing", "y = clip_by_value(x, -1.0, 1.0)", variables={"x": typed("float32", [], [0, 3])}, dtypes=("float32",), seed=True)
    for dtype in ("int32", "int64"):
        yield from evaluate(f"clip_by_value of {dtype}", "y = clip_by_value(x, -1, 2)", dtypes=("float32",), constants={"x": typed(dtype, [-5, -1, 0, 2, 7])})
    yield from case("the second derivative of a clipped square", "y = clip_by_value(x, -1.0, 1.0) ** 2; g = grad(y, x); s = reduce_sum(g)", fetch=["g"],
                    variables={"x": [-2.0, -1.0, 0.5, 1.0, 2.0]})  # fmt: skip
    yield from case("the second derivative of clip_by_value", "y = clip_by_value(x, -1.0, 1.0); g = grad(y, x); s = reduce_sum(g)", fetch=["g"],
                    variables={"x": [-2.0, -1.0, 0.5, 1.0, 2.0]})  # fmt: skip


def special():
    for op, x in POINTS.items():
        for what, g in UPSTREAM.items():
            yield from case(f"{op} at special points, output gradient {what}", f"y = {op}(x)", variables={"x": x}, output_gradients=g,
                            dtypes=dtypes_of(op), atol=ATOL.get(op))  # fmt: skip
    for op, x, y in PAIRS:
        for what, g in UPSTREAM.items():
            yield from case(f"{op} at special points, output gradient {what}", f"z = {op}(x, y)", variables={"x": x, "y": y}, output_gradients=g)
    yield from case("erf and erfc at infinity", "y = erf(x) + 2 * erfc(x)", variables={"x": [INF, NEG]}, output_gradients=[1.0, 1.0], dtypes=("float32",))
    for op in ("relu6", "leaky_relu", "elu", "selu", "hard_tanh"):
        yield from case(f"{op} with an infinite output gradient", f"y = {op}(x)", variables={"x": [-1.0, 0.0, 4.0, 7.0]}, output_gradients=[INF] * 4,
                        dtypes=dtypes_of(op))  # fmt: skip
    for dtype in BOTH:
        yield from evaluate(f"tests of finiteness, {dtype}", "n = is_nan(x); i = is_inf(x); f = is_finite(x)", dtypes=(dtype,),
                            constants={"x": [[1.0, NAN, INF], [NEG, -0.0, 1e30]]}, fetch=["n", "i", "f"])  # fmt: skip
        yield from evaluate(f"tests of finiteness of a scalar, {dtype}", "n = is_nan(x); i = is_inf(x); f = is_finite(x)", dtypes=(dtype,),
                            constants={"x": 1.0}, fetch=["n", "i", "f"])  # fmt: skip
        yield from evaluate(f"tests of finiteness of nothing, {dtype}", "n = is_nan(x); i = is_inf(x); f = is_finite(x)", dtypes=(dtype,),
                            constants={"x": typed(dtype, [], [0, 2])}, fetch=["n", "i", "f"])  # fmt: skip


def integers():
    def asked(name, graph, **constants):
        yield from evaluate(name, graph, dtypes=("float32",), constants=constants)

    for dtype, least in (("int32", -2147483648), ("int64", -9223372036854775808)):
        a, b = typed(dtype, [7, -7, 0, 3]), typed(dtype, [3, 3, -3, 3])
        yield from asked(f"squared_difference of {dtype}", "c = squared_difference(a, b)", a=a, b=b)
        yield from asked(f"squared_difference of {dtype} wraps around", "c = squared_difference(a, b)", a=typed(dtype, [least]), b=typed(dtype, [1]))
        yield from asked(f"round of {dtype}", "c = round(a)", a=a)
        yield from asked(f"relu6 of {dtype}", "c = relu6(a)", a=a)


def second():
    for op, x in SECOND.items():
        x = x[:5]
        yield from case(f"second derivative of {op}", f"y = {op}(x); g = grad(y, x); s = reduce_sum(g * c)" if op not in ("floor", "round") else
                        f"y = {op}(x) * x; g = grad(y, x); s = reduce_sum(g * c)", fetch=["g"], cancel=True,
                        variables={"x": x}, constants={"c": [0.5, -1.25, 2.0, 0.75, -0.375]}, dtypes=dtypes_of(op), atol=SECOND_ATOL.get(op))  # fmt: skip
    for op, (x, y) in SECOND_BINARY.items():
        for which in "xy":
            yield from case(f"both derivatives of d {op}(x, y)/d{which}", f"z = {op}(x, y); g = grad(z, {which}); s = reduce_sum(g * c)", fetch=["g"],
                            variables={"x": x, "y": y}, constants={"c": [0.5, -1.25, 2.0]}, cancel=True)  # fmt: skip


SECOND_ATOL = {
    "elu": {"float32": 4e-7, "float64": 8e-16}, "selu": {"float32": 8e-7, "float64": 2e-15}, "gelu": {"float32": 2e-6},
    "mish": {"float32": 2e-6, "float64": 4e-15}, "exp2": {"float32": 4e-6}, "log2": {"float32": 4e-6},
}  # fmt: skip


def cases():
    yield from unary_cases(UNARY, UNARY_SHAPES, ATOL.get, dtypes_of)
    yield from binary_cases(BINARY, BINARY_SHAPES)
    for table in (attributes, clipping, special, integers, second):
        yield from table()

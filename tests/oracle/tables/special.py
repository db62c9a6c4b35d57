"""Special points: ties, kinks, poles, zero and infinite output gradients, tails, integers."""

from table import BOTH, case, evaluate, typed

NAN, INF, NEG = "NaN", "Infinity", "-Infinity"

# op, points; each is asked with an output gradient of ones, of zeros, and of mixed signs
POINTS = {
    "relu": [-1.0, -0.0, 0.0, 2.0, NAN, INF, NEG],
    "abs": [-1.0, -0.0, 0.0, 2.0, NAN, INF, NEG],
    "sign": [-1.5, -0.0, 0.0, 2.0, NAN, INF, NEG],
    "square": [0.0, -0.0, INF, NEG, NAN, 1e-30, 1e30],
    "sqrt": [0.0, 4.0, -1.0, INF, NAN, 1e-30, -0.0],
    "rsqrt": [0.0, 4.0, -1.0, INF, NAN, 1e-20, 1e20],
    "reciprocal": [0.0, -0.0, 2.0, INF, NEG, NAN, 1e-10],
    "log": [0.0, -0.0, 1.0, -1.0, INF, NAN, 1e-30],
    "log1p": [-1.0, 0.0, -2.0, INF, NAN, 1e-10, -1e-10],
    "exp": [0.0, 88.0, -87.0, INF, NEG, NAN, 1e-10],
    "expm1": [0.0, 1e-10, -1e-10, INF, NEG, NAN, -50.0],
    "sinh": [0.0, 1e-5, -1e-5, INF, NEG, NAN, 20.0],
    "cosh": [0.0, 1e-5, -20.0, INF, NEG, NAN, 20.0],
    "sin": [0.0, -0.0, 1e-10, INF, NEG, NAN, 100.0],
    "cos": [0.0, -0.0, 1e-10, INF, NEG, NAN, 100.0],
    "tan": [0.0, -0.0, 1e-10, INF, NEG, NAN, 100.0],
    "tanh": [0.0, 1e-10, 100.0, -100.0, 1e30, -1e30, NAN],
    "sigmoid": [0.0, -50.0, 100.0, -100.0, 1e30, -1e30, NAN],
    "softplus": [0.0, 15.0, 100.0, -100.0, 1e30, -1e30, NAN],
    "negative": [0.0, -0.0, INF, NEG, NAN, 1.0, -1.0],
    "identity": [0.0, -0.0, INF, NEG, NAN, 1.0, -1.0],
}  # fmt: skip
UPSTREAM = {
    "ones": [1.0] * 7,
    "zeros": [0.0] * 7,
    "mixed signs": [2.0, -1.0, 0.5, -3.0, 1.0, -0.25, 4.0],
}
# 1 - y * y cancels in the tails; there TensorFlow's tanh is off by up to four units in the last place.
TAIL_ATOL = {"tanh": {"float32": 5e-7, "float64": 4e-15}, "sigmoid": {"float32": 2.5e-7, "float64": 5e-16}}
TAILS = {
    "tanh": [3.0, 8.0, 9.5, -18.0, 20.0, INF, NEG],
    "sigmoid": [8.0, 16.0, -16.0, 36.0, -36.0, INF, NEG],
    "softplus": [-10.0, 10.0, 20.0, -20.0, 40.0, INF, NEG],
}

# x, y
PAIRS = [
    ("maximum", [1.0, 2.0, -0.0, NAN, 1.0, INF, NEG], [1.0, 3.0, 0.0, 1.0, NAN, INF, 0.0]),
    ("minimum", [1.0, 2.0, -0.0, NAN, 1.0, INF, NEG], [1.0, 3.0, 0.0, 1.0, NAN, INF, 0.0]),
    ("divide", [1.0, 0.0, -1.0, 0.0, 1.0, INF, 1.0], [0.0, 0.0, 0.0, 2.0, INF, INF, NAN]),
    ("multiply", [0.0, INF, INF, -0.0, NAN, 1e30, 0.0], [INF, 0.0, 2.0, 5.0, 1.0, 1e30, NAN]),
    ("pow", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.5, 1.0, 1.5, 2.0, -1.0, 3.0]),
    ("pow", [-2.0, -2.0, -2.0, -2.0, -1.0, -0.5, -1.0], [2.0, 3.0, 0.0, -1.0, 0.5, 2.5, 1.0]),
    ("pow", [INF, 1.0, NAN, 1.0, 2.0, 0.5, NEG], [2.0, NAN, 0.0, INF, INF, INF, 3.0]),
    ("mod", [-7.0, 7.0, -7.0, 6.0, -6.0, 0.0, 5.5], [3.0, -3.0, -3.0, 3.0, 3.0, 2.0, 0.5]),
    ("floordiv", [-7.0, 7.0, -7.0, 6.0, -6.0, 0.0, 5.5], [3.0, -3.0, -3.0, 3.0, 3.0, 2.0, 0.5]),
]


def unary():
    for op, x in POINTS.items():
        for what, g in UPSTREAM.items():
            yield from case(f"{op} at special points, output gradient {what}", f"y = {op}(x)", variables={"x": x}, output_gradients=g)
    for op, x in TAILS.items():
        yield from case(f"tails of {op}", f"y = {op}(x)", variables={"x": x}, output_gradients=UPSTREAM["mixed signs"], atol=TAIL_ATOL.get(op))
    for op in ("relu", "abs", "sqrt", "rsqrt", "reciprocal", "sign"):
        yield from case(f"{op} with an infinite output gradient", f"y = {op}(x)", variables={"x": [-1.0, 0.0, 4.0]}, output_gradients=[INF, INF, INF])
        yield from case(f"{op} with an output gradient NaN", f"y = {op}(x)", variables={"x": [-1.0, 0.0, 4.0]}, output_gradients=[NAN, NAN, NAN])
    yield from case("exp overflows", "y = exp(x)", variables={"x": [89.0, 710.0, -104.0, -746.0]})
    yield from case("log of exp far out", "y = log(1 + exp(x))", variables={"x": [1000.0, -1000.0]}, output_gradients=[1.0, 1.0])


def pairs():
    for op, x, y in PAIRS:
        for what, g in UPSTREAM.items():
            yield from case(f"{op} at special points {x} and {y}, output gradient {what}", f"z = {op}(x, y)",
                            variables={"x": x, "y": y}, output_gradients=g)  # fmt: skip
    for n in (0, 1, 2, 3, -1, -2, 0.5, -0.5):
        yield from case(f"x ** {n} around zero", f"y = x ** {n}", variables={"x": [0.0, -0.0, -1.5, 2.0]}, output_gradients=[1.0, -1.0, 2.0, 0.5])
    for base in (0.0, 1.0, -1.0, 2.0):
        yield from case(f"{base} ** x", f"y = b ** x", variables={"x": [0.0, 1.0, -1.0, 2.0]}, constants={"b": base}, output_gradients=[1.0, -1.0, 2.0, 0.5])
    yield from case("clipping by maximum and minimum at its ends", "y = maximum(minimum(x, 1.0), -1.0)", variables={"x": [-2.0, -1.0, 0.0, 1.0, 2.0, NAN]})
    yield from case("maximum of a value with itself", "y = maximum(x, x)", variables={"x": [1.0, -1.0]})
    yield from case("minimum of a value with itself", "y = minimum(x, x)", variables={"x": [1.0, -1.0]})
    yield from case("a tie of a broadcast maximum goes to the first", "y = maximum(x, z)", variables={"x": 0.0, "z": [0.0, -1.0, 1.0]}, output_gradients=[1.0, 2.0, 4.0])
    yield from case("a tie of maximum with the variable second", "y = maximum(0.0, x)", variables={"x": [0.0, 1.0, -1.0]})
    yield from case("0/0 in the numerator's gradient", "y = x / x", variables={"x": [0.0, 2.0]})
    yield from case("a difference of infinities", "y = x - x", variables={"x": [INF, 1.0]})


def choices():
    x = {"x": [0.0, 1.0, -1.0, 4.0]}
    yield from case("a logarithm on the unselected side makes NaN", "y = where(x > 0, log(x), 0.0)", variables=x)
    yield from case("a square root on the unselected side keeps its zero", "y = where(x > 0, sqrt(x), 0.0)", variables=x)
    yield from case("the double where is clean", "s = where(x > 0, x, 1.0); y = where(x > 0, log(s), 0.0)", variables=x)
    yield from case("an infinite value on the unselected side", "y = where(x > 0, 1 / x, x)", variables=x)
    yield from case("a quotient on the unselected side", "y = where(x != 0, x / x, 1.0)", variables=x)
    yield from case("where with an infinite output gradient", "y = where(x > 0, x * 2, x * 3)", variables=x, output_gradients=[INF, NAN, 1.0, NEG])
    yield from case("where with a NaN condition", "y = where(x > 0, x * 2, x * 3)", variables={"x": [NAN, 1.0]})
    yield from case("0 * inf from a mask", "y = x * m / (x * m)", variables=x, constants={"m": [0.0, 1.0, 1.0, 0.0]})


def reductions():
    for op in ("reduce_max", "reduce_min"):
        for what, x in {
            "a tie of two": [[1.0, 3.0, 3.0], [-2.0, -2.0, 5.0]],
            "a tie of all": [[2.0, 2.0, 2.0], [0.0, -0.0, 0.0]],
            "a NaN in a slice": [[1.0, NAN, 3.0], [1.0, 2.0, 3.0]],
            "a NaN first": [[NAN, 1.0, 3.0], [NAN, NAN, NAN]],
            "infinities": [[INF, INF, 1.0], [NEG, NEG, NEG]],
        }.items():
            yield from case(f"{op} with {what}", f"y = {op}(x, axis=1)", variables={"x": x}, output_gradients=[1.0, -3.0])
            yield from case(f"{op} of everything with {what}", f"y = {op}(x)", variables={"x": x})
    for what, x in {
        "no zero": [2.0, 3.0, 4.0],
        "one zero": [2.0, 0.0, 4.0],
        "a zero first": [0.0, 3.0, 4.0],
        "two zeros": [0.0, 3.0, 0.0],
        "three zeros": [0.0, 0.0, 0.0],
        "a negative zero": [2.0, -0.0, 4.0],
        "a NaN": [2.0, NAN, 4.0],
        "an infinity": [2.0, INF, 4.0],
        "a zero and an infinity": [0.0, INF, 4.0],
    }.items():
        yield from case(f"reduce_prod with {what}", "y = reduce_prod(x)", variables={"x": x}, output_gradients=1.5)
        yield from case(f"reduce_prod of columns with {what}", "y = reduce_prod(x, axis=0)", variables={"x": [x, [5.0, 0.5, 0.0]]}, output_gradients=[1.0, -2.0, 3.0])
    for op in ("reduce_sum", "reduce_mean"):
        yield from case(f"{op} with infinities", f"y = {op}(x, axis=1)", variables={"x": [[INF, 1.0], [INF, NEG], [NAN, 1.0]]})
    for op in ("reduce_max", "reduce_min", "reduce_mean", "reduce_sum", "reduce_prod"):
        yield from case(f"{op} of an empty axis", f"y = {op}(x, axis=1)", variables={"x": {"dtype": "float32", "shape": [2, 0], "data": []}}, dtypes=("float32",))
        yield from case(f"{op} of a slice that is empty", f"y = {op}(x[2:])", variables={"x": [1.0, 2.0]})
    yield from case("a norm at zero", "y = sqrt(reduce_sum(square(x)))", variables={"x": [0.0, 0.0]})
    yield from case("a logarithm of a sum of exponentials far out", "m = stop_gradient(reduce_max(x)); y = log(reduce_sum(exp(x - m))) + m", variables={"x": [1000.0, -1000.0, 999.0]})
    yield from case("a logarithm of a sum of exponentials with an infinity", "m = stop_gradient(reduce_max(x)); y = log(reduce_sum(exp(x - m))) + m", variables={"x": [INF, 0.0]})


def integers():
    def asked(name, graph, **constants):
        yield from evaluate(name, graph, dtypes=("float32",), constants=constants)

    for dtype, most, least in (("int32", 2147483647, -2147483648), ("int64", 9223372036854775807, -9223372036854775808)):
        a, b = typed(dtype, [7, -7, 7, -7, 6, -6, 0]), typed(dtype, [3, 3, -3, -3, 3, 3, 5])
        for op in ("add", "subtract", "multiply", "maximum", "minimum", "floordiv", "mod"):
            yield from asked(f"{op} of {dtype}", f"c = {op}(a, b)", a=a, b=b)
        for op in ("+", "-", "*", "//", "%", "/", "**"):
            yield from asked(f"{dtype} {op} a literal", f"c = a {op} 2", a=a)
        yield from asked(f"divide of {dtype} gives float64", "c = a / b", a=a, b=b)
        yield from asked(f"divide of {dtype} by zero gives infinities", "c = a / b", a=typed(dtype, [1, -1, 0]), b=typed(dtype, [0, 0, 0]))
        for op in ("negative", "abs", "sign", "square", "relu"):
            yield from asked(f"{op} of {dtype}", f"c = {op}(a)", a=a)
        yield from asked(f"pow of {dtype}", "c = a ** b", a=typed(dtype, [2, -2, 3, 0, 0]), b=typed(dtype, [10, 3, 0, 0, 5]))
        yield from asked(f"addition of {dtype} wraps around", "c = a + b", a=typed(dtype, [most, least]), b=typed(dtype, [1, -1]))
        yield from asked(f"multiplication of {dtype} wraps around", "c = a * b", a=typed(dtype, [most, least]), b=typed(dtype, [2, 3]))
        yield from asked(f"negation of the least {dtype} wraps around", "c = -a", a=typed(dtype, [least]))
        yield from asked(f"a mean of {dtype} is an integer", "c = reduce_mean(a)", a=typed(dtype, [1, 2, 4]))
        yield from asked(f"a mean of negative {dtype}", "c = reduce_mean(a)", a=typed(dtype, [-1, -2, -4]))
        for op in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min"):
            yield from asked(f"{op} of an empty {dtype}", f"c = {op}(a)", a=typed(dtype, []))
        yield from asked(f"where of {dtype} with a literal", "c = where(a > 0, a, 0)", a=a)
    yield from asked("int64 past 2 ** 53 is exact", "c = a + b", a=typed("int64", [9007199254740993]), b=typed("int64", [1]))
    yield from asked("comparison of int64 past 2 ** 53", "c = a < b", a=typed("int64", [9007199254740992]), b=typed("int64", [9007199254740993]))
    for dtype in BOTH:
        yield from evaluate(f"comparisons with NaN are false, {dtype}", "e = x == x; n = x != x; l = x < 1; g = x >= 1", dtypes=(dtype,), constants={"x": [NAN, INF, 1.0]}, fetch=["e", "n", "l", "g"])
        yield from evaluate(f"-0.0 equals 0.0, {dtype}", "e = x == 0; l = x < 0", dtypes=(dtype,), constants={"x": [-0.0, 0.0]}, fetch=["e", "l"])


def cases():
    for table in (unary, pairs, choices, reductions, integers):
        yield from table()

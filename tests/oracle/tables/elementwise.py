"""Every element-wise op, comparison, choice and cast at ordinary points."""

from table import BOTH, binary_cases, case, evaluate, typed, unary_cases

ALL = [-2.5, -0.75, 0.25, 1.0, 3.5, -0.1]
POSITIVE = [0.1, 0.5, 1.0, 2.0, 7.5, 0.03]
UNARY = {
    "negative": ALL, "square": ALL, "exp": ALL, "expm1": ALL, "sin": ALL, "cos": ALL, "tan": ALL,
    "sinh": ALL, "cosh": ALL, "tanh": ALL, "sigmoid": ALL, "softplus": ALL, "relu": ALL, "abs": ALL,
    "sign": ALL, "sqrt": POSITIVE, "rsqrt": POSITIVE, "log": POSITIVE,
    "reciprocal": [-2.0, -0.5, 0.25, 1.5, 4.0, -0.125],
    "log1p": [-0.9, -0.5, 0.001, 1.0, 10.0, 0.25],
    "identity": ALL, "zeros_like": ALL, "ones_like": ALL, "stop_gradient": ALL,
}  # fmt: skip
# 1 - y * y cancels: an error of one unit in the last place of y, times the output gradient.
ATOL = {"tanh": {"float32": 3e-7, "float64": 6e-16}}
UNARY_SHAPES = {
    "a vector": (6,),
    "a scalar": (),
    "a matrix": (2, 3),
    "axes of size 1": (1, 1, 2),
    "an empty vector": (0,),
    "an empty tensor": (2, 0, 3),
}

BINARY = {
    "add": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "subtract": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "multiply": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "divide": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "pow": (POSITIVE, [0.5, -1.5, 2.0, 3.0]),
    "maximum": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "minimum": (ALL, [0.5, -1.5, 2.0, 4.0]),
    "floordiv": ([7.5, -7.5, 2.25, -0.5, 10.0, 3.0], [2.0, -1.75, 0.75, -4.0]),
    "mod": ([7.5, -7.5, 2.25, -0.5, 10.0, 3.0], [2.0, -1.75, 0.75, -4.0]),
}
BINARY_SHAPES = {
    "two matrices": ((2, 3), (2, 3)),
    "two scalars": ((), ()),
    "a scalar and a matrix": ((), (2, 3)),
    "a matrix and a scalar": ((2, 3), ()),
    "a vector and a matrix": ((3,), (2, 3)),
    "a matrix and a column": ((2, 3), (2, 1)),
    "a column and a row": ((2, 1), (1, 3)),
    "a cube and a vector of one": ((2, 1, 2), (1,)),
    "an empty vector and a scalar": ((0,), ()),
    "an empty matrix and a row": ((0, 3), (1, 3)),
}

OPERATORS = {"+": 0.5, "-": 0.5, "*": -1.5, "/": 1.5, "//": 2, "%": 0.75, "**": 2}
COMPARISONS = {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}


def operators():
    x, y = [2.5, 0.75, 4.0], [0.5, 1.5, 3.0]
    for op, literal in OPERATORS.items():
        yield from case(f"x {op} y", f"z = x {op} y", variables={"x": x, "y": y}, seed=True)
        yield from case(f"x {op} {literal}", f"z = x {op} {literal}", variables={"x": x}, seed=True)
        yield from case(f"{literal} {op} x", f"z = {abs(literal)} {op} x", variables={"x": x}, seed=True)
    yield from case("unary minus binds weaker than a power", "z = -x ** 2", variables={"x": x}, seed=True)
    yield from case("a power is right-associative", "z = x ** y ** 2", variables={"x": x, "y": y}, seed=True)
    yield from case("a polynomial of two variables", "z = 3*x**2*y - x/y + 2*(x - y)**3 - 1", variables={"x": x, "y": y}, cancel=True)
    yield from case("a chain of functions", "z = exp(-square(sin(x) / (1 + y))) * log1p(x)", variables={"x": x, "y": y}, seed=True)
    yield from case("a value used many times", "a = x * x; b = a * x + a; z = b * a - b / x", variables={"x": x}, seed=True)


def comparisons():
    x, y = [1.0, 2.0, 3.0, -0.0], [1.0, 3.0, 2.0, 0.0]
    for op, sign in COMPARISONS.items():
        yield from evaluate(f"{op} of floats", f"b = {op}(x, y)", constants={"x": x, "y": y})
        yield from evaluate(f"x {sign} a literal", f"b = x {sign} 2", constants={"x": x})
        yield from evaluate(f"{op} broadcasts", f"b = {op}(x, y)", constants={"x": [[1.0], [2.0]], "y": [1.0, 2.0, 3.0]})
        for dtype in ("int32", "int64"):
            yield from evaluate(
                f"{op} of {dtype}", f"b = {op}(x, y)", dtypes=("float32",),
                constants={"x": typed(dtype, [1, -2, 3]), "y": typed(dtype, [1, 2, -3])},
            )  # fmt: skip
        yield from case(f"a choice by {op} has no gradient through the condition", f"z = where(x {sign} y, x * y, x - y)",
                        variables={"x": x, "y": y}, seed=True)  # fmt: skip
    a, b = [True, True, False, False], [True, False, True, False]
    for op in ("equal", "not_equal", "logical_and", "logical_or"):
        yield from evaluate(f"{op} of bools", f"c = {op}(a, b)", dtypes=("float32",), constants={"a": a, "b": b})
        yield from evaluate(f"{op} of bools broadcasts", f"c = {op}(a, b)", dtypes=("float32",), constants={"a": [[True], [False]], "b": [True, False]})
    yield from evaluate("logical_not of bools", "c = logical_not(a)", dtypes=("float32",), constants={"a": a})
    yield from evaluate("logical_not of a comparison", "c = logical_not(logical_or(x > 1, x < -1))", constants={"x": [-2.0, 0.0, 2.0]})


def choices():
    c, x, y = [[True, False, True], [False, False, True]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0]]
    yield from case("where of three matrices", "z = where(c, x, y)", constants={"c": c}, variables={"x": x, "y": y}, seed=True)
    yield from case("where with a scalar condition", "z = where(c, x, y)", constants={"c": True}, variables={"x": x, "y": y}, seed=True)
    yield from case("where broadcasts both values", "z = where(c, x, y)", constants={"c": c}, variables={"x": 1.5, "y": [7.0, 8.0, 9.0]}, seed=True, cancel=True)
    yield from case("where broadcasts its condition", "z = where(c, x, y)", constants={"c": [[True], [False]]}, variables={"x": x, "y": [1.0, 2.0, 3.0]}, seed=True)
    yield from case("where with a literal", "z = where(x > 2.5, x, 0.0)", variables={"x": x}, seed=True)
    yield from case("where with a literal first", "z = where(x > 2.5, 1.0, x * x)", variables={"x": x}, seed=True)
    yield from evaluate("where of integers", "z = where(c, x, y)", dtypes=("float32",),
                        constants={"c": [True, False], "x": typed("int64", [1, 2]), "y": typed("int64", [3, 4])})  # fmt: skip


def casts():
    for a, b in (("float32", "float64"), ("float64", "float32"), ("float32", "float32")):
        yield from case(f"the gradient of a cast from {a} to {b} comes back in {a}", f'y = cast(x, "{b}") * 3', dtypes=("float32",),
                        variables={"x": typed(a, [0.1, -2.7, 1e8])}, seed=True)  # fmt: skip
    for a in BOTH:
        for b in ("int32", "int64", "bool"):
            yield from evaluate(f"a cast from {a} to {b} truncates", f'y = cast(x, "{b}")', dtypes=("float32",),
                                constants={"x": typed(a, [-2.7, -0.5, 0.0, 0.5, 2.7, 100.0])})  # fmt: skip
            yield from case(f"a cast from {a} to {b} and back cuts the gradient", f'y = cast(cast(x, "{b}"), "{a}") * x', dtypes=("float32",),
                            variables={"x": typed(a, [-2.7, 0.0, 1.5])}, seed=True)  # fmt: skip
    for a in ("int32", "int64", "bool"):
        data = [True, False, True] if a == "bool" else [-3, 0, 5]
        for b in ("float32", "float64", "int32", "int64", "bool"):
            yield from evaluate(f"a cast from {a} to {b}", f'y = cast(x, "{b}")', dtypes=("float32",), constants={"x": typed(a, data)})
    yield from case("a product of two dtypes through casts", 'z = cast(x, "float64") * y', dtypes=("float32",),
                    variables={"x": typed("float32", [0.1, 0.2]), "y": typed("float64", [3.0, -4.0])})  # fmt: skip
    yield from evaluate("a large float64 cast to float32 is infinite", 'y = cast(x, "float32")', dtypes=("float32",),
                        constants={"x": typed("float64", [1e300, -1e300, 1e-300])})  # fmt: skip


def cases():
    yield from unary_cases(UNARY, UNARY_SHAPES, ATOL.get)
    yield from binary_cases(BINARY, BINARY_SHAPES)
    for table in (operators, comparisons, choices, casts):
        yield from table()

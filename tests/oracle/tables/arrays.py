"""Shapes, joins, slices and Python's indexing."""

from table import BOTH, case, evaluate, nest, tensor, typed

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5,
          0.1, -0.2, 0.3, -0.4, 0.6, -0.7, 0.8, 1.1, -1.2, 1.3, 1.4, -1.6]  # fmt: skip

# text, shape of x
SHAPES = [
    ("transpose(x)", (2, 3)),
    ("transpose(x, perm=[1, 0])", (2, 3)),
    ("transpose(x, [2, 0, 1])", (2, 3, 4)),
    ("transpose(x, [0, 2, 1])", (2, 1, 3)),
    ("transpose(transpose(x))", (2, 3)),
    ("reshape(x, [3, 2])", (2, 3)),
    ("reshape(x, [-1])", (2, 3)),
    ("reshape(x, shape=[2, -1, 2])", (2, 3, 4)),
    ("reshape(x, [])", (1, 1)),
    ("reshape(x, [1, 1])", ()),
    ("reshape(x, [3, 0, 2])", (0, 4)),
    ("reshape(x * x, [6])", (2, 3)),
    ("expand_dims(x, 0)", (3,)),
    ("expand_dims(x, axis=-1)", (2, 3)),
    ("expand_dims(x, 1)", (2, 3)),
    ("expand_dims(x, axis=0)", ()),
    ("squeeze(x)", (1, 3, 1)),
    ("squeeze(x, axis=0)", (1, 3, 1)),
    ("squeeze(x, axis=[0, -1])", (1, 3, 1)),
    ("squeeze(x, [])", (1, 1)),
    ("broadcast_to(x, [2, 3])", (3,)),
    ("broadcast_to(x, shape=[2, 3])", (2, 1)),
    ("broadcast_to(x, [2, 2])", ()),
    ("broadcast_to(x, [2, 3])", (2, 3)),
    ("broadcast_to(x, [3, 0])", (1, 0)),
    ("zeros_like(x) + x", (2,)),
    ("ones_like(x) * x", (2,)),
    ("identity(x) * identity(x)", (2,)),
    ("slice(x, [1, 0], [1, 2])", (2, 3)),
    ("slice(x, begin=[0, 1], size=[-1, -1])", (2, 3)),
    ("slice(x, [2], [0])", (4,)),
]

INDICES = {
    (5,): ["0", "-1", "1:3", "::2", "::-1", "3:0:-2", "-3:", ":-3", "1:1", "5:", "-100:100", "100:-100:-2", "4:1", "None", "...", ":",
           "None, ::-1, None", "::4", "-2::-1", "3:-9:-3"],
    (3, 4): ["1", "-1", ":, 1", "..., 0", "..., -1", "None, ..., None", ":, None, 1", "1, 2", "1:, ::-1", "::-1, ::-2", "0, ...", "..., 1:3, 2", ":, 1:1",
             "2:0:-1, None, -1", "::2, 1::2", "-2:, :-2"],
    (2, 3, 2): ["0, ..., -1", "..., None, ::-1", ":, 1:3", "1, :, 0", "1, 1, 1", "..., 0, :", "None, 1, ..., None, 0", "::-1, ::-1, ::-1", ":, ::2, 1:"],
    (0, 2): ["::-1", "..., 0", ":, 1:"],
    (): ["...", "None"],
}  # fmt: skip

JOINS = [
    ("concat([x, y], axis=0)", (2, 3), (1, 3)),
    ("concat([x, y], axis=1)", (2, 1), (2, 3)),
    ("concat([x, y], -1)", (2, 2), (2, 1)),
    ("concat([x, y, x], axis=0)", (2,), (3,)),
    ("concat([x, y], axis=0)", (0, 2), (1, 2)),
    ("concat([x, y], axis=-2)", (1, 2, 2), (1, 1, 2)),
    ("concat([x], axis=0)", (2,), (1,)),
    ("concat([x, [1.0, 2.0], y], axis=0)", (2,), (1,)),
    ("stack([x, y])", (3,), (3,)),
    ("stack([x, y], axis=1)", (3,), (3,)),
    ("stack([x, y], axis=-1)", (2, 2), (2, 2)),
    ("stack([x, y, x * y])", (), ()),
    ("stack([x, 1.0, y])", (), ()),
    ("stack([x], axis=0)", (2,), (1,)),
    ("stack([x, y])", (0, 2), (0, 2)),
    ("stack([stack([x, y]), stack([y, x])])", (), ()),
]


def shapes():
    for text, shape in SHAPES:
        for dtype in BOTH:
            yield from case(f"{text} of shape {list(shape)}, {dtype}", f"y = {text}", dtypes=(dtype,), variables={"x": tensor(POINTS, shape, dtype)}, seed=True)


def indices():
    for shape, texts in INDICES.items():
        for text in texts:
            for dtype in BOTH:
                yield from case(f"x[{text}] of shape {list(shape)}, {dtype}", f"y = x[{text}]", dtypes=(dtype,),
                                variables={"x": tensor(POINTS, shape, dtype)}, seed=True)  # fmt: skip
    x = nest(POINTS, (5,))
    m = nest(POINTS, (3, 4))
    yield from case("two elements of a vector", "y = x[0] * x[-1]", variables={"x": x})
    yield from case("an element used twice", "y = x[1] * x[1] + x[1]", variables={"x": x})
    yield from case("differences of neighbours", "y = x[1:] - x[:-1]", variables={"x": x}, seed=True)
    yield from case("second differences", "y = x[2:] - 2 * x[1:-1] + x[:-2]", variables={"x": x}, seed=True)
    yield from case("index after index", "y = m[1:][0][::-1]", variables={"m": m}, seed=True)
    yield from case("index of an expression", "y = (m * m)[..., 1] + m[:, 0]", variables={"m": m}, seed=True)
    yield from case("an outer product through None", "y = x[:, None] * x[None, :2]", variables={"x": x}, seed=True, cancel=True)
    yield from case("index of a constant", "y = c[1] * x[2:4]", variables={"x": x}, constants={"c": [2.0, 3.0]}, seed=True)


def joins():
    for text, x, y in JOINS:
        for dtype in BOTH:
            yield from case(f"{text} of shapes {list(x)} and {list(y)}, {dtype}", f"z = {text}", dtypes=(dtype,), seed=True,
                            variables={"x": tensor(POINTS, x, dtype), "y": tensor(POINTS[5:], y, dtype)})  # fmt: skip
    yield from case("a concat that is cut again", "z = concat([x, y], axis=0)[1:3] ** 2", variables={"x": [1.0, 2.0], "y": [3.0, 4.0]}, seed=True)
    yield from case("concat of a constant and a variable", "z = concat([c, x], axis=0) ** 2", variables={"x": [1.0, 2.0]}, constants={"c": [5.0]}, sources=["c", "x"], seed=True)


def integers():
    for dtype in ("int32", "int64", "bool"):
        data = [[True, False, True], [False, False, True]] if dtype == "bool" else [[1, -2, 3], [4, 5, -6]]
        x = typed(dtype, data)
        for text in ("transpose(x)", "reshape(x, [-1])", "expand_dims(x, 0)", "x[::-1, 1:]", "x[1, 2]", "concat([x, x], axis=1)", "stack([x, x])",
                     "broadcast_to(x, [2, 2, 3])", "zeros_like(x)", "ones_like(x)", "identity(x)", "stop_gradient(x)", "squeeze(x[:1])"):  # fmt: skip
            yield from evaluate(f"{text} of {dtype}", f"y = {text}", dtypes=("float32",), constants={"x": x})


def cases():
    for table in (shapes, indices, joins, integers):
        yield from table()

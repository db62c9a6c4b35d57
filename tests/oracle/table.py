"""What a table of cases is written with."""

BOTH = ("float32", "float64")


class Case:
    answer = None  # TensorFlow's, unless a table knows a better one (exact.py)

    def __init__(self, name, route, request, rtol, atol, cancel):
        self.name, self.route, self.request = name, route, request
        self.rtol, self.atol, self.cancel = rtol, atol, cancel


def case(name, graph, route="gradient", dtypes=BOTH, rtol=None, atol=None, cancel=False, seed=False, **members):
    """One case in each of `dtypes`; `members` are the request's, a variable's or constant's dtype
    follows the request's unless typed. `seed` gives the target an output gradient of unequal
    elements; `cancel` says that sums in the answer may cancel, so that an absolute error is
    allowed too. `rtol` and `atol` (by dtype) replace what the dtype has."""
    for dtype in dtypes:
        request = {"graph": graph}
        if dtype != "float32":
            request["dtype"] = dtype
        request.update(members)
        if seed:
            request["output_gradients"] = None  # make.py knows the target's shape
        title = f"{name}, {dtype}" if len(dtypes) > 1 else name
        yield Case(title, route, request, (rtol or {}).get(dtype), (atol or {}).get(dtype), cancel)


def evaluate(name, graph, **members):
    return case(name, graph, route="evaluate", **members)


def typed(dtype, data, shape=None):
    """A typed value; its shape is that of the nested data unless said."""
    if shape is None:
        shape, inner = [], data
        while isinstance(inner, list):
            shape.append(len(inner))
            inner = inner[0] if inner else 0
    return {"dtype": dtype, "shape": shape, "data": data}


def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def nest(flat, shape):
    """The first elements of `flat` (over and over) as nested lists of a shape without a zero."""
    flat = [flat[i % len(flat)] for i in range(count(shape))]
    for n in reversed(shape[1:]):
        flat = [flat[i : i + n] for i in range(0, len(flat), n)]
    return flat if shape else flat[0]


def tensor(flat, shape, dtype):
    """The same as a value of a request, typed where nested lists cannot say the shape."""
    return nest(flat, shape) if all(shape) else typed(dtype, [], list(shape))


SEED = [0.5, -1.25, 2.0, 0.75, -0.375, 1.5, -2.5]


def seed_of(array):
    """The output gradient that `seed=True` asks for."""
    if 0 in array.shape:
        return typed(array.dtype.name, [], list(array.shape))
    return nest(SEED, array.shape)


def unary_cases(ops, shapes, atol_of, dtypes_of=lambda op: BOTH):
    """Each op of one argument at its points, in tensors of all shapes."""
    for op, points in ops.items():
        for what, shape in shapes.items():
            for dtype in dtypes_of(op):
                x = tensor(points, shape, dtype)
                yield from case(f"{op} of {what}, {dtype}", f"y = {op}(x)", dtypes=(dtype,), variables={"x": x}, seed=True, atol=atol_of(op))


def binary_cases(ops, shapes, **tolerances):
    """Each op of two arguments at its points, in tensors of all pairs of shapes."""
    for op, (xs, ys) in ops.items():
        for what, (x_shape, y_shape) in shapes.items():
            for dtype in BOTH:
                yield from case(
                    f"{op} of {what}, {dtype}", f"z = {op}(x, y)", dtypes=(dtype,), seed=True, cancel=True, **tolerances,
                    variables={"x": tensor(xs, x_shape, dtype), "y": tensor(ys, y_shape, dtype)},
                )  # fmt: skip

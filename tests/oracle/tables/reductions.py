"""The reductions over one, several, all and no axes, and where there is nothing to reduce."""

from table import BOTH, case, evaluate, tensor, typed

OPS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")
POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5]
LAYOUTS = {
    "everything": ((2, 3), ""),
    "axis 0": ((2, 3), ", axis=0"),
    "axis 1 by position": ((2, 3), ", 1"),
    "the last axis": ((2, 3), ", axis=-1"),
    "the last axis, kept": ((2, 3), ", axis=-1, keepdims=True"),
    "everything, kept": ((2, 3), ", keepdims=True"),
    "all axes by name": ((2, 3), ", axis=[0, 1]"),
    "axes 0 and -1 of a cube": ((2, 3, 2), ", axis=[0, -1]"),
    "axis 1 of a cube": ((2, 3, 2), ", axis=1"),
    "axes 2 and 0 of a cube, kept": ((2, 3, 2), ", axis=[2, 0], keepdims=True"),
    "no axis": ((2, 3), ", axis=[]"),
    "an axis of size 1": ((3, 1), ", axis=1"),
    "a scalar": ((), ""),
    "an empty vector": ((0,), ""),
    "an empty axis": ((2, 0), ", axis=1"),
    "the full axis of an empty matrix": ((2, 0), ", axis=0"),
    "an empty axis, kept": ((0, 3), ", axis=0, keepdims=True"),
}


def cases():
    for op in OPS:
        for what, (shape, arguments) in LAYOUTS.items():
            for dtype in BOTH:
                yield from case(
                    f"{op} of {what}, {dtype}", f"y = {op}(x{arguments})", dtypes=(dtype,),
                    variables={"x": tensor(POINTS, shape, dtype)}, seed=True, cancel=True,
                )  # fmt: skip
        for dtype in ("int32", "int64"):
            yield from evaluate(f"{op} of {dtype}", f"y = {op}(x, axis=1)", dtypes=("float32",),
                                constants={"x": typed(dtype, [[7, -2, 3], [-4, 1, -5]])})  # fmt: skip
    yield from case("a mean of squares", "y = reduce_mean(square(x - t))", variables={"x": [1.0, 2.0, 4.0]}, constants={"t": [0.5, 2.5, 3.0]})
    yield from case("a variance", "m = reduce_mean(x, axis=0, keepdims=True); y = reduce_mean(square(x - m), axis=0)",
                    variables={"x": [[1.0, 2.0], [4.0, -3.0], [0.5, 1.5]]}, seed=True, cancel=True)  # fmt: skip
    yield from case("a stable logarithm of a sum of exponentials",
                    "m = stop_gradient(reduce_max(x, axis=-1, keepdims=True)); y = reduce_sum(log(reduce_sum(exp(x - m), axis=-1, keepdims=True)) + m)",
                    variables={"x": [[1.0, 2.0, 3.0], [1000.0, 1001.0, 999.0]]})  # fmt: skip
    yield from case("a norm", "y = sqrt(reduce_sum(x ** 2))", variables={"x": [3.0, 4.0, 12.0]})
    yield from case("a softmax", "e = exp(x - reduce_max(x)); y = e / reduce_sum(e)", variables={"x": [0.5, -1.0, 2.0]}, seed=True, cancel=True)

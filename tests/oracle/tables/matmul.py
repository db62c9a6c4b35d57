"""matmul: transposes, batches, batch axes that broadcast, and empty matrices."""

from table import BOTH, case, evaluate, tensor, typed

A = [1.0, -2.0, 0.5, 3.0, 1.5, -0.75, 2.0, 0.25, -1.25]
B = [0.5, 1.0, -1.5, 2.0, -0.25, 3.0, 0.75, -2.0]
BATCHES = {
    "matrices": ((), ()),
    "batches": ((2,), (2,)),
    "a batch and a batch of one": ((2,), (1,)),
    "a batch and one matrix": ((2,), ()),
    "one matrix and a batch": ((), (2,)),
    "batches that broadcast both ways": ((2, 1), (1, 3)),
    "an empty batch": ((0,), (0,)),
}
TRANSPOSES = {
    "": ((2, 3), (3, 4)),
    ", transpose_a=True": ((3, 2), (3, 4)),
    ", transpose_b=True": ((2, 3), (4, 3)),
    ", transpose_a=True, transpose_b=True": ((3, 2), (4, 3)),
}
ODD_SHAPES = {
    "1 x 1 matrices": ((1, 1), (1, 1)),
    "a row and a column": ((1, 3), (3, 1)),
    "a column and a row": ((3, 1), (1, 2)),
    "an inner axis of size 0": ((2, 0), (0, 3)),
    "no rows": ((0, 2), (2, 3)),
    "no columns": ((2, 3), (3, 0)),
}


def product(name, text, a_shape, b_shape):
    for dtype in BOTH:
        yield from case(f"{name}, {dtype}", text, dtypes=(dtype,), seed=True, cancel=True,
                        variables={"a": tensor(A, a_shape, dtype), "b": tensor(B, b_shape, dtype)})  # fmt: skip


def cases():
    for what, (a_batch, b_batch) in BATCHES.items():
        for arguments, (a, b) in TRANSPOSES.items():
            yield from product(f"matmul of {what}{arguments}", f"c = matmul(a, b{arguments})", a_batch + a, b_batch + b)
    for what, (a, b) in ODD_SHAPES.items():
        yield from product(f"the operator @ of {what}", "c = a @ b", a, b)
    yield from product("a product of three matrices", "c = a @ b @ transpose(a)", (2, 3), (3, 3))
    yield from case("a matrix times itself", "c = a @ a", variables={"a": [[1.0, 2.0], [3.0, -4.0]]}, seed=True, cancel=True)
    yield from case("a matrix times its transpose", "c = matmul(a, a, transpose_b=True)", variables={"a": [[1.0, 2.0, 0.5], [3.0, -4.0, 1.5]]}, seed=True, cancel=True)
    yield from case("a quadratic form", "q = matmul(matmul(x, h, transpose_a=True), x)", variables={"x": [[1.0], [-2.0]]}, constants={"h": [[2.0, 1.0], [1.0, 3.0]]}, seed=True)
    yield from case("a layer with a bias", "y = tanh(x @ w + b)", constants={"x": [[0.5, -1.0], [1.5, 2.0], [0.0, 1.0]]},
                    variables={"w": [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]], "b": [0.01, -0.02, 0.03]}, seed=True, cancel=True)  # fmt: skip
    for dtype in ("int32", "int64"):
        yield from evaluate(f"matmul of {dtype}", "c = a @ b", dtypes=("float32",), constants={"a": typed(dtype, [[1, 2], [3, -4]]), "b": typed(dtype, [[5, 6], [-7, 8]])})

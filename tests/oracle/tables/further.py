"""What is a line or two of other ops."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, nest, tensor, typed

tf_answer.OPS.update({
    "logical_xor": tf.math.logical_xor, "reciprocal_no_nan": tf.math.reciprocal_no_nan, "erfcinv": tf.math.erfcinv, "lbeta": tf.math.lbeta,
    "polyval": tf.math.polyval, "count_nonzero": tf.math.count_nonzero, "zero_fraction": tf.math.zero_fraction, "crelu": tf.nn.crelu,
    "log_poisson_loss": tf.nn.log_poisson_loss, "weighted_cross_entropy_with_logits": tf.nn.weighted_cross_entropy_with_logits,
    "global_norm": tf.linalg.global_norm, "clip_by_norm": tf.clip_by_norm, "matrix_transpose": tf.linalg.matrix_transpose,
    **{d: d for d in ("float32", "float64", "int32", "int64")},
})  # fmt: skip

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75]
POSITIVE = [1.5, 2.0, 0.75, 3.0, 0.5, 1.25, 2.5, 1.75]
OF_ONE = [
    ("reciprocal_no_nan(x)", POINTS, (3,), (), (2, 2), (0,)),
    ("lbeta(x)", POSITIVE, (3,), (2, 3), (1,), (0, 2)),
    ("crelu(x)", POINTS, (2, 3), (3,), (0, 2)),
    ("crelu(x, axis=0)", POINTS, (2, 3)),
    ("matrix_transpose(x)", POINTS, (2, 3), (2, 2, 3), (1, 3), (0, 3)),
    ("polyval([x, x * 2.0, x], x * 0.5)", POINTS, (3,), ()),
    ("global_norm([x, 2.0 * x, x[0]])", POINTS, (3,), (2, 3)),
    ("clip_by_norm(x, 1.0)", POINTS, (3,), (2, 3), (), (0, 2)),
    ("clip_by_norm(x, 100.0)", POINTS, (3,)),
    ("clip_by_norm(x, 2.5, axes=[0])", POINTS, (2, 3)),
    ("clip_by_norm(x, 2.5, axes=-1)", POINTS, (2, 3)),
]
OF_TWO = [
    ("log_poisson_loss(x, y)", POSITIVE, POINTS), ("log_poisson_loss(x, y, compute_full_loss=True)", [1.5, 0.75, 0.0, 1.0, 3.0, 2.0], POINTS),
    ("weighted_cross_entropy_with_logits(x, y, 2.5)", [0.0, 1.0, 0.5, 1.0, 0.0, 0.25], POINTS),
    ("weighted_cross_entropy_with_logits(x, y, pos_weight=x + 1)", [0.0, 1.0, 0.5, 1.0, 0.0, 0.25], [0.0, 30.0, -30.0, 1.0, -1.0, 2.0]),
]  # fmt: skip


def derivatives():
    for text, data, *shapes in OF_ONE:
        for shape in shapes:
            for dtype in BOTH:
                yield from case(f"{text} of {list(shape)}, {dtype}", f"z = {text}", dtypes=(dtype,), variables={"x": tensor(data, shape, dtype)}, seed=True, cancel=True)
    for text, x, y in OF_TWO:
        yield from case(text, f"z = {text}", variables={"x": nest(x, (2, 3)), "y": nest(y, (2, 3))}, seed=True, cancel=True)
    yield from case("erfcinv", "z = erfcinv(x)", variables={"x": [0.1, 0.5, 1.0, 1.75, 1.99]}, seed=True)
    yield from case("erfcinv at its ends", "z = erfcinv(x)", dtypes=("float32",), variables={"x": [0.0, 2.0]})


def special():
    yield from case("reciprocal_no_nan at 0", "z = reciprocal_no_nan(x)", variables={"x": [0.0, -0.0, "Infinity", "NaN"]}, seed=True)
    yield from case("clip_by_norm of zeros", "z = clip_by_norm(x, 1.0)", variables={"x": [0.0, 0.0]}, seed=True)
    yield from case("clip_by_norm at its norm", "z = clip_by_norm(x, 5.0)", variables={"x": [3.0, 4.0]}, seed=True, cancel=True)
    yield from case("clip_by_norm by a variable", "z = clip_by_norm(x, c)", variables={"x": [3.0, 4.0], "c": 2.0}, seed=True, cancel=True)
    yield from case("crelu at 0", "z = crelu(x)", variables={"x": [0.0, -0.0]}, seed=True)
    for text in ("reciprocal_no_nan(x)", "lbeta(x)", "polyval([x, x, 2.0 * x], x)", "clip_by_norm(x, 1.0) * x", "global_norm([x])"):
        yield from case(f"second order of {text}", f"z = reduce_sum({text} ** 2)\ng = reduce_sum(grad(z, x) * [1.0, 2.0, -1.0])", variables={"x": [1.5, 2.0, 0.75]}, cancel=True)


def counts():
    for dtype in ("float32", "int32", "int64"):
        x = typed(dtype, [[1, 0, 3], [0, 0, -2]])
        for text in ("count_nonzero(x)", "count_nonzero(x, axis=0)", "count_nonzero(x, axis=-1, keepdims=True)", "count_nonzero(x, axis=[0, 1], dtype=int32)", "zero_fraction(x)"):
            yield from evaluate(f"{text} of {dtype}", f"y = {text}", dtypes=("float32",), constants={"x": x})
    yield from evaluate("count_nonzero of bools", "y = count_nonzero(x)", dtypes=("float32",), constants={"x": [True, False, True]})
    yield from evaluate("count_nonzero of NaN", "y = count_nonzero(x)", dtypes=("float32",), constants={"x": ["NaN", -0.0, "Infinity"]})
    yield from evaluate("logical_xor", "y = logical_xor(a, b)", dtypes=("float32",), constants={"a": [[True], [False]], "b": [True, False]})
    yield from evaluate("polyval of int32", "y = polyval([x, x], x)", dtypes=("float32",), constants={"x": typed("int32", [1, -2, 3])})
    yield from evaluate("matrix_transpose of int64", "y = matrix_transpose(x)", dtypes=("float32",), constants={"x": typed("int64", [[1, 2, 3], [4, 5, 6]])})


def cases():
    for table in (derivatives, special, counts):
        yield from table()

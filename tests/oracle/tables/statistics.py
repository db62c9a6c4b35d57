"""Scans, what comes from reductions, softmax and its losses."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, tensor, typed

tf_answer.OPS.update({
    "cumsum": tf.cumsum, "cumprod": tf.math.cumprod, "cumulative_logsumexp": tf.math.cumulative_logsumexp,
    "reduce_variance": tf.math.reduce_variance,
    "reduce_std": tf.math.reduce_std, "reduce_euclidean_norm": tf.math.reduce_euclidean_norm,
    "reduce_logsumexp": tf.reduce_logsumexp, "add_n": tf.add_n, "reduce_any": tf.reduce_any,
    "reduce_all": tf.reduce_all, "argmax": tf.argmax, "argmin": tf.argmin,
    "softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax,
    "softmax_cross_entropy_with_logits": tf.nn.softmax_cross_entropy_with_logits,
    "sigmoid_cross_entropy_with_logits": lambda labels, logits:
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits),
    "l2_loss": tf.nn.l2_loss, "l2_normalize": tf.math.l2_normalize, "bias_add": tf.nn.bias_add,
})  # fmt: skip

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5]
SCANS = {
    "a vector": ((5,), ""),
    "axis 0": ((3, 2), ""),
    "the last axis, exclusive": ((2, 4), ", axis=-1, exclusive=True"),
    "the middle axis, reversed": ((2, 3, 2), ", axis=1, reverse=True"),
    "both ways round": ((4,), ", exclusive=True, reverse=True"),
    "one element": ((1,), ", exclusive=True"),
    "an empty vector": ((0,), ""),
}
MOMENTS = {
    "everything": ((2, 3), ""),
    "axis 0": ((2, 3), ", axis=0"),
    "the last axis, kept": ((2, 3), ", axis=-1, keepdims=True"),
    "axes 2 and 0 of a cube": ((2, 3, 2), ", axis=[2, 0]"),
    "an axis with nothing around it": ((0, 3), ", axis=1"),
}
LOGITS = {
    "a vector": ((4,), ""),
    "rows": ((2, 3), ""),
    "axis 0": ((3, 2), ", axis=0"),
    "no rows": ((0, 3), ""),
}


def points(name, op, layouts):
    for what, (shape, arguments) in layouts.items():
        for dtype in BOTH:
            yield from case(f"{name} of {what}, {dtype}", f"y = {op}(x{arguments})", dtypes=(dtype,),
                            variables={"x": tensor(POINTS, shape, dtype)}, seed=True, cancel=True)  # fmt: skip


def cross_entropies():
    labels = [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]
    logits = [[1.0, -2.0, 0.5], [3.0, 1.0, -1.0]]
    for what, z in (("that sum to 1", labels), ("that sum to 2", [[0.5, 1.0, 0.5], [2.0, 0.0, 0.0]])):
        yield from case(f"softmax cross entropy with labels {what}",
                        "y = softmax_cross_entropy_with_logits(z, x)",
                        variables={"z": z, "x": logits}, seed=True, cancel=True)  # fmt: skip
    yield from case("softmax cross entropy of large logits", "y = softmax_cross_entropy_with_logits(z, x)",
                    variables={"z": labels, "x": [[1000.0, 0.0, -1000.0], [500.0, 501.0, 502.0]]}, cancel=True)  # fmt: skip
    yield from case("sigmoid cross entropy", "y = sigmoid_cross_entropy_with_logits(z, x)",
                    variables={"z": labels, "x": logits}, seed=True, cancel=True)  # fmt: skip
    yield from case("sigmoid cross entropy at 0 and far out", "y = sigmoid_cross_entropy_with_logits(z, x)",
                    variables={"z": [0.25, 0.25, 0.25], "x": [0.0, 100.0, -100.0]}, cancel=True)  # fmt: skip


def running_logsumexp():
    for what, x in (("of -Infinity", ["-Infinity", "-Infinity"]), ("that begins with -Infinity", ["-Infinity", "-Infinity", 1.0, 2.0]),
                    ("with -Infinity inside", [1.0, "-Infinity", 2.0]), ("with Infinity", ["Infinity", 1.0]), ("that ends in Infinity", [1.0, 0.5, "Infinity"]),
                    ("with Infinity inside", [1.0, "Infinity", 2.0]), ("of large numbers", [1000.0, 1001.0, -1000.0]), ("of small numbers", [-1000.0, -1001.0]),
                    ("far apart", [0.0, 500.0, -500.0])):  # fmt: skip
        yield from case(f"cumulative_logsumexp {what}", "y = cumulative_logsumexp(x)", variables={"x": x}, cancel=True)
        yield from case(f"cumulative_logsumexp {what}, from the end", "y = cumulative_logsumexp(x, reverse=True)", variables={"x": x}, cancel=True)
    yield from case("cumulative_logsumexp, exclusive, of -Infinity", "y = cumulative_logsumexp(x, exclusive=True)", variables={"x": ["-Infinity", 1.0, 2.0]})
    yield from case("second order of cumulative_logsumexp(x)", "y = reduce_sum(cumulative_logsumexp(x) ** 2); g = reduce_sum(grad(y, x) * w)",
                    variables={"x": [0.5, -1.0, 2.0]}, constants={"w": [0.5, -1.25, 2.0]}, cancel=True)  # fmt: skip


def special():
    yield from case("cumprod without a zero", "y = cumprod(x)", variables={"x": [2.0, -3.0, 0.5, 4.0]}, seed=True, cancel=True)
    yield from case("the standard deviation of a constant", "y = reduce_std(x)", variables={"x": [2.0, 2.0]})
    yield from case("the euclidean norm at 0", "y = reduce_euclidean_norm(x)", variables={"x": [0.0, 0.0]})
    yield from case("logsumexp of -Infinity", "y = reduce_logsumexp(x)", variables={"x": ["-Infinity", "-Infinity"]})
    yield from case("logsumexp with one -Infinity", "y = reduce_logsumexp(x)", variables={"x": ["-Infinity", 1.0]})
    yield from case("logsumexp with Infinity", "y = reduce_logsumexp(x)", variables={"x": ["Infinity", 1.0]})
    yield from case("logsumexp of large numbers", "y = reduce_logsumexp(x)", variables={"x": [1000.0, 1001.0]})
    yield from case("softmax with -Infinity", "y = softmax(x)", variables={"x": ["-Infinity", 1.0, 2.0]}, seed=True, cancel=True)
    yield from case("softmax with Infinity", "y = softmax(x)", variables={"x": ["Infinity", 1.0]})
    yield from case("softmax of large numbers", "y = softmax(x)", variables={"x": [1000.0, 1001.0]}, seed=True, cancel=True)
    yield from case("l2_normalize at 0", "y = l2_normalize(x)", variables={"x": [0.0, 0.0]}, seed=True)
    yield from case("second order of l2_normalize(x)", "y = reduce_sum(l2_normalize(x) ** 3); g = reduce_sum(grad(y, x) * w)", variables={"x": [3.0, 4.0]}, constants={"w": [0.5, -1.25]}, cancel=True)
    yield from case("l2_normalize of rows", "y = l2_normalize(x, axis=-1)", variables={"x": [[3.0, 4.0], [1e-8, 0.0]]}, seed=True, cancel=True)
    yield from case("l2_loss", "y = l2_loss(x)", variables={"x": [[3.0, 4.0], [1.0, 0.0]]})
    yield from case("bias_add", "y = bias_add(x, b)", variables={"x": [[3.0, 4.0], [1.0, 0.0]], "b": [0.5, -1.0]}, seed=True)
    yield from case("add_n", "y = add_n([x, z, x])", variables={"x": [3.0, 4.0], "z": [0.5, -1.0]}, seed=True)


def integers():
    for dtype in ("int32", "int64"):
        for op in ("cumsum", "cumprod", "argmax", "argmin"):
            yield from evaluate(f"{op} of {dtype}", f"y = {op}(x, axis=1)", dtypes=("float32",),
                                constants={"x": typed(dtype, [[7, -2, 3], [-4, 1, -5]])})  # fmt: skip
    for op in ("argmax", "argmin"):
        for dtype in BOTH:
            yield from evaluate(f"{op} of ties, {dtype}", f"y = {op}(x)", dtypes=(dtype,), constants={"x": [1.0, 3.0, 1.0, 3.0]})
            yield from evaluate(f"{op} along axis 0, {dtype}", f"y = {op}(x, axis=0)", dtypes=(dtype,), constants={"x": [[1.0, 3.0], [2.0, -1.0]]})
    for op in ("reduce_any", "reduce_all"):
        for what, arguments in (("everything", ""), ("axis 0", ", axis=0"), ("the last axis, kept", ", axis=-1, keepdims=True")):
            yield from evaluate(f"{op} of {what}", f"y = {op}(x{arguments})", dtypes=("float32",),
                                constants={"x": [[True, False], [False, False], [True, True]]})  # fmt: skip


def second_order():
    for op, x in (("softmax(x)", [0.5, -1.0, 2.0]), ("log_softmax(x)", [0.5, -1.0, 2.0]), ("reduce_logsumexp(x)", [0.5, -1.0, 2.0]),
                  ("reduce_variance(x)", [0.5, -1.0, 2.0]), ("reduce_std(x)", [0.5, -1.0, 2.0]), ("cumsum(x) ** 2", [0.5, -1.0, 2.0]),
                  ("reduce_euclidean_norm(x)", [3.0, 4.0])):  # fmt: skip
        yield from case(f"second order of {op}", f"y = reduce_sum({op} * {op}); g = reduce_sum(grad(y, x) * w)",
                        variables={"x": x}, constants={"w": [0.5, -1.25, 2.0][: len(x)]}, cancel=True)  # fmt: skip


def cases():
    for scan in ("cumsum", "cumprod", "cumulative_logsumexp"):
        yield from points(scan, scan, SCANS)
    yield from running_logsumexp()
    for op in ("reduce_variance", "reduce_std", "reduce_euclidean_norm", "reduce_logsumexp"):
        yield from points(op, op, MOMENTS)
    for op in ("softmax", "log_softmax"):
        yield from points(op, op, LOGITS)
    yield from cross_entropies()
    yield from special()
    yield from integers()
    yield from second_order()

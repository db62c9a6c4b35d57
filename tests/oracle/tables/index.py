"""Sorting, segments, indices into several axes."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, tensor, typed


def whole(i):
    """A list that is written in a graph, as indices."""
    return tf.constant(i, tf.int32) if isinstance(i, list) else i


def segment(f):
    return lambda x, i, *n: f(x, whole(i), *n)


tf_answer.OPS.update({
    "sort": tf.sort, "argsort": lambda x, **k: tf.argsort(x, stable=True, **k),
    "top_k": tf.math.top_k,
    "gather_nd": lambda x, i, batch_dims=0: tf.gather_nd(x, whole(i), batch_dims=batch_dims),
    "scatter_nd": lambda i, x, shape: tf.scatter_nd(whole(i), x, shape),
    "tensor_scatter_nd_add": lambda x, i, y: tf.tensor_scatter_nd_add(x, whole(i), y),
    "tensor_scatter_nd_sub": lambda x, i, y: tf.tensor_scatter_nd_sub(x, whole(i), y),
    "tensor_scatter_nd_update": lambda x, i, y: tf.tensor_scatter_nd_update(x, whole(i), y),
})  # fmt: skip
FOLDS = ("sum", "mean", "max", "min", "prod")
UNSORTED = (*FOLDS, "sqrt_n")
tf_answer.OPS.update({f"segment_{f}": segment(getattr(tf.math, f"segment_{f}")) for f in FOLDS})
tf_answer.OPS.update({f"unsorted_segment_{f}": segment(getattr(tf.math, f"unsorted_segment_{f}")) for f in UNSORTED})

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5]
TIES = [1.0, 2.0, 1.0, 2.0, 2.0]

# text, shapes of x
OF_ONE = [
    ("sort(x)", (5,), (3, 4), (2, 3, 2), (1,), (0, 2)),
    ("sort(x, axis=0)", (5, 2), (4, 1)),
    ("sort(x, direction='DESCENDING')", (5,), (2, 5)),
    ("sort(x, axis=-2, direction='DESCENDING')", (2, 3, 2)),
    ("gather_nd(x, [[1, 0], [0, 1], [1, 0]])", (2, 3), (2, 3, 2)),
    ("gather_nd(x, [[1], [0], [1]])", (2, 3), (3,)),
    ("gather_nd(x, [[[0, 1]], [[1, 1]]])", (2, 3)),
    ("gather_nd(x, [[2], [0]], batch_dims=1)", (2, 3), (2, 3, 2)),
    ("scatter_nd([[3], [1], [3]], x, [5])", (3,)),
    ("scatter_nd([[3], [1], [3]], x, [4, 2])", (3, 2), (3, 2)),
    ("scatter_nd([[0, 1], [1, 0]], x, [2, 3])", (2,)),
    ("scatter_nd([[0, 1], [1, 0]], x, [2, 3, 2])", (2, 2)),
]
OF_TWO = [
    (f"tensor_scatter_nd_{what}(x, {i})", pairs)
    for what in ("add", "sub", "update")
    for i, pairs in (
        ("[[3], [1]], y", (((5,), (2,)), ((4, 2), (2, 2)))),
        ("[[0, 1], [1, 0]], y", (((2, 3), (2,)), ((2, 2, 2), (2, 2)))),
    )
]


def title(text, *shapes):
    return f"{text} of {' and '.join(str(list(s)) for s in shapes)}"


def derivatives():
    rows = {(text, (shape,)): None for text, *shapes in OF_ONE for shape in shapes}
    rows.update({(text, shapes): None for text, pairs in OF_TWO for shapes in pairs})
    rows.update({("tensor_scatter_nd_add(x, [[1], [1]], y)", ((3,), (2,))): None})
    for text, shapes in rows:
        for dtype in BOTH:
            values = {name: tensor(POINTS[5 * i :] + POINTS, shape, dtype) for i, (name, shape) in enumerate(zip("xy", shapes))}
            yield from case(f"{title(text, *shapes)}, {dtype}", f"z = {text}", dtypes=(dtype,), variables=values, seed=True, cancel=True)


def tops():
    for text in ("a, i = top_k(x, 2)\nb = a * a", "a, i = top_k(x)\nb = a * 2", "a, i = top_k(x, k=3)\nb = a * 2", "a, i = top_k(x, 0)\nb = a * 2"):
        for shape in ((4,), (2, 3), (0, 3)):
            for dtype in BOTH:
                yield from case(f"{title(text.replace(chr(10), '; '), shape)}, {dtype}", text, dtypes=(dtype,),
                                variables={"x": tensor(POINTS, shape, dtype)}, seed=True, cancel=True)  # fmt: skip


def ties():
    x = {"x": TIES}
    for text in ("sort(x)", "sort(x, direction='DESCENDING')", "segment_max(x, [0, 0, 0, 1, 1])", "segment_min(x, [0, 0, 0, 1, 1])",
                 "unsorted_segment_max(x, [0, 1, 0, 1, 1], 2)", "unsorted_segment_min(x, [0, 0, 0, 1, 1], 2)"):  # fmt: skip
        yield from case(f"{text} with ties", f"y = {text}", variables=x, seed=True)
    yield from case("top_k with ties", "y, i = top_k(x, 2)\nz = y * 2", variables=x, seed=True)
    for text in ("argsort(x)", "argsort(x, direction='DESCENDING')"):
        yield from evaluate(f"{text} with ties", f"y = {text}", variables=x)
        yield from evaluate(f"{text} of signed zeros", f"y = {text}", variables={"x": [0.0, -0.0, -1.0, 1.0]})
        yield from evaluate(f"{text} of infinities", f"y = {text}", variables={"x": [0.0, "Infinity", "-Infinity", 1.0]})
        yield from evaluate(f"{text} of rows", f"y = {text}", variables={"x": tensor(POINTS, (3, 4), "float32")})
    yield from evaluate("argsort along axis 0", "y = argsort(x, axis=0)", variables={"x": tensor(POINTS, (3, 4), "float32")})
    yield from evaluate("the indices of top_k", "y, i = top_k(x, 3)\nj = identity(i)", variables=x)


def segments():
    calls = [(f"segment_{f}(x, {i})", shape) for f in FOLDS for i, shape in (("[0, 0, 1, 1, 1]", (5,)), ("[0, 0, 2]", (3, 2)), ("[1]", (1, 2)), ("[0, 1]", (2, 0)))]
    calls += [(f"unsorted_segment_{f}(x, {i}, {n})", shape) for f in UNSORTED
              for i, n, shape in (("[1, 0, 1, 1, 0]", 2, (5,)), ("[2, 0, 2]", 3, (3, 2)), ("[0, -1, 0]", 2, (3, 2)), ("[[1, 0], [1, 1]]", 2, (2, 2, 2)),
                                  ("[0, 0]", 1, (2, 0)), ("[1, 0]", 2, (2, 2)))]  # fmt: skip
    for text, shape in calls:
        for dtype in BOTH:
            yield from case(f"{title(text, shape)}, {dtype}", f"y = {text}", dtypes=(dtype,), variables={"x": tensor(POINTS, shape, dtype)}, seed=True, cancel=True)
    for what, x in (("one zero", [2.0, 0.0, 3.0, 4.0, 5.0]), ("two zeros", [0.0, 0.0, 3.0, 4.0, 5.0]), ("a zero in each", [2.0, 0.0, 3.0, 0.0, 5.0])):
        for text in ("segment_prod(x, [0, 0, 0, 1, 1])", "unsorted_segment_prod(x, [1, 1, 1, 0, 0], 2)"):
            yield from case(f"{text} with {what}", f"y = {text}", variables={"x": x}, seed=True)


def second_order():
    for text in ("sort(x * x)", "gather_nd(x * x, [[2], [0], [2]])", "scatter_nd([[1], [0], [1]], x * x, [2])", "segment_sum(x * x, [0, 0, 1])",
                 "segment_mean(x * x, [0, 0, 1])", "unsorted_segment_max(x * x, [0, 0, 1], 2)", "unsorted_segment_prod(x, [0, 0, 0], 1)",
                 "tensor_scatter_nd_update(x * x, [[1]], x[:1] ** 3)"):  # fmt: skip
        yield from case(f"the second derivative of {text}", f"y = {text}\ng = grad(y, x)", variables={"x": [1.5, -2.0, 0.75]}, seed=True, cancel=True)


def integers():
    for dtype in ("int32", "int64"):
        x = {"x": typed(dtype, [3, -1, 4, 1, -5])}
        for text in ("sort(x)", "sort(x, direction='DESCENDING')", "argsort(x)", "gather_nd(x, [[4], [0]])", "segment_sum(x, [0, 0, 1, 1, 3])",
                     "segment_max(x, [0, 0, 1, 1, 3])", "segment_min(x, [0, 0, 1, 1, 3])", "segment_prod(x, [0, 0, 1, 1, 3])", "unsorted_segment_sum(x, [1, 1, 0, -1, 1], 3)",
                     "unsorted_segment_max(x, [1, 1, 0, -1, 1], 3)", "unsorted_segment_min(x, [1, 1, 0, -1, 1], 3)", "unsorted_segment_prod(x, [1, 1, 0, -1, 1], 3)",
                     "scatter_nd([[1], [1], [0], [3], [2]], x, [4])", "tensor_scatter_nd_add(x, [[1]], x[:1])", "tensor_scatter_nd_update(x, [[1]], x[:1])"):  # fmt: skip
            yield from evaluate(f"{text} of {dtype}", f"y = {text}", dtypes=("float32",), constants=x)


def cases():
    for table in (derivatives, tops, ties, segments, second_order, integers):
        yield from table()

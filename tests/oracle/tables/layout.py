"""Layouts, splits, made tensors, diagonals, gathers."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, tensor, typed



def whole(i):
    """A list that is written in a graph, as indices."""
    return tf.constant(i, tf.int32) if isinstance(i, list) else i


def span(k):
    """A range of diagonals, which TensorFlow wants as a tuple."""
    return tuple(k) if isinstance(k, list) else k


OPS = {
    "tile": tf.tile, "repeat": tf.repeat, "reverse": tf.reverse, "roll": tf.roll, "pad": tf.pad,
    "moveaxis": tf.experimental.numpy.moveaxis, "swapaxes": tf.experimental.numpy.swapaxes,
    "split": tf.split, "unstack": tf.unstack, "fill": tf.fill, "range": tf.range,
    "linspace": tf.linspace, "one_hot": lambda i, *a, **k: tf.one_hot(whole(i), *a, **k), "eye": tf.eye, "zeros": tf.zeros, "ones": tf.ones,
    "meshgrid": lambda args, indexing="xy": tf.meshgrid(*args, indexing=indexing),
    "diag": lambda x, k=0, **more: tf.linalg.diag(x, k=span(k), **more), "trace": tf.linalg.trace,
    "diag_part": lambda x, k=0, **more: tf.linalg.diag_part(x, k=span(k), **more),
    "set_diag": lambda x, y, k=0, **more: tf.linalg.set_diag(x, y, k=span(k), **more),
    "tril": tf.experimental.numpy.tril, "triu": tf.experimental.numpy.triu,
    "mirror_pad": lambda x, paddings, mode: tf.raw_ops.MirrorPad(input=x, paddings=paddings, mode=mode),
    "band_part": tf.linalg.band_part, "outer": tf.experimental.numpy.outer,
    "kron": tf.experimental.numpy.kron,
    "gather": lambda x, i, axis=None, batch_dims=0: tf.gather(x, whole(i), axis=axis, batch_dims=batch_dims),
    "embedding_lookup": tf.nn.embedding_lookup, "boolean_mask": tf.boolean_mask,
    "take_along_axis": tf.experimental.numpy.take_along_axis,
    "sparse_softmax_cross_entropy_with_logits": tf.nn.sparse_softmax_cross_entropy_with_logits,
    "int32": "int32", "int64": "int64", "float32": "float32", "float64": "float64",
}  # fmt: skip
tf_answer.OPS.update(OPS)

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5]

# text, shapes of x
OF_ONE = [
    ("tile(x, [2, 3])", (2, 3), (1, 1), (0, 3)),
    ("tile(x, [2])", (3,)),
    ("tile(x, [1, 2, 2])", (2, 3, 2)),
    ("tile(x, [0, 2])", (2, 3)),
    ("repeat(x, 2)", (2, 3), (3,)),
    ("repeat(x, 3, axis=-1)", (2, 3), (2, 1)),
    ("repeat(x, [1, 2, 0], axis=1)", (2, 3), (2, 3, 2)),
    ("reverse(x, [0])", (3,), (2, 3), (0, 3)),
    ("reverse(x, [0, -1])", (2, 3, 2)),
    ("roll(x, 2, axis=0)", (5,), (1,), (3, 2), (0, 3)),
    ("roll(x, [1, -1], axis=[0, 1])", (2, 3)),
    ("roll(x, shift=-7, axis=-1)", (2, 3)),
    ("pad(x, [[1, 2]])", (3,), (0,)),
    ("pad(x, [[1, 0], [2, 1]])", (2, 3), (1, 1)),
    ("pad(x, [[1, 0], [0, 2]], constant_values=7.0)", (2, 3)),
    ("pad(x, [[1, 1], [2, 2]], 'REFLECT')", (2, 3)),
    ("pad(x, [[1, 2], [3, 0]], mode='SYMMETRIC')", (2, 3)),
    ("mirror_pad(x, [[1, 1], [2, 2]], 'REFLECT')", (2, 3)),
    ("mirror_pad(x, [[1, 2], [3, 0]], mode='SYMMETRIC')", (2, 3)),
    ("moveaxis(x, 0, -1)", (2, 3, 2), (3,)),
    ("moveaxis(x, [0, 2], [1, 0])", (2, 3, 2)),
    ("swapaxes(x, 0, -1)", (2, 3, 2), (2, 3)),
    ("fill([2, 3], x)", ()),
    ("fill([0, 2], x)", ()),
    ("linspace(x, 2 * x + 1, 5)", ()),
    ("linspace(x, 4.0, 2)", ()),
    ("linspace(x, 4.0, num=1)", ()),
    ("diag(x)", (3,), (2, 3), (1,), (0,)),
    ("diag(x, k=2)", (3,)),
    ("diag(x, k=-1)", (2, 2)),
    ("diag(x, k=1, num_rows=3)", (3,)),
    ("diag(x, num_cols=4, padding_value=0.5)", (2, 3)),
    ("diag(x, k=[-1, 1])", (3, 3), (2, 3, 2)),
    ("diag(x, k=[0, 1], align='LEFT_RIGHT')", (2, 3)),
    ("diag(x, k=[-2, -1], num_rows=4, num_cols=3, align='RIGHT_RIGHT')", (2, 3)),
    ("diag(x, k=[-1, 0], padding_value=7.0, align='LEFT_LEFT')", (2, 2)),
    ("diag_part(x, k=[-1, 1])", (3, 4), (4, 3), (2, 3, 3)),
    ("diag_part(x, k=[0, 1])", (1, 2), (2, 2, 2)),
    ("diag_part(x, k=[0, 2], padding_value=9.0)", (3, 4)),
    ("diag_part(x, k=[-2, 1], align='LEFT_RIGHT')", (3, 4)),
    ("diag_part(x, k=[-2, 1], align='LEFT_LEFT')", (4, 3)),
    ("diag_part(x, k=[-1, 2], align='RIGHT_RIGHT')", (3, 3)),
    ("diag_part(x, k=[1, 1])", (3, 3)),
    ("diag_part(x)", (3, 3), (2, 3), (3, 2), (2, 2, 3), (1, 1)),
    ("diag_part(x, k=1)", (3, 3), (2, 3)),
    ("diag_part(x, k=-1)", (3, 3), (3, 2)),
    ("band_part(x, 0, -1)", (3, 3), (2, 3)),
    ("band_part(x, 1, 0)", (3, 2), (2, 3, 2)),
    ("band_part(x, -1, -1)", (2, 2)),
    ("tril(x)", (3, 3), (2, 3), (2, 3, 2), (0, 2)),
    ("tril(x, k=1)", (3, 3)),
    ("tril(x, -1)", (3, 2)),
    ("triu(x)", (3, 3), (2, 3), (2, 3, 2), (0, 2)),
    ("triu(x, k=-1)", (3, 3)),
    ("triu(x, 7)", (2, 2)),
    ("linspace(x, 2 * x + 1, 4)", (2,), (2, 3), (0,)),
    ("linspace(x, 4.0, 3, axis=-1)", (2, 3)),
    ("linspace(x, x + 1, num=5, axis=1)", (2, 3)),
    ("linspace(x, 4.0, 1, axis=1)", (2,)),
    ("linspace(x, 4.0, 2, axis=1)", (2,)),
    ("trace(x)", (3, 3), (2, 3), (2, 2, 3), (0, 0)),
    ("gather(x, [2, 0, 2])", (3,), (3, 2), (3, 0)),
    ("gather(x, [[0, 1], [1, 1]], axis=-1)", (2, 2), (3, 2, 2)),
    ("gather(x, 1)", (3,), (2, 3)),
    ("gather(x, 1, axis=1)", (2, 3), (2, 2, 2)),
    ("gather(x, [], axis=0)", (2, 3)),
    ("gather(x, [[2, 0], [1, 1]], batch_dims=1)", (2, 3), (2, 3, 2)),
    ("gather(x, [[1, 0], [1, 1]], axis=2, batch_dims=1)", (2, 3, 2)),
    ("embedding_lookup(x, [[1, 0], [1, 1]])", (3, 2)),
    ("take_along_axis(x, [[1, 0, 1]], axis=0)", (2, 3)),
    ("take_along_axis(x, [[2, 2, 0, 1], [1, 1, 1, 0]], axis=-1)", (2, 3)),
    ("boolean_mask(x, [True, False, True])", (3,), (3, 2)),
    ("boolean_mask(x, [False, True], axis=1)", (3, 2)),
    ("boolean_mask(x, [[True, False], [False, True]])", (2, 2), (2, 2, 3)),
    ("boolean_mask(x, [False, False])", (2,)),
    ("sparse_softmax_cross_entropy_with_logits([2, 0], x)", (2, 3)),
    ("sparse_softmax_cross_entropy_with_logits(1, x)", (3,)),
    ("one_hot([0, 2, -1, 5], 3) * x", (3,)),
    ("one_hot([0, 2], 3, on_value=2.0, off_value=-1.0, axis=0) * x", (3, 1)),
    ("one_hot([], 3) * x", (3,)),
]
OF_TWO = [
    ("set_diag(x, y)", ((3, 3), (3,)), ((2, 2, 3), (2, 2)), ((3, 2), (2,))),
    ("set_diag(x, y, k=1)", ((3, 3), (2,)), ((2, 2, 3), (2, 2))),
    ("set_diag(x, y, k=-1)", ((3, 2), (2,))),
    ("set_diag(x, y, k=[-1, 1])", ((3, 4), (3, 3)), ((2, 3, 3), (2, 3, 3))),
    ("set_diag(x, y, k=[0, 1], align='LEFT_LEFT')", ((3, 2), (2, 2))),
    ("outer(x, y)", ((2,), (3,)), ((2, 2), (1, 3)), ((), (2,)), ((0,), (2,))),
    ("linspace(x, y, 4)", ((2, 3), (3,)), ((), (2,))),
    ("linspace(x, y, 3, axis=-1)", ((2, 1), (1, 3))),
    ("kron(x, y)", ((2, 2), (1, 3)), ((2,), (3,)), ((2,), (2, 2))),
]
# Several results: their sum of different multiples shows each.
SEVERAL = [
    ("a, b = split(x, 2)\nc = a * b", (4, 3)),
    ("a, b, c = split(x, [1, -1, 1], axis=1)\nd = concat([b * 2, c * a], 1)", (2, 4)),
    ("a, b = split(x, num_or_size_splits=[2, 0], axis=0)\nc = concat([b, a * a], 0)", (2, 3)),
    ("a, b = unstack(x)\nc = a * a - b", (2, 3)),
    ("a, b, c = unstack(x, axis=-1)\nd = a * b * c", (2, 3)),
    ("a = split(x, 3)[1] ** 2", (3,)),
]
GRIDS = [
    ("a, b = meshgrid([x, y])\nc = a * b + b", (2,), (3,)),
    ("a, b = meshgrid([x, y], indexing='ij')\nc = a * a * b", (2,), (3,)),
    ("a, b = meshgrid([x, y])\nc = a * b", (0,), (3,)),
    ("a, b, c = meshgrid([x, y, x * 2])\nd = a * b * c", (2,), (3,)),
]
MADE = [
    "range(5)", "range(1, 8, 3)", "range(5, 1, -2)", "range(3, 3)", "range(0.0, 1.0, 0.1)", "range(2.5)",
    "range(3.0, -1.0, -0.7)", "range(4, dtype=int64)", "range(0.0, 3.0, 0.3, dtype=float64)",
    "eye(3)", "eye(2, 3)", "eye(3, num_columns=1)", "eye(2, dtype=int32)", "eye(0)",
    "zeros([2, 3])", "ones([2], dtype=float64)", "zeros([0, 2])", "fill([2], 1.5)",
    "one_hot([1, 0], 2)", "one_hot(1, 3)", "one_hot([[0, 1], [2, 9]], 3, axis=1)", "one_hot([1, 0], 2, dtype=int32)",
    "linspace(0.0, 1.0, 4)", "linspace(-1.0, 1.0, 7)", "linspace(2.0, 2.0, 3)",
]  # fmt: skip


def title(text, *shapes):
    return f"{text.replace(chr(10), '; ')} of {' and '.join(str(list(s)) for s in shapes)}"


def variables(dtype, *shapes):
    return {name: tensor(POINTS[5 * i :] + POINTS, shape, dtype) for i, (name, shape) in enumerate(zip("xy", shapes))}


def derivatives():
    rows = [(text, (shape,)) for text, *shapes in OF_ONE for shape in shapes]
    rows += [(text, shapes) for text, *pairs in OF_TWO for shapes in pairs]
    for text, shapes in rows:
        for dtype in BOTH:
            # TensorFlow's one_hot is float32 unless asked; gradd's has the request's dtype.
            if text.startswith("one_hot") and dtype == "float64":
                continue
            yield from case(f"{title(text, *shapes)}, {dtype}", f"z = {text}", dtypes=(dtype,),
                            variables=variables(dtype, *shapes), seed=True, cancel=True)  # fmt: skip
    for text, *shapes in SEVERAL + GRIDS:
        for dtype in BOTH:
            yield from case(f"{title(text, *shapes)}, {dtype}", text, dtypes=(dtype,),
                            variables=variables(dtype, *shapes), seed=True, cancel=True)  # fmt: skip


def second_order():
    for text, shape in (("gather(x * x, [2, 0, 2])", (3,)), ("reverse(x * x, [0])", (3,)), ("tile(x ** 3, [2])", (2,)),
                        ("pad(x * x, [[1, 1]])", (2,)), ("diag(x * x)", (2,)), ("band_part(x * x, 0, -1)", (2, 2)),
                        ("sparse_softmax_cross_entropy_with_logits([1, 0], x)", (2, 3)), ("trace(x * x)", (2, 2))):  # fmt: skip
        yield from case(f"the second derivative of {text}", f"y = {text}\ng = grad(y, x)", variables={"x": tensor(POINTS, shape, "float32")},
                        seed=True, cancel=True)  # fmt: skip


def indices():
    x = tensor(POINTS, (3, 2), "float32")
    for dtype in ("int32", "int64"):
        i = {"i": typed(dtype, [2, 0, 2])}
        yield from case(f"gather by {dtype} constants", "y = gather(x, i)", dtypes=("float32",), variables={"x": x}, constants=i, seed=True)
        yield from case(f"gather by the gradient's own {dtype}", "y = gather(x, i)", dtypes=("float32",), variables={"x": x}, constants=i,
                        sources=["x", "i"], seed=True)  # fmt: skip
        yield from case(f"sparse cross entropy of {dtype} labels", "y = sparse_softmax_cross_entropy_with_logits(i, x)", dtypes=("float32",),
                        variables={"x": tensor(POINTS, (3, 3), "float32")}, constants=i, seed=True, cancel=True)  # fmt: skip


def made():
    for text in MADE:
        yield from evaluate(f"{text}", f"y = {text}", dtypes=("float32",))


def integers():
    for dtype in ("int32", "int64", "bool"):
        data = [[True, False, True], [False, False, True]] if dtype == "bool" else [[1, -2, 3], [4, 5, -6]]
        for text in ("tile(x, [2, 1])", "repeat(x, 2, axis=0)", "reverse(x, [1])", "roll(x, 1, axis=1)", "pad(x, [[1, 0], [0, 1]])" if dtype != "bool" else "x",
                     "gather(x, [1, 1])", "diag(x)", "diag_part(x)", "band_part(x, 0, -1)" if dtype != "bool" else "x[0]", "boolean_mask(x, [True, False])",
                     "swapaxes(x, 0, 1)", "unstack(x)[1]", "split(x, 3, axis=1)[2]"):  # fmt: skip
            yield from evaluate(f"{text} of {dtype}", f"y = {text}", dtypes=("float32",), constants={"x": typed(dtype, data)})


def cases():
    for table in (derivatives, second_order, indices, made, integers):
        yield from table()

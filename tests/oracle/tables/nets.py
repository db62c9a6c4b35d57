"""Pooling, normalization, dropout and what else tf.nn has for nets."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, nest, tensor, typed


def last(pool, x, ksize, strides, padding, data_format=None, **arguments):
    """TensorFlow's CPU pools channels last only, and its 3-D pools want the format said."""
    n = len(x.shape) - 2
    if data_format and data_format.startswith("NC"):
        x = tf.transpose(x, [0, *range(2, n + 2), 1])
        ksize, strides = ([s[0], *s[2:], s[1]] if isinstance(s, list) and len(s) == n + 2 else s for s in (ksize, strides))
        y = last(pool, x, ksize, strides, padding, **arguments)
        return tf.transpose(y, [0, n + 1, *range(1, n + 1)])
    return getattr(tf.nn, f"{pool}{n}d")(x, ksize, strides, padding, **arguments)


tf_answer.OPS.update({
    "max_pool": lambda *a, **k: last("max_pool", *a, **k), "avg_pool": lambda *a, **k: last("avg_pool", *a, **k),
    "max_pool_with_argmax": tf.nn.max_pool_with_argmax,
    "local_response_normalization": tf.nn.local_response_normalization,
})  # fmt: skip

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5, -0.125]
DISTINCT = [(7 * i % 61) / 8 - 3 for i in range(61)]
TIES = [1.0, 1.0, 0.0, 1.0, -1.0, 0.0, 1.0]

# arguments, shapes of x
POOLS = [
    ("2, 1, 'VALID'", (2, 5, 2), (1, 4, 4, 1), (2, 3, 4, 3), (1, 2, 2, 2), (1, 3, 3, 3, 2), (0, 3, 3, 1)),
    ("2, 2, 'SAME'", (2, 5, 2), (1, 5, 4, 2), (1, 3, 3, 3, 1), (1, 1, 1, 1), (2, 0, 3, 1), (1, 3, 3, 0)),
    ("3, 2, 'SAME'", (1, 6, 1), (1, 4, 5, 2)),
    ("3, 1, 'SAME'", (1, 4, 1), (1, 3, 3, 1)),
    ("2, 3, 'VALID'", (1, 7, 1), (1, 6, 8, 1)),
    ("2, 3, 'SAME'", (1, 7, 1), (1, 7, 8, 1)),
    ("1, 1, 'VALID'", (1, 2, 3, 2)),
    ("9, 1, 'SAME'", (1, 3, 2, 1)),
    ("[2, 3], [1, 2], 'SAME'", (1, 4, 5, 2)),
    ("[1, 3, 2, 1], [1, 1, 2, 1], 'VALID'", (2, 4, 5, 1)),
    ("[1, 2, 1, 3, 1], [1, 1, 1, 2, 1], 'SAME'", (1, 3, 2, 4, 1)),
    ("2, 2, 'SAME', data_format='NCHW'", (2, 3, 3, 4)),
    ("[1, 1, 2, 3], 1, 'VALID', 'NCHW'", (1, 2, 3, 4)),
    ("2, 1, 'VALID', data_format='NCW'", (2, 2, 4)),
]


def pools():
    for op in ("max_pool", "avg_pool"):
        for arguments, *shapes in POOLS:
            for shape in shapes:
                cube = len(shape) == 5  # TensorFlow has float32 only, and its max_pool3d gives each of equal elements all of g
                for dtype in BOTH[:1] if cube else BOTH:
                    yield from case(f"{op}(x, {arguments}) of {list(shape)}, {dtype}", f"y = {op}(x, {arguments})", dtypes=(dtype,),
                                    variables={"x": tensor(DISTINCT if cube else POINTS, shape, dtype)}, seed=True, cancel=True)  # fmt: skip
    for arguments, shape in (("2, 1, 'VALID'", (1, 4, 4, 1)), ("3, 2, 'SAME'", (1, 5, 5, 2)), ("2, 1, 'SAME'", (1, 6, 1))):
        yield from case(f"max_pool(x, {arguments}) of equal elements", f"y = max_pool(x, {arguments})", variables={"x": nest(TIES, shape)}, seed=True)
    special = [1.0, "NaN", 3.0, 2.0, "Infinity", 0.5, "-Infinity", "Infinity", -1.0, "NaN", -0.0, 0.0]
    for op in ("max_pool", "avg_pool"):
        yield from case(f"{op} of infinities and NaN", f"y = {op}(x, [1, 2], [1, 2], 'VALID')", variables={"x": nest(special, (1, 2, 6, 1))}, seed=True)
    for dtype in ("int32", "int64"):
        yield from evaluate(f"max_pool of {dtype}", "y = max_pool(x, 2, 1, 'VALID')", dtypes=("float32",),
                            constants={"x": typed(dtype, nest([3, -1, 4, 1, -5, 9, -2, 6, 5, -3, 5, 8], (1, 3, 4, 1)))})  # fmt: skip
    for padding in ("VALID", "SAME"):
        yield from evaluate(f"max_pool_with_argmax, {padding}", f"y, i = max_pool_with_argmax(x, 2, 2, '{padding}')", dtypes=("float32",),
                            fetch=["y", "i"], constants={"x": nest(TIES + POINTS, (2, 3, 4, 2))})  # fmt: skip
    yield from case("gradient of max_pool_with_argmax", "y, i = max_pool_with_argmax(x, 2, 2, 'SAME')\nz = y * y", dtypes=("float32",),
                    variables={"x": nest(POINTS, (1, 3, 4, 2))}, seed=True)  # fmt: skip
    for op in ("max_pool(x, 2, 1, 'SAME')", "avg_pool(x, 2, 1, 'SAME')"):
        for outer in ("", " ** 3"):
            yield from case(f"the second derivative of {op}{outer}", f"y = {op}{outer}\ng = reduce_sum(grad(y, x) * w)", variables={"x": nest(POINTS, (1, 2, 3, 1))},
                            constants={"w": nest(POINTS[5:], (1, 2, 3, 1))}, cancel=True)  # fmt: skip


def local_response():
    for arguments in ("", ", depth_radius=1, bias=2.0, alpha=0.5, beta=0.75", ", 0", ", 2, 0.5"):
        for shape in ((1, 2, 1, 4), (2, 1, 1, 7), (0, 1, 1, 3), (1, 1, 1, 1)):
            yield from case(f"local_response_normalization(x{arguments}) of {list(shape)}", f"y = local_response_normalization(x{arguments})",
                            dtypes=("float32",), variables={"x": tensor(POINTS, shape, "float32")}, seed=True, cancel=True)  # fmt: skip


def cases():
    for table in (pools, local_response):
        yield from table()

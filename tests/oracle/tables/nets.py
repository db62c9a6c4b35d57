"""Pooling, normalization, dropout and what else tf.nn has for nets."""

import keras
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


def group_normalization(x, gamma=None, beta=None, groups=32, axis=-1, epsilon=0.001):
    layer = keras.layers.GroupNormalization(groups, axis, epsilon, center=beta is not None, scale=gamma is not None, dtype=x.dtype.name)
    layer.build(x.shape)
    with keras.StatelessScope([(v, g) for v, g in ((layer.gamma, gamma), (layer.beta, beta)) if g is not None]):
        return layer(x)


tf_answer.OPS.update({
    "moments": tf.nn.moments, "weighted_moments": tf.nn.weighted_moments, "batch_normalization": tf.nn.batch_normalization,
    "fused_batch_norm": tf.compat.v1.nn.fused_batch_norm,
    "layer_normalization": lambda *a, epsilon=0.001, **k: keras.ops.layer_normalization(*a, epsilon=epsilon, **k),
    "rms_normalization": lambda *a, epsilon=1e-6, **k: keras.ops.rms_normalization(*a, epsilon=epsilon, **k),
    "group_normalization": group_normalization,
})  # fmt: skip


def moments():
    for arguments, *shapes in (("[0]", (4,), (3, 2), (1, 3)), ("[0, -1]", (2, 3, 2)), ("[1], keepdims=True", (2, 3), (2, 1), (0, 3)), ("[-1]", (2, 2, 3))):
        for shape in shapes:
            for i, what in enumerate(("mean", "variance")):
                for dtype in BOTH:
                    yield from case(f"{what} of moments(x, {arguments}) of {list(shape)}, {dtype}", f"y = moments(x, {arguments})[{i}]", dtypes=(dtype,),
                                    variables={"x": tensor(POINTS, shape, dtype)}, seed=True, cancel=True)  # fmt: skip
    weights = [1.0, 2.0, 0.5, 3.0, 0.25, 1.5]
    for x, w in (((3, 2), (3, 2)), ((3, 2), (3, 1)), ((2,), (3, 2)), ((1, 2), (1, 2))):
        for i, what in enumerate(("mean", "variance")):
            for keep in ("", ", keepdims=True"):
                yield from case(f"{what} of weighted_moments(x, [0], w{keep}) of {list(x)} by {list(w)}", f"y = weighted_moments(x, [0], w{keep})[{i}]",
                                variables={"x": nest(POINTS, x), "w": nest(weights, w)}, seed=True, cancel=True)  # fmt: skip
    yield from case("second order of weighted_moments", "y = weighted_moments(x, [0], w)[1]\ng = reduce_sum(grad(y, x) * [1.0, 2.0, 3.0])",
                    variables={"x": [1.0, 2.5, -0.5], "w": weights[:3]}, cancel=True)  # fmt: skip


STATISTICS = {"m": [0.5, -0.25, 1.0], "v": [1.0, 0.5, 2.0], "s": [1.5, -1.0, 0.75], "o": [0.25, 0.5, -2.0]}


def batch():
    for call, names in (("x, m, v, o, s, 0.001", "mvos"), ("x, m, v, None, None, 0.1", "mv"), ("x, m, v, offset=o, scale=None, variance_epsilon=0.01", "mvo"),
                        ("x, m, v, None, s, 0.001", "mvs")):  # fmt: skip
        for shape in ((2, 3), (2, 2, 3), (0, 3)):
            for dtype in BOTH:
                yield from case(f"batch_normalization({call}) of {list(shape)}, {dtype}", f"y = batch_normalization({call})", dtypes=(dtype,),
                                variables={"x": tensor(POINTS, shape, dtype), **{n: STATISTICS[n] for n in names}}, seed=True, cancel=True)  # fmt: skip
    yield from case("batch_normalization of a constant, epsilon 0", "y = batch_normalization(x, m, v, None, None, 0.0)", variables={"x": [1.0, 2.0], "m": [1.0, 1.0], "v": [0.0, 1.0]}, seed=True)


def fused():
    for shape in ((2, 2, 2, 3), (1, 1, 2, 3), (1, 2, 1, 2, 3)):
        layout = "" if len(shape) == 4 else ", data_format='NDHWC'"
        for i, what in enumerate(("y", "mean", "variance")):
            for mode, names in ((f"{layout}", "so"), (f", epsilon=0.1{layout}", "so"), (f", mean=m, variance=v, is_training=False{layout}", "somv")):
                if i and "epsilon" in mode:
                    continue
                yield from case(f"{what} of fused_batch_norm(x, s, o{mode}) of {list(shape)}", f"y = fused_batch_norm(x, s, o{mode})[{i}]", dtypes=("float32",),
                                variables={"x": nest(DISTINCT, shape), **{n: STATISTICS[n] for n in names}}, seed=True, cancel=True)  # fmt: skip
    # Terms of order 1 cancel in a value of order 0.001, and TensorFlow has float32 only.
    yield from case("second order of fused_batch_norm", "y = fused_batch_norm(x, s, o)[0] ** 2\ng = reduce_sum(grad(y, x) * w)", dtypes=("float32",),
                    variables={"x": nest(DISTINCT, (2, 1, 2, 3)), "s": STATISTICS["s"], "o": STATISTICS["o"]}, constants={"w": nest(POINTS, (2, 1, 2, 3))},
                    cancel=True, atol={"float32": 1e-5})  # fmt: skip


def layers():
    gains = {"g": [1.5, -1.0, 0.75], "b": [0.25, 0.5, -2.0]}
    for op, call, names in (("layer", "x", ""), ("layer", "x, g, b", "gb"), ("layer", "x, gamma=g, epsilon=0.1", "g"), ("layer", "x, beta=b", "b"),
                            ("rms", "x", ""), ("rms", "x, g", "g"), ("rms", "x, scale=g, epsilon=0.1", "g")):  # fmt: skip
        for shape in ((3,), (2, 3), (2, 2, 3), (0, 3)):
            for dtype in BOTH:
                yield from case(f"{op}_normalization({call}) of {list(shape)}, {dtype}", f"y = {op}_normalization({call})", dtypes=(dtype,),
                                variables={"x": tensor(POINTS, shape, dtype), **{n: gains[n] for n in names}}, seed=True, cancel=True)  # fmt: skip
    yield from case("layer_normalization over two axes", "y = layer_normalization(x, g, None, axis=[1, 2])",
                    variables={"x": nest(POINTS, (2, 3, 2)), "g": nest(POINTS[3:], (3, 2))}, seed=True, cancel=True)  # fmt: skip
    yield from case("layer_normalization over axis 1", "y = layer_normalization(x, g, g, axis=1)", variables={"x": nest(POINTS, (2, 3, 2)), "g": gains["g"]}, seed=True, cancel=True)
    # Of the others TensorFlow's is wrong: tf.nn.moments stops the gradient at the mean.
    yield from case("second order of rms_normalization", "y = rms_normalization(x, g)\nz = reduce_sum(grad(reduce_sum(y ** 3), x) * [1.0, 2.0, 3.0])",
                    variables={"x": POINTS[:3], "g": gains["g"]}, cancel=True)  # fmt: skip
    yield from case("layer_normalization of equal elements", "y = layer_normalization(x)", variables={"x": [2.0, 2.0, 2.0]}, seed=True, cancel=True)
    yield from case("rms_normalization of zeros", "y = rms_normalization(x)", variables={"x": [0.0, 0.0]}, seed=True)
    for call, shape, n in (("x, None, None, 2", (2, 6), 0), ("x, g, b, groups=1", (2, 2, 3), 3), ("x, g, b, -1", (2, 2, 3), 3), ("x, g, b, 2, axis=1", (2, 4, 3), 4),
                           ("x, groups=3, axis=-2, epsilon=0.1", (1, 3, 2), 0)):  # fmt: skip
        names = {"g": POINTS[:n], "b": POINTS[5 : 5 + n]} if n else {}
        yield from case(f"group_normalization({call}) of {list(shape)}", f"y = group_normalization({call})", variables={"x": nest(POINTS, shape), **names}, seed=True, cancel=True)


def cases():
    for table in (pools, local_response, moments, batch, fused, layers):
        yield from table()

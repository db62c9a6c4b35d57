"""Convolutions: every combination of rank, padding, stride, dilation, groups and layout.

TensorFlow's kernels for the CPU have no gradient with dilations or groups, and neither channels in
front nor three dilated axes at all. There the reference is the definition, written in TensorFlow's
pads, strided slices and products of matrices, which its tape differentiates to any order; wherever
TensorFlow computes the value all the same, the two are compared. All numbers are small multiples of
1/4 and 1/8, so that sums are exact in any order."""

import itertools

import numpy as np
import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, tensor

FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
X = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5, -1.25]
W = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5, -2.25, 1.0, -0.25, 1.75, -1.5]


def spatial(steps, axes, first):
    """strides or dilations as one number for each spatial axis."""
    steps = [1] if steps is None else [steps] if isinstance(steps, int) else list(steps)
    if len(steps) == axes + 2:
        return steps[2:] if first else steps[1:-1]
    return steps * axes if len(steps) == 1 else steps


def pads_of(padding, sizes, kernel, strides, dilations, first):
    if padding == "VALID":
        return [(0, 0)] * len(sizes)
    if padding != "SAME":
        return list(padding[2:] if first else padding[1:-1])
    pads = []
    for n, k, s, d in zip(sizes, kernel, strides, dilations):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def to_last(x):
    return tf.transpose(x, [0, *range(2, x.ndim), 1])


def to_first(x):
    return tf.transpose(x, [0, x.ndim - 1, *range(1, x.ndim - 1)])


def by_definition(x, w, strides, pads, dilations):
    """The sum over the kernel's positions of slices of x times their part of w; groups side by side."""
    axes = w.ndim - 2
    kernel = w.shape[:axes]
    x = tf.pad(x, [[0, 0], *pads, [0, 0]])
    out = [(n - (k - 1) * d - 1 + s) // s for n, k, s, d in zip(x.shape[1:-1], kernel, strides, dilations)]
    groups = x.shape[-1] // w.shape[-2]
    parts = []
    for part, filters in zip(tf.split(x, groups, -1), tf.split(w, groups, -1)):
        y = 0
        for k in itertools.product(*map(range, kernel)):
            at = [slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in zip(k, dilations, out, strides)]
            y += tf.tensordot(part[(slice(None), *at)], filters[k], 1)
        parts.append(y)
    return tf.concat(parts, -1)


def convolution_op(axes, op):
    def convolve(input, filters, strides, padding, data_format=None, dilations=None):
        input, filters = tf.convert_to_tensor(input), tf.convert_to_tensor(filters)
        first = data_format == FORMATS[axes][1]
        s, d = (spatial(v, axes, first) for v in (strides, dilations))
        x = to_last(input) if first else input
        w = filters
        pads = pads_of(padding, x.shape[1:-1], w.shape[:axes], s, d, first)
        grouped = x.shape[-1] != w.shape[-2]
        named = padding in ("VALID", "SAME")
        full = {"strides": [1, *s, 1], "dilations": [1, *d, 1]}
        if axes == 1:
            full = {"stride": [1, *s, 1], "dilations": d}
        plain = padding if named else [[0, 0], *pads, [0, 0]]
        computes = named or axes == 2
        if axes == 3:
            computes = named and not grouped and max(d) == 1
        if computes:
            y = op(x, w, padding=plain, **full)
            if max(d) > 1 or grouped:
                expected, y = y, by_definition(x, w, s, pads, d)
                np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-6, atol=1e-6)
        else:
            y = by_definition(x, w, s, pads, d)
        return to_first(y) if first else y

    return convolve


def adjoint_op(axes, op):
    """The transposed convolution; the gradient of the definition, where TensorFlow has no kernel."""

    def convolve(input, filters, output_shape, strides, padding="SAME", data_format=None, dilations=None):
        input, filters = tf.convert_to_tensor(input), tf.convert_to_tensor(filters)
        first = data_format == FORMATS[axes][1]
        s, d = (spatial(v, axes, first) for v in (strides, dilations))
        y = to_last(input) if first else input
        shape = list(output_shape)
        if first:
            shape = [shape[0], *shape[2:], shape[1]]
        pads = pads_of(padding, shape[1:-1], filters.shape[:axes], s, d, first)
        if max(d) == 1 and shape[-1] == filters.shape[-2] and padding in ("VALID", "SAME"):
            x = op(y, filters, shape, s, padding)
        else:
            with tf.GradientTape() as tape:
                zero = tf.zeros(shape, y.dtype)
                tape.watch(zero)
                inner = tf.reduce_sum(by_definition(zero, filters, s, pads, d) * y)
            x = tape.gradient(inner, zero)
        return to_first(x) if first else x

    return convolve


def depthwise(input, filter, strides, padding, data_format=None, dilations=None):
    input, filter = tf.convert_to_tensor(input), tf.convert_to_tensor(filter)
    first = data_format == "NCHW"
    s, d = (spatial(v, 2, first) for v in (strides, dilations))
    x = to_last(input) if first else input
    h, w, channels, times = filter.shape
    pads = pads_of(padding, x.shape[1:-1], (h, w), s, d, first)
    if s[0] == s[1] and (max(d) == 1 or max(s) == 1):
        plain = padding if padding in ("VALID", "SAME") else [[0, 0], *pads, [0, 0]]
        y = tf.nn.depthwise_conv2d(x, filter, [1, *s, 1], plain, dilations=d)
    else:
        y = by_definition(x, tf.reshape(filter, [h, w, 1, channels * times]), s, pads, d)
    return to_first(y) if first else y


def separable(input, depthwise_filter, pointwise_filter, strides, padding, data_format=None, dilations=None):
    y = depthwise(input, depthwise_filter, strides, padding, data_format, dilations)
    return CONV[2](y, pointwise_filter, 1, "VALID", data_format)


CONV = {n: convolution_op(n, op) for n, op in ((1, tf.nn.conv1d), (2, tf.nn.conv2d), (3, tf.nn.conv3d))}
ADJOINT = {
    n: adjoint_op(n, op)
    for n, op in ((1, tf.nn.conv1d_transpose), (2, tf.nn.conv2d_transpose), (3, tf.nn.conv3d_transpose))
}
tf_answer.OPS.update({
    "conv1d": lambda input, filters, stride, padding, data_format="NWC", dilations=None:
        CONV[1](input, filters, stride, padding, data_format, dilations),
    "conv2d": CONV[2], "conv3d": CONV[3],
    "convolution": lambda x, w, strides=1, padding="VALID", data_format=None, dilations=None:
        CONV[w.shape.ndims - 2](x, w, strides, padding, data_format, dilations),
    "conv1d_transpose": ADJOINT[1], "conv2d_transpose": ADJOINT[2], "conv3d_transpose": ADJOINT[3],
    "conv_transpose": lambda x, w, shape, strides: ADJOINT[w.shape.ndims - 2](x, w, shape, strides),
    "depthwise_conv2d": depthwise, "separable_conv2d": separable,
})  # fmt: skip

SIZES = {1: (5,), 2: (4, 5), 3: (3, 4, 2)}
KERNELS = {1: (3,), 2: (2, 3), 3: (2, 2, 1)}
EXPLICIT = {1: ((2, 1),), 2: ((1, 2), (0, 1)), 3: ((1, 0), (0, 2), (1, 1))}


def both(name, graph, x, w, **members):
    """Gradients by input and filters, in both dtypes; empty shapes are typed."""
    for dtype in members.pop("dtypes", BOTH):
        variables = {"x": tensor(X, x, dtype), "w": tensor(W, w, dtype)}
        variables.update(members.pop("more", {}))
        yield from case(f"{name}, {dtype}", graph, dtypes=(dtype,), variables=variables, seed=True, cancel=True, **members)


def channels(sizes, n, images, first):
    return (images, n, *sizes) if first else (images, *sizes, n)


def explicit(axes, first):
    pads = [[0, 0], *map(list, EXPLICIT[axes]), [0, 0]]
    return [pads[0], pads[-1], *pads[1:-1]] if first else pads


def combinations():
    for axes, padding, stride, dilation, groups, first in itertools.product(
            (1, 2, 3), ("VALID", "SAME", "EXPLICIT"), (1, 2), (1, 2), (1, 2), (False, True)):  # fmt: skip
        images = 2 if axes == 1 else 1
        x = channels(SIZES[axes], 2 * groups, images, first)
        w = (*KERNELS[axes], 2, 2 * groups if axes < 3 else groups)
        how = explicit(axes, first) if padding == "EXPLICIT" else f'"{padding}"'
        arguments = f'{stride}, {how}, data_format="{FORMATS[axes][first]}", dilations={dilation}'
        yield from both(f"conv{axes}d {padding}, stride {stride}, dilation {dilation}, groups {groups}, {FORMATS[axes][first]}",
                        f"y = conv{axes}d(x, w, {arguments})", x, w)  # fmt: skip


def unequal():
    for steps in ("strides=[1, 2], padding='VALID'", "strides=[2, 1], padding='SAME'", "strides=[1, 2, 3, 1], padding='SAME'",
                  "strides=1, padding='VALID', dilations=[1, 2]", "strides=1, padding='SAME', dilations=[1, 3, 1, 1]",
                  "strides=[2], padding=[[0, 0], [3, 0], [0, 4], [0, 0]]", "strides=3, padding='SAME', dilations=[2, 1]"):  # fmt: skip
        yield from both(f"conv2d, {steps}", f"y = conv2d(x, w, {steps})", (2, 5, 4, 2), (3, 2, 2, 3))
    yield from both("conv1d, its stride by name", "y = conv1d(x, w, stride=2, padding='SAME')", (2, 7, 2), (3, 2, 3))
    yield from both("conv3d, five strides", "y = conv3d(x, w, [1, 2, 1, 2, 1], 'SAME')", (1, 3, 2, 3, 2), (2, 1, 2, 2, 2))
    for rank, x, w in ((3, (2, 5, 2), (3, 2, 3)), (4, (1, 4, 5, 2), (2, 3, 2, 3)), (5, (1, 3, 2, 3, 2), (2, 1, 2, 2, 2))):
        yield from both(f"convolution of rank {rank}", "y = convolution(x, w)", x, w)
        yield from both(f"convolution of rank {rank}, SAME", "y = convolution(x, w, 2, 'SAME')", x, w)


def shapes():
    layouts = {
        "of one number": ((1, 1, 1, 1), (1, 1, 1, 1)),
        "of single places": ((2, 2, 3, 3), (1, 1, 3, 2)),
        "of a whole image": ((2, 3, 2, 2), (3, 2, 2, 3)),
        "of one channel": ((2, 4, 4, 1), (3, 3, 1, 2)),
        "with one filter": ((1, 4, 4, 3), (2, 2, 3, 1)),
        "in four groups": ((1, 3, 3, 4), (2, 2, 1, 4)),
        "in two groups of unequal widths": ((1, 3, 3, 4), (2, 2, 2, 6)),
    }
    for what, (x, w) in layouts.items():
        for padding in ("VALID", "SAME"):
            yield from both(f"conv2d {what}, {padding}", f"y = conv2d(x, w, 1, '{padding}')", x, w)
    for padding in ("SAME", [[0, 0], [2, 2], [3, 3], [0, 0]]):
        yield from both(f"conv2d with a kernel larger than the image, {padding}", f"y = conv2d(x, w, 1, {padding!r})", (1, 2, 1, 2), (4, 3, 2, 2))
    yield from both("conv2d of no images", "y = conv2d(x, w, 1, 'VALID')", (0, 4, 4, 2), (2, 2, 2, 3))
    # TensorFlow's gradient by the filters of an empty result is whatever stood in that memory.
    for dtype in BOTH:
        for what, x, w, padding in (("with a kernel larger by one", (2, 2, 2, 1), (3, 3, 1, 2), "VALID"), ("with no filters", (1, 3, 3, 2), (2, 2, 2, 0), "VALID"), ("of empty images", (1, 0, 3, 2), (2, 2, 2, 3), "SAME")):
            yield from evaluate(f"conv2d {what}, {dtype}", f"y = conv2d(x, w, 1, '{padding}')", dtypes=(dtype,),
                                constants={"x": tensor(X, x, dtype), "w": tensor(W, w, dtype)})  # fmt: skip


def non_finite():
    x = [[[1.0], ["NaN"], [2.0], [3.0], [4.0]]]
    w = [[[0.5]], [[-1.0]]]
    yield from case("conv1d with a NaN in x", "y = conv1d(x, w, 1, 'VALID')", variables={"x": x, "w": w}, seed=True)
    x = [[[1.0], [2.0], ["Infinity"], [3.0], [4.0]]]
    yield from case("conv1d with an infinity in x", "y = conv1d(x, w, 1, 'VALID')", variables={"x": x, "w": w}, seed=True)
    yield from case("conv1d with an infinity in w", "y = conv1d(x, w, 1, 'VALID')",
                    variables={"x": [[[1.0], [2.0], [3.0]]], "w": [[[0.5]], [["Infinity"]]]}, seed=True)  # fmt: skip
    # A place that is padded is a zero, and not a place that is left out.
    for padding in ("SAME", "VALID"):
        yield from case(f"conv2d {padding} with an infinity in w", f"y = conv2d(x, w, 1, '{padding}')",
                        variables={"x": tensor(X, (1, 3, 3, 2), "float32"), "w": [[[[1.0, 2.0], [0.5, 1.5]], [["Infinity", 1.0], [2.0, 3.0]]]]}, seed=True)  # fmt: skip


def transposed():
    w = (3, 2, 2)
    for n, stride, padding in ((6, 2, "SAME"), (5, 2, "SAME"), (3, 1, "SAME"), (7, 2, "VALID"), (8, 2, "VALID"), (5, 1, "VALID")):
        for first in (False, True):
            shape = [2, 2, n] if first else [2, n, 2]
            y = (2, 2, 3) if first else (2, 3, 2)
            yield from both(f"conv1d_transpose to {n}, stride {stride}, {padding}, {FORMATS[1][first]}",
                            f"y = conv1d_transpose(x, w, {shape}, {stride}, '{padding}', '{FORMATS[1][first]}')", y, w)  # fmt: skip
    yield from both("conv1d_transpose, dilated", "y = conv1d_transpose(x, w, [2, 7, 2], 1, 'VALID', dilations=2)", (2, 3, 2), (3, 2, 2))
    for shape, steps in (([1, 4, 6, 3], "strides=2"), ([1, 3, 5, 3], "strides=[2, 2]"), ([1, 2, 6, 3], "strides=[1, 1, 2, 1]"),
                         ([1, 5, 6, 3], "strides=2, padding='VALID'"), ([1, 2, 3, 3], "strides=1, dilations=[2, 1]"),
                         ([1, 2, 4, 3], "strides=1, padding=[[0, 0], [1, 1], [0, 0], [0, 0]], dilations=[1, 1]"),
                         ([1, 2, 5, 6], "strides=[1, 2]")):  # fmt: skip
        yield from both(f"conv2d_transpose to {shape}, {steps}", f"y = conv2d_transpose(x, w, {shape}, {steps})", (1, 2, 3, 2), (3, 2, 3, 2))
    yield from both("conv2d_transpose, NCHW", "y = conv2d_transpose(x, w, [1, 3, 4, 6], 2, data_format='NCHW')", (1, 2, 2, 3), (3, 2, 3, 2))
    yield from both("conv3d_transpose", "y = conv3d_transpose(x, w, [1, 3, 2, 4, 2], [2, 1, 2])", (1, 2, 2, 2, 1), (2, 1, 2, 2, 1))
    yield from both("conv_transpose", "y = conv_transpose(x, w, [1, 4, 6, 3], 2)", (1, 2, 3, 2), (3, 2, 3, 2))


def channelwise():
    for times, padding, stride, dilation in itertools.product((1, 2), ("VALID", "SAME"), (1, 2), (1, 2)):
        yield from both(f"depthwise_conv2d {times} times, {padding}, stride {stride}, dilation {dilation}",
                        f"y = depthwise_conv2d(x, w, [1, {stride}, {stride}, 1], '{padding}', dilations={[dilation] * 2})",
                        (2, 4, 5, 3), (2, 3, 3, times))  # fmt: skip
    yield from both("depthwise_conv2d of unequal strides, NCHW", "y = depthwise_conv2d(x, w, [1, 1, 2, 1], 'SAME', 'NCHW')", (1, 2, 4, 5), (2, 3, 2, 2))
    yield from both("depthwise_conv2d padded", "y = depthwise_conv2d(x, w, [1, 1, 1, 1], [[0, 0], [1, 0], [2, 1], [0, 0]])", (1, 3, 2, 2), (2, 3, 2, 1))
    yield from both("depthwise_conv2d of one channel", "y = depthwise_conv2d(x, w, [1, 1, 1, 1], 'SAME')", (1, 3, 3, 1), (2, 2, 1, 2))
    for padding, stride, more in (("VALID", 1, ""), ("SAME", 2, ""), ("SAME", 1, ", dilations=[2, 2]")):
        for dtype in BOTH:
            yield from case(f"separable_conv2d {padding}, stride {stride}{more}, {dtype}",
                            f"y = separable_conv2d(x, w, p, [1, {stride}, {stride}, 1], '{padding}'{more})", dtypes=(dtype,),
                            variables={"x": tensor(X, (1, 3, 4, 2), dtype), "w": tensor(W, (2, 2, 2, 2), dtype), "p": tensor(W, (1, 1, 4, 3), dtype)},
                            seed=True, cancel=True)  # fmt: skip


SECOND = {
    "conv1d": ("conv1d(x, w, 2, 'SAME')", (1, 5, 2), (3, 2, 2)),
    "conv2d": ("conv2d(x, w, 1, 'VALID')", (1, 3, 4, 2), (2, 2, 2, 2)),
    "conv2d, dilated in groups": ("conv2d(x, w, [1, 2], 'SAME', dilations=[2, 1])", (1, 3, 4, 2), (2, 2, 1, 2)),
    "conv3d": ("conv3d(x, w, [1, 1, 1, 1, 1], 'VALID')", (1, 2, 2, 3, 1), (2, 1, 2, 1, 2)),
    "conv2d_transpose": ("conv2d_transpose(x, w, [1, 4, 6, 2], 2)", (1, 2, 3, 1), (2, 3, 2, 1)),
    "depthwise_conv2d": ("depthwise_conv2d(x, w, [1, 1, 1, 1], 'SAME')", (1, 3, 3, 2), (2, 2, 2, 2)),
}


def second_order():
    for what, (text, x, w) in SECOND.items():
        for by in "xw":
            yield from both(f"second order of {what} squared by {by}",
                            f"y = reduce_sum({text} ** 2); g = reduce_sum(grad(y, {by}) ** 2)", x, w)  # fmt: skip
            yield from both(f"second order of {what} by {by}, null in {by}",
                            f"y = reduce_sum({text}); g = reduce_sum(grad(y, {by}) ** 2)", x, w)  # fmt: skip
    yield from both("third order of conv2d", "y = reduce_sum(conv2d(x, w, 1, 'VALID') ** 3); g = reduce_sum(grad(y, x) * x); h = reduce_sum(grad(g, w))",
                    (1, 2, 3, 1), (2, 2, 1, 1))  # fmt: skip


def other_routes():
    for what, (text, x, w) in SECOND.items():
        for dtype in BOTH:
            variables = {"x": tensor(X, x, dtype), "w": tensor(W, w, dtype)}
            tangents = {"x": tensor(W, x, dtype), "w": tensor(X, w, dtype)}
            yield from case(f"jvp of {what}, {dtype}", f"y = {text}", route="jvp", dtypes=(dtype,), variables=variables, tangents=tangents, cancel=True)
            if what != "conv3d":  # of rank 10
                yield from case(f"jacobian of {what}, {dtype}", f"y = {text}", route="jacobian", dtypes=(dtype,), variables=variables, cancel=True)
            yield from case(f"hvp of {what}, {dtype}", f"y = reduce_sum({text} ** 2)", route="hvp", dtypes=(dtype,), variables=variables,
                            vector=tangents, cancel=True)  # fmt: skip


def cases():
    yield from combinations()
    yield from unequal()
    yield from shapes()
    yield from non_finite()
    yield from transposed()
    yield from channelwise()
    yield from second_order()
    yield from other_routes()

"""Images of another size."""

import tensorflow as tf

import tf_answer
from table import case, nest

tf_answer.OPS["resize_bilinear"] = lambda images, size, align_corners=False, half_pixel_centers=False: tf.raw_ops.ResizeBilinear(
    images=images, size=size, align_corners=align_corners, half_pixel_centers=half_pixel_centers)  # fmt: skip

POINTS = [(7 * i % 61) / 8 - 3 for i in range(61)]


def cases():
    # TensorFlow's result is float32 whatever the image is.
    for shape in ((1, 2, 2, 1), (2, 3, 4, 2), (1, 5, 1, 3), (1, 1, 1, 1), (1, 4, 6, 1)):
        for size in ([2, 2], [3, 5], [7, 4], [1, 1], [1, 6]):
            for flags in ("", ", align_corners=True", ", half_pixel_centers=True"):
                yield from case(f"resize_bilinear of {list(shape)} to {size}{flags}", f"y = resize_bilinear(x, {size}{flags})", dtypes=("float32",),
                                variables={"x": nest(POINTS, shape)}, seed=True, cancel=True)  # fmt: skip
    # TensorFlow has no second order here: its ResizeBilinearGrad is not registered.

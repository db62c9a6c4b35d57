"""Keras' losses, called as Keras' functions (no reduction) and as its classes (with one)."""

import keras
import tensorflow as tf

import tf_answer
from table import BOTH, case, tensor

LOSSES = {
    "mean_squared_error": ("MeanSquaredError", False), "mean_absolute_error": ("MeanAbsoluteError", False),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", False),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", False), "huber": ("Huber", False),
    "log_cosh": ("LogCosh", False), "binary_crossentropy": ("BinaryCrossentropy", True),
    "categorical_crossentropy": ("CategoricalCrossentropy", True), "kl_divergence": ("KLDivergence", True),
    "poisson": ("Poisson", True), "hinge": ("Hinge", False), "squared_hinge": ("SquaredHinge", False),
    "categorical_hinge": ("CategoricalHinge", True), "cosine_similarity": ("CosineSimilarity", False),
}  # fmt: skip


def loss(name):
    cls = getattr(keras.losses, LOSSES[name][0])
    function = getattr(keras.losses, name)

    def call(y_true, y_pred, reduction="none", **arguments):
        if reduction == "none":
            return function(y_true, y_pred, **arguments)
        return cls(reduction=reduction, dtype=y_pred.dtype.name, **arguments)(y_true, y_pred)

    return call


tf_answer.OPS.update({name: loss(name) for name in LOSSES})

REAL = ([1.5, -2.0, 0.75, 3.0, -0.5, 1.25], [1.0, -1.5, 2.5, -0.25, -0.75, 1.5])
SHARES = ([0.2, 0.3, 0.5, 0.9, 0.05, 0.05], [0.1, 0.6, 0.3, 0.5, 0.25, 0.25])


def cases():
    for name, (_, positive) in LOSSES.items():
        y, p = SHARES if positive else REAL
        dtypes = ("float32",) if name == "log_cosh" else BOTH  # Keras rounds log 2 to float32
        for what, shape in (("a vector", (3,)), ("rows", (2, 3)), ("a cube", (1, 2, 3)), ("no rows", (0, 3))):
            if name == "categorical_hinge" and 0 in shape:
                continue  # Keras fails here
            for dtype in dtypes:
                yield from case(f"{name} of {what}, {dtype}", f"l = {name}(y, p)", dtypes=(dtype,),
                                constants={"y": tensor(y, shape, dtype)}, variables={"p": tensor(p, shape, dtype)},
                                seed=True, cancel=True)  # fmt: skip
        for reduction in ("sum", "mean", "sum_over_batch_size"):
            yield from case(f"{name}, reduction {reduction}", f"l = {name}(y, p, reduction='{reduction}')", dtypes=dtypes,
                            constants={"y": tensor(y, (2, 3), "")}, variables={"p": tensor(p, (2, 3), "")}, cancel=True)  # fmt: skip
        yield from case(f"second order of {name}", f"l = reduce_sum({name}(y, p) ** 2); g = reduce_sum(grad(l, p) * w)",
                        dtypes=dtypes, constants={"y": y[:3], "w": [0.5, -1.25, 2.0]}, variables={"p": p[:3]}, cancel=True)  # fmt: skip
    rows = {"constants": {"y": [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]}, "variables": {"p": [[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]}}
    for name in ("binary_crossentropy", "categorical_crossentropy"):
        for arguments in ("from_logits=True", "label_smoothing=0.2", "from_logits=True, label_smoothing=0.1"):
            yield from case(f"{name}, {arguments}", f"l = {name}(y, p, {arguments})", seed=True, cancel=True, **rows)
    yield from case("huber, delta 0.5", "l = huber(y, p, delta=0.5)", constants={"y": REAL[0]}, variables={"p": REAL[1]}, cancel=True)
    for name in ("hinge", "squared_hinge"):
        yield from case(f"{name} of labels 0 and 1", f"l = {name}(y, p)", constants={"y": [0.0, 1.0, 1.0]}, variables={"p": [0.5, -0.5, 3.0]}, cancel=True)
    edge = {"constants": {"y": [0.0, 1.0, 0.0]}, "variables": {"p": [0.0, 1.0, 0.0]}}
    for name in ("binary_crossentropy", "categorical_crossentropy", "kl_divergence", "poisson", "mean_absolute_error",
                 "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "categorical_hinge", "huber"):  # fmt: skip
        yield from case(f"{name} where both agree, at 0 and 1", f"l = {name}(y, p)", cancel=True, **edge)
    zero = {"constants": {"y": [0.0, 0.0]}, "variables": {"p": [0.0, 0.0]}}
    yield from case("cosine_similarity at 0", "l = cosine_similarity(y, p)", cancel=True, **zero)

"""Keras' losses, called as Keras' functions (no reduction) and as its classes (with one)."""

import keras
import tensorflow as tf

import tf_answer
from table import BOTH, case, tensor, typed

LOSSES = {
    "mean_squared_error": ("MeanSquaredError", False), "mean_absolute_error": ("MeanAbsoluteError", False),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", False),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", False), "huber": ("Huber", False),
    "log_cosh": ("LogCosh", False), "binary_crossentropy": ("BinaryCrossentropy", True),
    "categorical_crossentropy": ("CategoricalCrossentropy", True), "kl_divergence": ("KLDivergence", True),
    "poisson": ("Poisson", True), "hinge": ("Hinge", False), "squared_hinge": ("SquaredHinge", False),
    "categorical_hinge": ("CategoricalHinge", True), "cosine_similarity": ("CosineSimilarity", False),
    "binary_focal_crossentropy": ("BinaryFocalCrossentropy", True), "categorical_focal_crossentropy": ("CategoricalFocalCrossentropy", True),
    "dice": ("Dice", True), "tversky": ("Tversky", True),
}  # fmt: skip


# Their y_true are numbers of classes.
BY_CLASS = {
    "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy", True),
    "categorical_generalized_cross_entropy": ("CategoricalGeneralizedCrossEntropy", True),
}  # fmt: skip


def loss(name):
    cls = getattr(keras.losses, {**LOSSES, **BY_CLASS}[name][0])
    function = getattr(keras.losses, name)

    def call(y_true, y_pred, reduction="none", **arguments):
        if reduction == "none":
            return function(y_true, y_pred, **arguments)
        return cls(reduction=reduction, dtype=y_pred.dtype.name, **arguments)(y_true, y_pred)

    return call


tf_answer.OPS.update({name: loss(name) for name in (*LOSSES, *BY_CLASS)})

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
    yield from focal()
    yield from by_class()


def focal():
    rows = {"constants": {"y": [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]}, "variables": {"p": [[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]}}
    for call in ("binary_focal_crossentropy(y, p, apply_class_balancing=True, alpha=0.3)", "binary_focal_crossentropy(y, p, gamma=1.5, from_logits=True)",
                 "binary_focal_crossentropy(y, p, label_smoothing=0.2)", "categorical_focal_crossentropy(y, p, alpha=0.5, gamma=1.5)",
                 "categorical_focal_crossentropy(y, p, from_logits=True, label_smoothing=0.1)", "dice(y, p, axis=-1)", "dice(y, p, axis=[0, 1])",
                 "tversky(y, p, alpha=0.3, beta=0.7)", "tversky(y, p, axis=0)", "tversky(y, p, 'none', alpha=0.25, beta=1.0, axis=-1)"):  # fmt: skip
        yield from case(call, f"l = {call}", seed=True, cancel=True, **rows)
    edge = {"constants": {"y": [0.0, 1.0, 0.0]}, "variables": {"p": [0.0, 1.0, 0.0]}}
    for name in ("binary_focal_crossentropy", "categorical_focal_crossentropy", "dice", "tversky"):
        yield from case(f"{name} where both agree, at 0 and 1", f"l = {name}(y, p)", cancel=True, **edge)


def by_class():
    p = [[0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]
    for labels, what in ((typed("int32", [2, 0, 1]), "int32"), (typed("int64", [2, 0, 1]), "int64"), (typed("int32", [[2], [0], [1]]), "a column"),
                         ([2.0, 0.0, 1.0], "floats")):  # fmt: skip
        yield from case(f"sparse_categorical_crossentropy of {what}", "l = sparse_categorical_crossentropy(y, p)", constants={"y": labels}, variables={"p": p}, seed=True, cancel=True)
    labels = typed("int32", [2, 0, 1])
    for arguments in ("from_logits=True", "ignore_class=0", "ignore_class=-1", "ignore_class=1, from_logits=True"):
        for reduction in ("none", "sum", "mean"):
            yield from case(f"sparse_categorical_crossentropy, {arguments}, {reduction}", f"l = sparse_categorical_crossentropy(y, p, reduction='{reduction}', {arguments})",
                            constants={"y": typed("int32", [2, -1, 1]) if "-1" in arguments else labels}, variables={"p": p}, cancel=True)  # fmt: skip
    yield from case("sparse_categorical_crossentropy, all ignored", "l = sparse_categorical_crossentropy(y, p, 'mean', ignore_class=2)", constants={"y": typed("int32", [2, 2])},
                    variables={"p": p[:2]})  # fmt: skip
    yield from case("sparse_categorical_crossentropy at 0 and 1", "l = sparse_categorical_crossentropy(y, p)", constants={"y": typed("int32", [0, 1])},
                    variables={"p": [[0.0, 1.0], [0.0, 1.0]]}, cancel=True)  # fmt: skip
    yield from case("sparse_categorical_crossentropy of no rows", "l = sparse_categorical_crossentropy(y, p)", constants={"y": typed("int32", [], [0])},
                    variables={"p": typed("float32", [], [0, 3])}, dtypes=("float32",))  # fmt: skip
    yield from case("second order of sparse_categorical_crossentropy", "l = reduce_sum(sparse_categorical_crossentropy(y, p) ** 2)\ng = reduce_sum(grad(l, p) * w)",
                    constants={"y": labels, "w": [0.5, -1.25, 2.0]}, variables={"p": p}, cancel=True)  # fmt: skip
    for q in (0.5, 0.9):
        yield from case(f"categorical_generalized_cross_entropy, q {q}", f"l = categorical_generalized_cross_entropy(y, p, q={q})", constants={"y": labels}, variables={"p": p},
                        seed=True, cancel=True)  # fmt: skip

"""Optimizers and schedules as Keras serialises them, beside gradd's flat form of the same, one pair a line of
optimizer_forms.json: every class with its presets and with every argument changed, one at a time and all
together. What gradd writes must be what Keras wrote; that Keras reads it, is asserted here.
Usage: optimizer_forms.py >optimizer_forms.json"""

import inspect
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from keras import optimizers

SCHEDULES = {
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 1000, "decay_rate": 0.96, "staircase": True},
    "PiecewiseConstantDecay": {"boundaries": [10, 20.5], "values": [1.0, 0.5, 0.1]},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 100, "end_learning_rate": 0.01, "power": 0.5, "cycle": True},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 2.5, "decay_rate": 0.5, "staircase": True},
    "CosineDecay": {"initial_learning_rate": 0.0, "decay_steps": 1000, "alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 50},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 10, "t_mul": 3.0, "m_mul": 0.9, "alpha": 0.01},
}
REQUIRED = {"PiecewiseConstantDecay": 2, "CosineDecay": 2, "CosineDecayRestarts": 2, "PolynomialDecay": 2}  # else 3
CLASSES = ["SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Adafactor", "Nadam", "Ftrl", "Lion", "Lamb", "Muon", "ScheduleFreeAdamW"]
CLIPS = ["clipnorm", "clipvalue", "global_clipnorm"]


def changed(name, preset):
    """Another value of an argument."""
    special = {
        "learning_rate": 0.0123456, "weight_decay": 0.0625, "clipnorm": 0.7, "clipvalue": 0.3, "global_clipnorm": 1.7,
        "ema_overwrite_frequency": 7, "loss_scale_factor": 1024.0, "gradient_accumulation_steps": 3, "name": "mine",
        "exclude_layers": ["head", "emb.*"], "learning_rate_power": -0.25, "ns_steps": 7, "warmup_steps": 10,
        "rms_rate": None,
    }
    if name in special:
        return special[name]
    if isinstance(preset, bool):
        return not preset
    return 0.6789 * float(preset) + 0.01


def arguments(cls):
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("self", "kwargs")}


def settings_of(cls):
    """No argument, each in turn, all that go together."""
    presets = arguments(cls)
    yield {}
    for name, preset in presets.items():
        yield {name: changed(name, preset)}
    for clip in CLIPS:
        yield {n: changed(n, p) for n, p in presets.items() if n not in CLIPS or n == clip}


def flat(name, kwargs):
    """gradd's form: the class under "name", Keras' name under "instance_name"."""
    out = {"name": name}
    for key, value in kwargs.items():
        out["instance_name" if key == "name" else key] = value
    return out


def checked(kind, flat_form, made):
    keras.backend.clear_session()  # names count up
    made = made()
    serialised = kind.serialize(made)
    # Lamb is missing from Keras' own table of classes.
    known = {"lamb": optimizers.Lamb, "Lamb": optimizers.Lamb}
    again = kind.serialize(kind.deserialize(json.loads(json.dumps(serialised)), custom_objects=known))
    assert serialised == again, (serialised, again)
    return {"flat": flat_form, "keras": serialised}


def schedules():
    for name, full in SCHEDULES.items():
        cls = getattr(optimizers.schedules, name)
        least = dict(list(full.items())[: REQUIRED.get(name, 3)])
        for kwargs in (least, full, {**full, "name": "mine"}):
            yield kwargs, name, lambda kwargs=kwargs, cls=cls: cls(**kwargs)


def wrapped():
    def scaled():
        return optimizers.LossScaleOptimizer(optimizers.Adam(0.5), initial_scale=8.0, dynamic_growth_steps=5, name="mine")

    yield {"name": "LossScaleOptimizer", "initial_scale": 8, "dynamic_growth_steps": 5, "instance_name": "mine",
           "inner_optimizer": {"name": "Adam", "learning_rate": 0.5}}, scaled
    yield {"name": "LossScaleOptimizer", "inner_optimizer": "sgd"}, lambda: optimizers.LossScaleOptimizer(optimizers.SGD())

    def several(factor):
        kinds = optimizers.OptimizerMap(optimizers.Adam(), {"enc.*": optimizers.SGD(momentum=0.5), "dec.*": optimizers.Lion()})
        return optimizers.MultiOptimizer(kinds, loss_scale_factor=factor)

    parts = [{"variables": "enc.*", "optimizer": {"name": "SGD", "momentum": 0.5}}, {"variables": "dec.*", "optimizer": "lion"},
             {"optimizer": "adam"}]
    yield {"name": "MultiOptimizer", "optimizers": parts}, lambda: several(None)
    yield {"name": "MultiOptimizer", "optimizers": parts, "loss_scale_factor": 8.0}, lambda: several(8.0)


def main():
    lines = []
    for name in CLASSES:
        cls = getattr(optimizers, name)
        for kwargs in settings_of(cls):
            lines.append(checked(optimizers, flat(name, kwargs), lambda: cls(**kwargs)))
    for kwargs, name, made in schedules():
        lines.append(checked(optimizers, {"name": "SGD", "learning_rate": flat(name, kwargs)}, lambda: optimizers.SGD(made())))
    for flat_form, made in wrapped():
        lines.append(checked(optimizers, flat_form, made))
    print("[" + ",\n".join(json.dumps(line) for line in lines) + "]")


main()

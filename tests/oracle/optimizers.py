"""Runs Keras' optimizers on given gradients and writes what they make of variables and slots.

optimizers.json has the variables' first values, the gradients, and one case a line: an optimizer as gradd reads
it, and all values after some of the steps, in float32. ScheduleFreeAdamW runs on JAX: on TensorFlow Keras'
`momentum_old` is the variable itself, which by then has changed."""

import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
HERE = pathlib.Path(__file__).resolve().parent
ON_JAX = "ScheduleFreeAdamW"
STEPS = 12
RECORDED = (1, 3, 12)

# What holds for a case: units in the last place, or a relative error. Adafactor's steps are as large as
# the variable and come from means: where they cancel, the error is relative to the largest value on the way.
ULP, REDUCED, ITERATED = {"ulp": 2}, {"rtol": 1e-6}, {"rtol": 1e-4}
CANCELS = {"rtol": 1e-6, "cancels": True}

SCHEDULE = {"name": "ExponentialDecay", "initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7}
COMMON = (
    ({"clipnorm": 0.5}, REDUCED),
    ({"clipvalue": 0.3}, None),
    ({"global_clipnorm": 1.0}, REDUCED),
    ({"weight_decay": 0.05, "exclude_from_weight_decay": ["bias"]}, None),
    ({"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3}, None),
    ({"loss_scale_factor": 128.0}, None),
    ({"gradient_accumulation_steps": 3}, None),
    ({"gradient_accumulation_steps": 2, "use_ema": True, "ema_overwrite_frequency": 2, "clipvalue": 1.5}, None),
    ({"learning_rate": SCHEDULE}, REDUCED),
)
# name, what holds, the learning rate of the common arguments, its own settings
OPTIMIZERS = (
    ("SGD", ULP, 0.1, ({}, {"learning_rate": 0.3}, {"momentum": 0.9}, {"momentum": 0.5, "nesterov": True})),
    ("RMSprop", ULP, 0.01, ({}, {"rho": 0.5}, {"momentum": 0.7}, {"centered": True}, {"rho": 0.8, "momentum": 0.3, "centered": True, "epsilon": 0.01})),
    ("Adam", REDUCED, 0.05, ({}, {"beta_1": 0.5}, {"beta_1": 0.0, "beta_2": 0.9, "epsilon": 0.1}, {"amsgrad": True})),
    ("AdamW", REDUCED, 0.05, ({}, {"weight_decay": 0.2, "learning_rate": 0.1}, {"beta_2": 0.9, "amsgrad": True})),
    ("Adadelta", ULP, 1.0, ({}, {"learning_rate": 1.0}, {"rho": 0.5, "epsilon": 0.01})),
    ("Adagrad", ULP, 0.1, ({}, {"initial_accumulator_value": 0.0}, {"initial_accumulator_value": 2.0, "epsilon": 0.1})),
    ("Adamax", REDUCED, 0.05, ({}, {"beta_1": 0.5}, {"beta_2": 0.5, "epsilon": 0.01})),
    ("Adafactor", CANCELS, 0.5, ({}, {"relative_step": False, "learning_rate": 0.2}, {"beta_2_decay": -0.4, "clip_threshold": 0.3}, {"epsilon_1": 0.01, "epsilon_2": 0.5})),
    ("Nadam", REDUCED, 0.05, ({}, {"beta_1": 0.5}, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 0.01})),
    ("Ftrl", REDUCED, 0.1, ({}, {"learning_rate_power": -0.8}, {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2}, {"l2_shrinkage_regularization_strength": 0.05, "beta": 0.3, "initial_accumulator_value": 0.5})),
    ("Lion", ULP, 0.01, ({}, {"beta_1": 0.5}, {"beta_1": 0.95, "beta_2": 0.5})),
    ("Lamb", REDUCED, 0.05, ({}, {"beta_1": 0.5}, {"beta_2": 0.9, "epsilon": 0.01})),
    ("Muon", ITERATED, 0.05, ({}, {"nesterov": False}, {"ns_steps": 2, "momentum": 0.5}, {"rms_rate": None, "weight_decay": None}, {"exclude_embeddings": False, "adam_weight_decay": 0.1}, {"exclude_layers": ["^ker"], "adam_lr_ratio": 0.3, "adam_beta_2": 0.9}, {"muon_a": 3.0, "muon_b": -3.5, "muon_c": 1.5})),
    (ON_JAX, REDUCED, 0.05, ({}, {"beta_1": 0.5}, {"warmup_steps": 5}, {"beta_2": 0.9, "epsilon": 0.01, "warmup_steps": 20})),
)
# Around others: the optimizer, and what holds.
WRAPPERS = (
    ({"name": "LossScaleOptimizer", "inner_optimizer": {"name": "SGD", "learning_rate": 0.1}, "initial_scale": 64.0, "dynamic_growth_steps": 3}, ULP),
    ({"name": "LossScaleOptimizer", "inner_optimizer": {"name": "SGD", "momentum": 0.9, "nesterov": True}}, ULP),
    ({"name": "LossScaleOptimizer", "inner_optimizer": {"name": "Adam", "learning_rate": 0.05}, "initial_scale": 2.0, "dynamic_growth_steps": 1}, REDUCED),
    ({"name": "LossScaleOptimizer", "inner_optimizer": {"name": "Nadam", "learning_rate": 0.05, "clipnorm": 1.0}, "initial_scale": 8.0, "dynamic_growth_steps": 2}, REDUCED),
    ({"name": "LossScaleOptimizer", "inner_optimizer": {"name": "Lion", "learning_rate": 0.01, "use_ema": True, "ema_overwrite_frequency": 2}, "initial_scale": 8.0, "dynamic_growth_steps": 2}, ULP),
    ({"name": "LossScaleOptimizer", "inner_optimizer": {"name": "SGD", "learning_rate": 0.1, "gradient_accumulation_steps": 2}, "initial_scale": 16.0, "dynamic_growth_steps": 4}, ULP),
)
SGD, ADAM, LION, EMA = ({"name": "SGD", "learning_rate": 0.1, "momentum": 0.9}, {"name": "Adam", "learning_rate": 0.05}, {"name": "Lion", "learning_rate": 0.01, "weight_decay": 0.1}, {"name": "SGD", "learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4})
MULTI = (  # patterns and optimizers, the default, loss_scale_factor
    ({}, ADAM, None),
    ({"kernel": SGD}, ADAM, None),
    ({".*e": SGD, "b.*": LION}, ADAM, None),
    ({"scale": LION, "s.*": ADAM, "[kb].*": EMA}, SGD, None),
    ({"kern": ADAM, "kernel|bias": {"name": "Nadam"}}, SGD, 32.0),
    ({"kernel": {"name": "Muon", "learning_rate": 0.05}, "bias": {"name": "SGD", "gradient_accumulation_steps": 2}}, EMA, 4.0),
)
PLAIN = ("scale", "kernel", "bias")
MORE = ("scale", "kernel", "bias", "embedding_table", "stack")
SHAPES = {"scale": (), "kernel": (3, 2), "bias": (4,), "embedding_table": (2, 3), "stack": (2, 2, 3)}


def inputs():
    """The variables' values and the gradients, by steps: some missing, some zero, one large, one not finite."""
    import numpy as np

    random = np.random.RandomState(20)
    draw = lambda shape, size: np.round(random.normal(0, size, shape), 3)
    values = {name: draw(shape, 1).tolist() for name, shape in SHAPES.items()}
    steps = [{name: draw(shape, 1.5) for name, shape in SHAPES.items()} for _ in range(STEPS)]
    steps[6]["kernel"] *= 0
    steps[7]["bias"][1:3] = 0
    steps[8]["stack"] *= 0
    steps[8]["scale"] *= 0
    steps[9]["kernel"] *= 1000
    steps[9]["scale"] *= 1000
    for step in steps:
        for name in step:
            step[name] = step[name].tolist()
    whole = json.loads(json.dumps(steps))
    for step, name in ((1, "bias"), (3, "scale"), (5, "kernel"), (5, "embedding_table"), (10, "stack"), (11, "scale")):
        steps[step][name] = None
    burst = json.loads(json.dumps(steps))
    burst[3]["kernel"][1][0] = "Infinity"
    burst[7]["bias"][0] = "NaN"
    burst[8]["scale"] = "-Infinity"
    return values, {"some": steps, "all": whole, "burst": burst}


def cases():
    """(optimizer, variables, gradients, what holds), the optimizer as gradd reads it."""
    for name, holds, rate, own in OPTIMIZERS:
        variables = MORE if name in ("Adafactor", "Muon") else PLAIN
        for settings in own:
            yield {"name": name, **settings}, variables, "some", holds
        for settings, at_least in COMMON:
            weaker = at_least if at_least and holds is ULP else holds
            # On JAX an accumulator outlives an update in which its gradient is missing, on TensorFlow it does not.
            missing = name != ON_JAX or "gradient_accumulation_steps" not in settings
            yield {"name": name, "learning_rate": rate, **settings}, variables, "some" if missing else "all", weaker
    for optimizer, holds in WRAPPERS:
        yield optimizer, PLAIN, "burst", holds
    for parts, default, scale in MULTI:
        optimizer = {"name": "MultiOptimizer", "optimizers": [{"variables": p, "optimizer": o} for p, o in parts.items()] + [{"optimizer": default}]}
        if scale:
            optimizer["loss_scale_factor"] = scale
        yield optimizer, PLAIN, "all", ITERATED if "Muon" in json.dumps(parts) else REDUCED


def build(optimizer):
    import keras

    settings = dict(optimizer)
    cls = getattr(keras.optimizers, settings.pop("name"))
    rate = settings.get("learning_rate")
    excluded = settings.pop("exclude_from_weight_decay", None)
    if isinstance(rate, dict):
        arguments = dict(rate)
        settings["learning_rate"] = getattr(keras.optimizers.schedules, arguments.pop("name"))(**arguments)
    if "inner_optimizer" in settings:
        settings["inner_optimizer"] = build(settings["inner_optimizer"])
    if "optimizers" in settings:
        *parts, default = settings.pop("optimizers")
        settings["optimizer_map"] = keras.optimizers.OptimizerMap(build(default["optimizer"]), {p["variables"]: build(p["optimizer"]) for p in parts})
    made = cls(**settings)
    if excluded:
        made.exclude_from_weight_decay(var_names=excluded)
    return made


def plain(x):
    """float32 in the shortest digits that read back."""
    import numpy as np

    x = np.asarray(x)
    if x.dtype.kind == "i":
        return x.tolist()
    assert x.dtype == np.float32, x.dtype
    flat = [float(str(v)) if np.isfinite(v) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(v)] for v in x.reshape(-1)]
    return np.array(flat, dtype=object).reshape(x.shape).tolist()


def slots_of(optimizer, part, names):
    """{slot: value} of one optimizer, keyed "part/variable/slot" or "part//slot"."""
    found = {}
    adafactor = type(optimizer).__name__ == "Adafactor"
    for v in optimizer._variables:
        owner = next((n for n in sorted(names, key=len, reverse=True) if v.name.startswith(n + "_")), "")
        slot = v.name[len(owner) + 1 :] if owner else v.name
        if slot in ("learning_rate",) or (adafactor and v.name in names):
            continue
        found[f"{part}/{owner}/{slot}"] = plain(v)
    if hasattr(optimizer, "_u_product"):
        found = {k: v for k, v in found.items() if not k.startswith(f"{part}//variable")}
        found[f"{part}//u_product"] = plain(optimizer._u_product)
    if adafactor:
        for i, v in enumerate(optimizer._trainable_variables):
            if len(v.shape) >= 2:
                found[f"{part}/{v.name}/r"], found[f"{part}/{v.name}/c"] = plain(optimizer._r[i]), plain(optimizer._c[i])
    return found


def state(optimizer, names):
    found = slots_of(optimizer, 0, names)
    parts = getattr(optimizer, "optimizers", None) or [optimizer.inner_optimizer] if hasattr(optimizer, "inner_optimizer") else getattr(optimizer, "optimizers", [])
    for i, part in enumerate(parts):
        if part.built:
            found.update(slots_of(part, i + 1, names))
    return found


def answer(optimizer, names, values, gradients):
    import keras
    import numpy as np

    made = build(optimizer)
    variables = [keras.Variable(np.array(values[n], np.float32), name=n) for n in names]
    made.build(variables)
    read = lambda g: None if g is None else keras.ops.convert_to_tensor(np.array(g, dtype=object).astype(np.float32))
    after = {}
    for step, by_name in enumerate(gradients, 1):
        given = [(read(by_name[n]), v) for n, v in zip(names, variables)]
        made.apply([g for g, _ in given], [v for _, v in given])
        if step in RECORDED:
            after[step] = {"variables": {n: plain(v) for n, v in zip(names, variables)}, "slots": state(made, names)}
    return after


def lines(jax):
    import warnings

    warnings.filterwarnings("ignore", "Gradients do not exist")
    values, gradients = inputs()
    for optimizer, names, kind, holds in cases():
        if (optimizer["name"] == ON_JAX) == jax:
            after = answer(optimizer, names, values, gradients[kind])
            yield json.dumps({"optimizer": optimizer, "variables": names, "gradients": kind, **holds, "after": after})


def make():
    done = []
    for jax in (False, True):
        backend = "jax" if jax else "tensorflow"
        run = subprocess.run([sys.executable, "-B", __file__, "lines", backend], env={**os.environ, "KERAS_BACKEND": backend}, stdout=subprocess.PIPE, check=True, text=True)
        done += run.stdout.splitlines()
    values, gradients = inputs()
    head = json.dumps({"values": values, "gradients": gradients})
    text = f'{head[:-1]}, "cases": [\n' + ",\n".join(done) + "\n]}\n"
    (HERE / "optimizers.json").write_text(text, encoding="utf-8")
    print(f"optimizers.json: {len(done)} cases")
    return len(done)


if __name__ == "__main__":
    if sys.argv[1:2] == ["lines"]:
        for line in lines(sys.argv[2] == "jax"):
            print(line)
    else:
        make()

"""The peers of tests/bench/training: JAX and TensorFlow do the same runs, in this process. Prints a line a run,
its name and the median of its seconds; fails on a wrong answer, never on a time."""

import base64
import json
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
PIXELS = "0123456789abcdefg"


def measure(name, run, check, repeats):
    check(run())
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        answer = run()
        times.append(time.perf_counter() - begun)
        check(answer)
    print(f"{name} {statistics.median(times):.9f}", flush=True)


# ---- 100 steps of gradient descent on 3x^2 + 2x - 1


def expect_minimum(x):
    if abs(float(x) + 1 / 3) > 1e-6:
        sys.exit(f"the minimum is at -1/3, found {x}")


def bowl_jax():
    slope = jax.grad(lambda x: 3 * x**2 + 2 * x - 1)
    loop = jax.jit(lambda x, rate: jax.lax.fori_loop(0, 100, lambda _, x: x - rate * slope(x), x))
    x, rate = jnp.float32(0), jnp.float32(0.1)
    measure("bowl_jax", lambda: loop(x, rate).block_until_ready(), expect_minimum, 2001)


def bowl_jax_numbers():
    """What a request is answered with: from Python's numbers to Python's, the losses on the way too."""

    def step(x, rate):
        loss, slope = jax.value_and_grad(lambda x: 3 * x**2 + 2 * x - 1)(x)
        return x - rate * slope, loss

    loop = jax.jit(lambda x, rate: jax.lax.scan(lambda x, _: step(x, rate), x, None, length=100))

    def run():
        x, losses = loop(0.0, 0.1)
        return float(x), np.asarray(losses).tolist()

    measure("bowl_jax_numbers", run, lambda answer: expect_minimum(answer[0]), 2001)


def bowl_tensorflow():
    def run():
        x, sgd = tf.Variable(0.0), keras.optimizers.SGD(0.1)
        for _ in range(100):
            with tf.GradientTape() as tape:
                y = 3 * x**2 + 2 * x - 1
            sgd.apply_gradients([(tape.gradient(y, x), x)])
        return x.numpy()

    measure("bowl_tensorflow", run, expect_minimum, 5)


# ---- one epoch of the digits


def digits():
    lines = (DATA / "digits.txt").read_text(encoding="ascii").splitlines()
    x = np.array([[PIXELS.index(c) / 16 for c in line[:64]] for line in lines], np.float32)
    return x, np.array([int(line[65:]) for line in lines], np.int32)


def tensor(v):
    return np.frombuffer(base64.b64decode(v["base64"]), v["dtype"]).reshape(v["shape"])


def expect_losses(wanted):
    def check(losses):
        if not np.allclose(losses, wanted, rtol=1e-3):
            sys.exit("the losses are others than Keras'")

    return check


def epoch_jax(x, y, known):
    """Adam as Keras has it; the last batch is shorter than the others, as in Keras' fit."""
    n, size, rate = len(x), known["batch_size"], known["learning_rate"]
    whole = n // size
    batches = jnp.array(x[: whole * size].reshape(whole, size, -1)), jnp.array(y[: whole * size].reshape(whole, size))
    rest = jnp.array(x[whole * size :]), jnp.array(y[whole * size :])

    def loss_of(w, x, y):
        logits = jax.nn.relu(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"]
        return -jax.nn.log_softmax(logits)[jnp.arange(len(y)), y].mean()

    def step(state, batch):
        w, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(w, *batch)
        t = t + 1
        alpha = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        m = jax.tree.map(lambda m, g: m + (g - m) * (1 - 0.9), m, g)
        v = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - 0.999), v, g)
        w = jax.tree.map(lambda w, m, v: w - alpha * m / (jnp.sqrt(v) + 1e-7), w, m, v)
        return (w, m, v, t), loss

    @jax.jit
    def epoch(state, batches, rest):
        state, losses = jax.lax.scan(step, state, batches)
        state, last = step(state, rest)
        return state, jnp.append(losses, last)

    w = {k: jnp.array(tensor(v)) for k, v in known["initial"].items()}
    zeros = jax.tree.map(jnp.zeros_like, w)
    state = (w, zeros, zeros, jnp.float32(0))
    run = lambda: jax.block_until_ready(epoch(state, batches, rest))[1]  # noqa: E731
    measure("epoch_jax", run, expect_losses(tensor(known["losses"])[: whole + 1]), 51)


def epoch_keras(x, y, known):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(known["learning_rate"]), loss)
    initial = [tensor(v) for v in known["initial"].values()]
    steps = -(-len(x) // known["batch_size"])
    weights = np.minimum(known["batch_size"], len(x) - known["batch_size"] * np.arange(steps))
    mean = np.average(tensor(known["losses"])[:steps], weights=weights)

    def run():
        return model.fit(x, y, known["batch_size"], 1, shuffle=False, verbose=0).history["loss"][0]

    def first(loss):
        if abs(loss - mean) > 1e-3 * mean:
            sys.exit(f"the mean loss of the first epoch is {mean}, found {loss}")

    model.set_weights(initial)
    first(run())
    measure("epoch_keras", run, lambda loss: None, 5)


if __name__ == "__main__":
    bowl_jax()
    bowl_jax_numbers()
    bowl_tensorflow()
    record = json.loads((DATA / "digits_keras.json").read_text(encoding="utf-8"))
    epoch_jax(*digits(), record)
    epoch_keras(*digits(), record)

"""What others learn from the data that gradd's tests learn from: scikit-learn the coefficients of a logistic
regression on Fisher's irises, Keras the weights of a small net on scikit-learn's digits. Writes
tests/data/iris_scikit.json, digits.txt and digits_keras.json."""

import base64
import json
import os
import pathlib

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
PIXELS = "0123456789abcdefg"  # 0 to 16
EPOCHS, BATCH, HIDDEN, RATE = 5, 32, 32, 0.001


def iris():
    """scikit-learn penalizes C times the sum of the losses, gradd's request their mean."""
    from sklearn.linear_model import LogisticRegression

    request = json.loads((DATA / "iris_logistic.json").read_text(encoding="utf-8"))["constants"]
    x, y = np.array(request["x"]), np.array(request["species"]["data"])
    c = 1 / (request["lambda_"] * len(x))
    fit = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(x, y)
    coefficients = {"w": fit.coef_.T.tolist(), "b": fit.intercept_.tolist()}
    (DATA / "iris_scikit.json").write_text(json.dumps(coefficients) + "\n", encoding="utf-8")
    return 1


def write_digits():
    """One digit a line: 64 pixels, and what it is."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    lines = ["".join(PIXELS[int(v)] for v in x) + f" {y}" for x, y in zip(digits.data, digits.target)]
    (DATA / "digits.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def read_digits():
    lines = (DATA / "digits.txt").read_text(encoding="ascii").splitlines()
    x = np.array([[PIXELS.index(c) / 16 for c in line[:64]] for line in lines], np.float32)
    return x, np.array([int(line[65:]) for line in lines], np.int32)


def initial():
    """Glorot's uniform weights, of a generator that NumPy keeps as it is."""
    random = np.random.Generator(np.random.Philox(7))

    def weights(n, m):
        limit = np.sqrt(6 / (n + m))
        return random.uniform(-limit, limit, (n, m)).astype(np.float32)

    zeros = lambda n: np.zeros(n, np.float32)  # noqa: E731
    return {"w1": weights(64, HIDDEN), "b1": zeros(HIDDEN), "w2": weights(HIDDEN, 10), "b2": zeros(10)}


def net(values):
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(HIDDEN, "relu"), keras.layers.Dense(10)])
    model.set_weights(list(values.values()))
    model.compile(keras.optimizers.Adam(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def losses_of(model, x, y):
    """The loss of each batch before its step. The weights come out as fit's do."""
    import tensorflow as tf

    losses = []
    for _ in range(EPOCHS):
        for i in range(0, len(x), BATCH):
            with tf.GradientTape() as tape:
                loss = model.loss(y[i : i + BATCH], model(x[i : i + BATCH], training=True))
            gradient = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradient, model.trainable_variables))
            losses.append(loss.numpy())
    return np.array(losses)


def tensor(a):
    data = base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()
    return {"dtype": a.dtype.name, "shape": list(a.shape), "base64": data}


def digits():
    write_digits()
    x, y = read_digits()
    values = initial()
    names = list(values)
    model, fitted = net(values), net(values)
    losses = losses_of(model, x, y)
    fitted.fit(x, y, BATCH, EPOCHS, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), fitted.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    right = int((model.predict(x, verbose=0).argmax(1) == y).sum())
    record = {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "learning_rate": RATE,
        "initial": {k: tensor(v) for k, v in values.items()},
        "losses": tensor(losses),
        "final": {k: tensor(v) for k, v in zip(names, model.get_weights())},
        "right": right,
    }
    text = json.dumps(record).replace(', "', ',\n"')
    (DATA / "digits_keras.json").write_text(text + "\n", encoding="utf-8")
    return 1


def make():
    return iris() + digits()

"""The first request answered by TensorFlow, for uvicorn: http_jax.py with a GradientTape in place of JAX."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import orjson  # noqa: E402
import tensorflow as tf  # noqa: E402

SCALAR = tf.TensorSpec((), tf.float32)
HEADERS = [(b"content-type", b"application/json")]


@tf.function(input_signature=[SCALAR, SCALAR])
def gradient(x1, x2):
    with tf.GradientTape() as tape:
        tape.watch([x1, x2])
        z = (x1 + 5) * x2**2
    return z, tape.gradient(z, [x1, x2])


COMPILED = gradient.get_concrete_function()


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    variables = orjson.loads(body)["variables"]
    value, (x1, x2) = COMPILED(tf.constant(variables["x1"], tf.float32), tf.constant(variables["x2"], tf.float32))
    answer = {"value": float(value), "gradient": {"x1": float(x1), "x2": float(x2)}}
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": orjson.dumps(answer)})

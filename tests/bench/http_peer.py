"""The first request answered by JAX or by TensorFlow, for uvicorn: the peers of tests/bench/http. The one graph is
compiled ahead, the body is read and written by orjson, and nothing else is done. What is written in the request's graph
is not looked at.

    uvicorn --app-dir tests/bench --workers 2 --no-access-log --factory http_peer:jax"""

import os

import orjson

HEADERS = [(b"content-type", b"application/json")]


def serve(gradient):
    """An application around what gives the value and both derivatives at two numbers."""

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
        value, (x1, x2) = gradient(variables["x1"], variables["x2"])
        answer = {"value": float(value), "gradient": {"x1": float(x1), "x2": float(x2)}}
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})

    return app


def jax():
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax
    import numpy as np

    scalar = jax.ShapeDtypeStruct((), np.float32)
    gradient = jax.value_and_grad(lambda x1, x2: (x1 + 5) * x2**2, argnums=(0, 1))
    compiled = jax.jit(gradient).lower(scalar, scalar).compile()
    return serve(lambda x1, x2: compiled(np.float32(x1), np.float32(x2)))


def tensorflow():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    scalar = tf.TensorSpec((), tf.float32)

    @tf.function(input_signature=[scalar, scalar])
    def gradient(x1, x2):
        with tf.GradientTape() as tape:
            tape.watch([x1, x2])
            z = (x1 + 5) * x2**2
        return z, tape.gradient(z, [x1, x2])

    compiled = gradient.get_concrete_function()
    return serve(lambda x1, x2: compiled(tf.constant(x1, tf.float32), tf.constant(x2, tf.float32)))

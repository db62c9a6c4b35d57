"""The first request answered by JAX, for uvicorn: the peer of tests/bench/http. Its one graph is compiled ahead, its
body is read and written by orjson, and nothing else is done. What is written in the request's graph is not looked at.

    uvicorn --app-dir tests/bench --workers 2 --no-access-log http_jax:app"""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax  # noqa: E402
import numpy as np  # noqa: E402
import orjson  # noqa: E402

SCALAR = jax.ShapeDtypeStruct((), np.float32)
GRADIENT = jax.jit(jax.value_and_grad(lambda x1, x2: (x1 + 5) * x2**2, argnums=(0, 1))).lower(SCALAR, SCALAR).compile()
HEADERS = [(b"content-type", b"application/json")]


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
    value, (x1, x2) = GRADIENT(np.float32(variables["x1"]), np.float32(variables["x2"]))
    answer = {"value": float(value), "gradient": {"x1": float(x1), "x2": float(x2)}}
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": orjson.dumps(answer)})

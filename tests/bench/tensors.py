"""The peer of tests/bench/tensors: JAX computes the same of the same numbers, compiled ahead.
Reads gradd's lines from standard input and compares; prints a line a graph, its name and the median of its seconds.
The processors that the process may use are the threads that JAX takes. Fails on a wrong answer, never on a time."""

import os
import statistics
import sys
import time

if len(os.sched_getaffinity(0)) == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

STATE = 1


def fill(dtype, shape):
    """What tensors.c draws."""
    global STATE
    out = np.empty(int(np.prod(shape)), dtype)
    for i in range(out.size):
        STATE = (STATE * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = (STATE >> 11) * 2.0**-52 - 1
    return out.reshape(shape)


def chain(x, w):
    return jnp.sum(jnp.tanh(x * w + jnp.sin(x)) ** 2 / (1 + jnp.exp(-w)))


def logistic(w, a, s):
    return jnp.mean(jnp.log1p(jnp.exp(-jnp.sign(s) * (a @ w))))


def network(v, b, w, c, a, y):
    return jnp.mean((jax.nn.relu(a @ v + b) @ w + c - y) ** 2)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def first_request(x1, x2):
    return (x1 + 5) * x2**2


# ---- what is asked of them: each makes a function of the inputs, with a list of results


def gradients(function, sources):
    both = jax.value_and_grad(function, argnums=tuple(range(sources)))

    def run(*inputs):
        value, slopes = both(*inputs)
        return [value, *slopes]

    return run


def step(function, sources):
    both = gradients(function, sources)

    def run(*inputs):
        value, *slopes = both(*inputs)
        return [value] + [x - 0.1 * g for x, g in zip(inputs, slopes)]

    return run


def hessian(function, sources):
    return lambda x: [jax.hessian(function)(x)]


def batch(function, sources):
    return jax.vmap(gradients(function, sources))


F32, F64 = np.float32, np.float64
GRAPHS = {
    "chain": (chain, gradients, 2, F32, [(1000000,), (1000000,)]),
    "logistic": (logistic, gradients, 1, F32, [(100, 1), (10000, 100), (10000, 1)]),
    "network": (network, step, 4, F32, [(784, 128), (128,), (128, 10), (10,), (128, 784), (128, 10)]),
    "rosenbrock_100": (rosenbrock, hessian, 1, F64, [(100,)]),
    "rosenbrock_1000": (rosenbrock, hessian, 1, F64, [(1000,)]),
    "batch": (first_request, batch, 2, F32, [(100000,), (100000,)]),
}
SAMPLES = 15


def seen(results):
    """Of each result the first element and the sum of all squares."""
    flat = [np.asarray(y, np.float64).ravel() for y in results]
    return np.ravel([(y[0], y @ y) for y in flat])


gradd = {name: np.array(numbers[1:], float) for name, *numbers in (line.split() for line in sys.stdin)}
for name, (function, asked, sources, dtype, shapes) in GRAPHS.items():
    STATE = 1
    inputs = [jnp.array(fill(dtype, shape)) for shape in shapes]
    compiled = jax.jit(asked(function, sources)).lower(*inputs).compile()
    times = []
    for _ in range(SAMPLES + 2):
        begun = time.perf_counter()
        results = jax.block_until_ready(compiled(*inputs))
        times.append(time.perf_counter() - begun)
    known = seen(results)
    rtol = 1e-4 if dtype == F32 else 1e-12
    for ours in (gradd[name], gradd[name + "_2"]):
        if ours.shape != known.shape or not np.allclose(ours, known, rtol=rtol, atol=rtol * 1e-3):
            sys.exit(f"{name}: gradd has {ours}, JAX {known}")
    print(f"{name} {statistics.median(times[2:]):.9f}", flush=True)

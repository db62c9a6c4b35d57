"""The peer of tests/bench/tensors: JAX computes the same values and gradients of the same numbers, compiled ahead.
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
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

STATE = 1


def fill(*shape):
    """What tensors.c draws."""
    global STATE
    out = np.empty(int(np.prod(shape)), np.float32)
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


GRAPHS = {
    "chain": (chain, 2, [(1000000,), (1000000,)]),
    "logistic": (logistic, 1, [(100, 1), (10000, 100), (10000, 1)]),
    "network": (network, 4, [(784, 128), (128,), (128, 10), (10,), (128, 784), (128, 10)]),
}
SAMPLES = 15

gradd = {name: numbers for name, *numbers in (line.split() for line in sys.stdin)}
for name, (function, sources, shapes) in GRAPHS.items():
    STATE = 1
    inputs = [jnp.array(fill(*shape)) for shape in shapes]
    compiled = jax.jit(jax.value_and_grad(function, argnums=tuple(range(sources))))
    times = []
    for _ in range(SAMPLES + 2):
        begun = time.perf_counter()
        value, slopes = jax.block_until_ready(compiled(*inputs))
        times.append(time.perf_counter() - begun)
    for ours in (gradd[name], gradd[name + "_2"]):
        if not np.allclose([float(x) for x in ours[1:]], [value, slopes[0].ravel()[0]], rtol=1e-4, atol=1e-7):
            sys.exit(f"{name}: gradd has {ours[1:]}, JAX {value} and {slopes[0].ravel()[0]}")
    print(f"{name} {statistics.median(times[2:]):.9f}")

"""The peer of tests/bench/sparse: CasADi's sparse Hessian of the same numbers, by its own virtual machine.
Reads gradd's lines from standard input and compares; prints a line a graph, its name and the median of its seconds.
Fails on a wrong answer, never on a time."""

import statistics
import sys
import time

import casadi
import numpy as np

SAMPLES, REPEATS = 15, 20


def draw(n):
    """What tensors.c draws."""
    state, out = 1, np.empty(n)
    for i in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = (state >> 11) * 2.0**-52 - 1
    return out


def bench(name, ours):
    n = int(name.split("_")[1])
    x = casadi.SX.sym("x", n)
    y = casadi.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    f = casadi.Function("f", [x], [casadi.hessian(y, x)[0]])
    at, values = draw(n), np.empty(f.nnz_out(0))
    buffer, run = f.buffer()
    buffer.set_arg(0, memoryview(at))
    buffer.set_res(0, memoryview(values))
    times = []
    for _ in range(SAMPLES + 2):
        begun = time.perf_counter()
        for _ in range(REPEATS):
            run()
        times.append((time.perf_counter() - begun) / REPEATS)
    known = [values[0], values @ values]
    if not np.allclose(ours, known, rtol=1e-12, atol=0):
        sys.exit(f"{name}: gradd has {ours}, CasADi {known}")
    print(f"{name} {statistics.median(times[2:]):.9f}", flush=True)


for line in sys.stdin:
    name, _, *numbers = line.split()
    if not name.endswith("_2"):
        bench(name, np.array(numbers, float))

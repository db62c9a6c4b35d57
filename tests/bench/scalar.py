"""CasADi's side of the scalar bench: the graphs that bench_scalar wrote, as SX functions that CasADi's own virtual
machine runs. Prints a line a measurement: its name, the operations of the graph, and nanoseconds an operation.
Compiling is what turns an expression into a function with its gradient; writing the expression in Python is not
counted. Fails where CasADi's answer is another than gradd's, never on a time."""

import statistics
import sys
import time

import casadi
import numpy as np

SAMPLES, SAMPLE_SECONDS = 7, 0.03


def expression(lines):
    n_ops, n_inputs = map(int, next(lines).split())
    at = np.array([float.fromhex(x) for x in next(lines).split()])
    x = casadi.SX.sym("x", n_inputs)
    v = [x[i] for i in range(n_inputs)]
    apply = [
        lambda a, b: v[a] + v[b],
        lambda a, b: v[a] - v[b],
        lambda a, b: v[a] * v[b],
        lambda a, b: v[a] / v[b],
        lambda a, b: casadi.sin(v[a]),
        lambda a, b: casadi.tanh(v[a]),
    ]
    for _ in range(n_ops):
        kind, a, b = map(int, next(lines).split())
        v.append(apply[kind](a, b))
    answer = np.array([float.fromhex(y) for y in next(lines).split()])
    return n_ops, at, x, v[-1], answer


def timed(name, n_ops, work):
    """The median of samples of about the same length, as bench_scalar takes it."""
    work()
    begun = time.process_time()
    work()
    repeats = 1 + int(SAMPLE_SECONDS / (time.process_time() - begun + 1e-9))
    samples = []
    for _ in range(SAMPLES):
        begun = time.process_time()
        for _ in range(repeats):
            work()
        samples.append((time.process_time() - begun) / repeats / n_ops)
    print(f"{name} {n_ops} {1e9 * statistics.median(samples):.2f}", flush=True)


def bench(lines):
    n_ops, at, x, y, answer = expression(lines)

    def compiled():
        return casadi.Function("f", [x], [y, casadi.gradient(y, x)])

    f = compiled()
    value, gradient = np.empty(1), np.empty(at.size)
    buffer, run = f.buffer()
    buffer.set_arg(0, memoryview(at))
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(gradient))
    timed("run_casadi", n_ops, run)
    found = np.concatenate([value, gradient])
    if not np.allclose(found, answer, rtol=1e-10, atol=0):
        sys.exit(f"{n_ops} operations: CasADi and gradd disagree by {np.max(np.abs(found / answer - 1)):.1e}")
    timed("compile_casadi", n_ops, compiled)


with open(sys.argv[1], encoding="ascii") as graphs:
    for _ in range(3):
        bench(graphs)

"""Learning rates of Keras' schedules at 20 steps each, with their edges: schedules.jsonl, in the form that
README.md describes. Usage: schedules.py >schedules.jsonl"""

import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import numpy as np
import tensorflow as tf
from keras.optimizers import schedules

EXACT, ROUNDED = 2.4e-7, 1e-6  # two units in the last place of float32; where pow or cos enter


def around(*edges, end=()):
    """The first steps, each edge with its neighbours, and what is asked for besides; 20 of them, or more."""
    steps = {0, 1, 2, 3, *end}
    for edge in edges:
        steps |= {max(edge - 1, 0), edge, edge + 1}
    more = iter(range(4, 10000, 7))
    while len(steps) < 20:
        steps.add(next(more))
    return sorted(steps)


def restarts(first, t_mul):
    """Where the first restarts are, as far as they are whole steps."""
    edges, length = [first], first
    while len(edges) < 5:
        length *= t_mul
        edges.append(edges[-1] + length)
    return [int(e) for e in edges if e == int(e)]


CASES = []


def case(name, steps, rtol=ROUNDED, **arguments):
    CASES.append((name, steps, rtol, arguments))


for staircase in (False, True):
    for decay_steps, rate in ((10, 0.5), (100000, 0.96), (7.5, 1.5), (1, 0.9)):
        whole = int(decay_steps)
        steps = around(whole, 2 * whole, 5 * whole, end=(20 * whole,))
        case("ExponentialDecay", steps, initial_learning_rate=0.1, decay_steps=decay_steps, decay_rate=rate, staircase=staircase)
        case("InverseTimeDecay", steps, EXACT, initial_learning_rate=0.1, decay_steps=decay_steps, decay_rate=rate, staircase=staircase)
for boundaries, values in (
    ([5], [1.0, 0.1]),
    ([10, 20, 30], [1.0, 0.5, 0.1, 0.01]),
    ([2.7, 8.2], [0.3, 0.2, 0.1]),
    ([20, 10, 30], [1.0, 0.5, 0.25, 0.125]),
    ([0, 1, 1, 2], [5.0, 4.0, 3.0, 2.0, 1.0]),
):
    case("PiecewiseConstantDecay", around(*(int(b) for b in boundaries[:4]), end=(1000,)), EXACT, boundaries=boundaries, values=values)
for cycle in (False, True):
    for decay_steps in (10, 1000, 7.5):
        for power, end in ((1.0, 0.0001), (0.5, 0.01), (2.0, 0.0), (3.5, 0.2)):
            whole = int(decay_steps)
            case("PolynomialDecay", around(whole, 2 * whole, 3 * whole, end=(20 * whole,)), EXACT if power == 1 else ROUNDED,
                 initial_learning_rate=0.1, decay_steps=decay_steps, end_learning_rate=end, power=power, cycle=cycle)
for alpha in (0.0, 0.1):
    for decay_steps in (10, 1000):
        steps = around(decay_steps, decay_steps // 2, end=(5 * decay_steps,))
        case("CosineDecay", steps, initial_learning_rate=0.1, decay_steps=decay_steps, alpha=alpha)
        case("CosineDecay", steps, initial_learning_rate=0.1, decay_steps=decay_steps, alpha=alpha, warmup_steps=5)
        for initial, target, warmup in ((0.0, 0.2, 5), (0.1, 0.05, 100), (0.01, 0.1, 0)):
            case("CosineDecay", around(warmup, warmup + decay_steps, end=(5 * decay_steps,)), initial_learning_rate=initial,
                 decay_steps=decay_steps, alpha=alpha, warmup_target=target, warmup_steps=warmup)
for first in (10, 1000, 16):
    for t_mul in (1.0, 1.5, 2.0, 3.0, 4.0):
        for m_mul, alpha in ((1.0, 0.0), (0.9, 0.1)):
            case("CosineDecayRestarts", around(*restarts(first, t_mul)), initial_learning_rate=0.1, first_decay_steps=first,
                 t_mul=t_mul, m_mul=m_mul, alpha=alpha)


def shortest(x):
    return float(str(np.float32(x)))


def main():
    for number, (name, steps, rtol, arguments) in enumerate(CASES, 1):
        schedule = getattr(schedules, name)(**arguments)
        values = [np.float32(schedule(tf.constant(s, tf.int64))) for s in steps]
        assert len(steps) >= 20 and all(np.isfinite(values)), (name, arguments)
        # 1 + cos cancels: what cos rounds stays.
        atol = 6e-8 * float(max(np.abs(values))) if name.startswith("Cosine") else 1.2e-38
        print(json.dumps({
            "name": f"{name} {number}", "route": "schedules/evaluate",
            "request": {"schedule": {"name": name, **arguments}, "steps": steps},
            "answer": {"values": [shortest(v) for v in values]}, "rtol": rtol, "atol": float(f"{atol:.1e}"),
        }))


main()

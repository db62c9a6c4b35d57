"""Runs the tables in TensorFlow and writes their cases as JSON lines beside this file."""

import importlib
import json
import pathlib
import sys

import numpy as np

import accuracy
import learning
import least_squares
import optimizers
import tf_answer
import tf_derivatives
from table import seed_of

HERE = pathlib.Path(__file__).resolve().parent
TABLES = ("elementwise", "pointwise", "special_functions", "arrays", "reductions", "matmul", "linalg", "spectral", "special", "second_order", "derivatives", "composite", "tape", "functions", "article", "iris", "statistics", "losses", "layout", "index", "nets", "products", "random", "conv", "densities", "further", "event_densities", "images")
RTOL = {"float32": 2e-6, "float64": 1e-12}
# TensorFlow flushes subnormal numbers to zero, gradd does not: below this they are equal.
TINY = {"float32": 1.2e-38, "float64": 2.3e-308}
CANCEL = {"float32": 1e-7, "float64": 1e-16}  # of the largest magnitude in the answer


def lowest(arrays):
    """The dtype that decides the tolerance: float32 where any of it is in the answer."""
    return "float32" if any(a.dtype.name == "float32" for a in arrays) else "float64"


def tolerance(case, arrays):
    dtype = "float32" if case.request.get("dtype", "float32") == "float32" else lowest(arrays)
    atol = case.atol or TINY[dtype]
    if case.cancel:
        largest = max((float(np.abs(x)) for a in arrays for x in a.reshape(-1) if np.isfinite(x)), default=0.0)
        atol = max(atol, CANCEL[dtype] * largest)
    return case.rtol or RTOL[dtype], float(f"{atol:.1e}")


def needs_typed(request, answer, arrays):
    """Nested lists cannot say a dtype other than the request's, nor an empty tensor's shape, and a
    list of sources of unequal shapes would look like a ragged array."""
    default = request.get("dtype", "float32")
    shapes = {a.shape for s in answer.values() if isinstance(s, list) for a in tf_answer.arrays_of(s)}
    return any(a.dtype.name not in (default, "bool") or 0 in a.shape for a in arrays) or len(shapes) > 1


def fill_seeds(case):
    request = case.request
    if "output_gradients" in request and request["output_gradients"] is None:
        del request["output_gradients"]
        target = tf_answer.run(request, "gradient")["value"]
        request["output_gradients"] = tf_answer.map_structure(seed_of, target)


def line(case):
    if case.answer is None:
        fill_seeds(case)
    answer = case.answer or (tf_derivatives if case.route in tf_derivatives.ROUTES else tf_answer).run(case.request, case.route)
    arrays = tf_answer.arrays_of(answer)
    typed = needs_typed(case.request, answer, arrays)
    if typed:
        case.request["format"] = "typed"
    rtol, atol = tolerance(case, arrays)
    record = {
        "name": case.name,
        "route": case.route,
        "request": case.request,
        "answer": tf_answer.map_structure(lambda a: tf_answer.encode(a, typed), answer),
        "rtol": rtol,
        "atol": atol,
    }
    return json.dumps(record, ensure_ascii=False)


def make(name):
    if name == "accuracy":
        return accuracy.make()
    if name == "learning":
        return learning.make()
    if name == "least_squares":
        return least_squares.make()
    if name == "optimizers":
        return optimizers.make()
    cases = list(importlib.import_module(f"tables.{name}").cases())
    seen = set()
    lines = []
    for case in cases:
        if case.name in seen:
            sys.exit(f"{name}: two cases are named {case.name!r}")
        seen.add(case.name)
        try:
            lines.append(line(case))
        except Exception as e:
            sys.exit(f"{name}: {case.name!r}: {type(e).__name__}: {e}\n{json.dumps(case.request)}")
    (HERE / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}.jsonl: {len(lines)} cases")
    return len(lines)


if __name__ == "__main__":
    wanted = sys.argv[1:] or (*TABLES, "accuracy", "learning", "least_squares", "optimizers")
    print(f"{sum(make(name) for name in wanted)} cases in all")

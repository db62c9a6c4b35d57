"""Answers that mpmath computes to 50 digits, for what TensorFlow rounds more than gradd does."""

import mpmath
import numpy as np
from table import Case, SEED

mpmath.mp.dps = 50


def orders(n, i):
    return tuple(int(k == i) for k in range(n)) if n > 1 else 1


class Exact(Case):
    """f of rows of points; the gradient is by the last argument, and the output gradient is that of
    `seed=True`. `f` takes mpmath's numbers. `value` and `slope` are float64's
    relative tolerances; float32's value is correctly rounded but for double rounding."""

    def __init__(self, name, graph, f, points, dtype, gradient, value=1e-15, slope=1e-13):
        names = "xyz"[: len(points[0])]
        rows = [[mpmath.mpf(float(a)) for a in p] for p in points]
        columns = {n: [float(p[i]) for p in points] for i, n in enumerate(names)}
        request = {"graph": graph}
        if dtype != "float32":
            request["dtype"] = dtype
        rtol = value if dtype == "float64" else 1.2e-7
        self.answer = {"value": np.array([float(f(*p)) for p in rows], dtype)}
        if gradient:
            seed = [SEED[i % len(SEED)] for i in range(len(points))]
            last = names[-1]
            request["variables"] = {last: columns.pop(last)}
            request["output_gradients"] = seed
            by_last = orders(len(names), len(names) - 1)
            slopes = [mpmath.diff(f, tuple(p) if len(p) > 1 else p[0], by_last) * g for p, g in zip(rows, seed)]
            self.answer["gradient"] = {last: np.array([float(s) for s in slopes], dtype)}
            rtol = slope if dtype == "float64" else 2e-6
        if columns:
            request["constants"] = columns
        super().__init__(f"{name}, {dtype}", "gradient" if gradient else "evaluate", request, float(f"{rtol:.3g}"), None, False)


def exact(name, graph, f, points, dtypes=("float32", "float64"), gradient=True, **tolerances):
    """Values by themselves, and with the gradient, at points that float32 represents."""
    points = [p if isinstance(p, (tuple, list)) else (p,) for p in points]
    for dtype in dtypes:
        yield Exact(f"{name} by mpmath", graph, f, points, dtype, False, **tolerances)
        if gradient:
            yield Exact(f"{name} with its gradient by mpmath", graph, f, points, dtype, True, **tolerances)

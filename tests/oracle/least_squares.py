"""Least squares by SciPy: parameters, cost, residuals, covariance, of models with every loss, with active
bounds, weights and scales. Exact Jacobians by JAX in float64, tolerances at their least, and several methods
of SciPy, whose best is kept. Writes least_squares.json beside this file.
"""

import json
import pathlib

import jax
import numpy as np
from scipy.optimize import least_squares

jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

random = np.random.default_rng(20240607)
T = np.round(np.linspace(0, 4, 25), 3)
CLEAN = 2.5 * np.exp(-0.8 * T) + 0.4
NOISY = np.round(CLEAN + 0.05 * random.standard_normal(25), 4)
OUTLIERS = NOISY.copy()
OUTLIERS[[3, 11, 19]] += [1.5, -2.0, 3.0]
X = np.round(random.standard_normal((30, 3)), 3)
LINE = np.round(X @ [1.5, -2.0, 0.5] + 0.3 * random.standard_normal(30), 3)
LINE[[5, 17]] += [8, -6]
WEIGHTS = np.round(random.uniform(0.2, 4, 25), 3)
SOME = np.where(np.arange(25) % 6 == 0, 0, WEIGHTS)

DECAY = "r = a * exp(-b * t) + c - y"


def decay(p, y):
    return p[0] * jnp.exp(-p[1] * T) + p[2] - y



def line(p):
    return jnp.asarray(X) @ p - LINE


def tridiagonal(p):
    left, right = jnp.append(0.0, p[:-1]), jnp.append(p[1:], 0.0)
    return (3 - p) * p - left - 2 * right + 1


CASES = []


def case(name, residuals, start, variables, graph, constants, weights=None, rtol=2e-7, **more):
    """`variables`: name and shape of each, as they stand in the vector; `more`: bounds, loss, f_scale, x_scale."""
    loss, f_scale = more.get("loss", "linear"), more.get("f_scale", 1.0)
    root = 1.0 if weights is None else np.sqrt(weights)
    lower = np.array([lo for _, shape in variables for lo in side(more, _, shape, 0)])
    upper = np.array([hi for _, shape in variables for hi in side(more, _, shape, 1)])
    f = jax.jit(lambda p: root * residuals(p))
    jac = jax.jit(jax.jacfwd(lambda p: root * residuals(p)))
    best = None
    for method in ("trf", "dogbox"):
        for x_scale in ("jac", 1.0):
            found = least_squares(
                lambda p: np.asarray(f(p)), start, lambda p: np.asarray(jac(p)), bounds=(lower, upper), method=method,
                loss=loss, f_scale=f_scale, x_scale=x_scale, ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=20000)
            if best is None or found.cost < best.cost:
                best = found
    # trf stops just short of a bound: what is near it is put on it, and the others found again.
    on = (np.abs(best.x - lower) < 1e-6) | (np.abs(best.x - upper) < 1e-6)
    x = np.where(np.abs(best.x - lower) < 1e-6, lower, np.where(np.abs(best.x - upper) < 1e-6, upper, best.x))
    if on.any():
        free = np.flatnonzero(~on)
        whole = lambda q: jnp.asarray(x).at[free].set(q)
        best = least_squares(
            lambda q: np.asarray(f(whole(q))), x[free], lambda q: np.asarray(jac(whole(q)))[:, free], loss=loss,
            f_scale=f_scale, x_scale="jac", ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=20000)
        x = np.asarray(whole(best.x))
    count = len(f(np.array(start))) - (0 if weights is None else int(np.sum(np.asarray(weights) == 0)))
    freedom = count - int((~on).sum())
    covariance = np.full((len(x), len(x)), np.nan)
    if freedom > 0:
        # As scipy.optimize.curve_fit has it, by singular values of the Jacobian that least_squares answers.
        _, s, vt = np.linalg.svd(best.jac, full_matrices=False)
        covariance[np.ix_(~on, ~on)] = (vt.T / s**2) @ vt * (2 * best.cost / freedom)
    request = {"dtype": "float64", "graph": graph, "variables": split(start, variables), "constants": constants}
    if weights is not None:
        request["weights"] = list(map(float, weights))
    request |= more
    CASES.append({
        "name": name, "request": json.dumps(request), "rtol": rtol, "parameters": list(map(float, x)),
        "cost": float(best.cost), "residuals": list(map(float, np.asarray(residuals(jnp.asarray(x))))), "degrees_of_freedom": freedom,
        "standard_errors": [None if np.isnan(v) else float(np.sqrt(v)) for v in np.diag(covariance)],
        "covariance": [[None if np.isnan(v) else float(v) for v in row] for row in covariance],
    })


def side(more, name, shape, i):
    given = more.get("bounds", {}).get(name, [None, None])[i]
    if given is None:
        given = [-np.inf, np.inf][i]
    return np.ravel(np.broadcast_to(given, shape))


def split(x, variables):
    at, out = 0, {}
    for name, shape in variables:
        n = int(np.prod(shape, dtype=int))
        out[name] = np.reshape(x[at:at + n], shape).tolist()
        at += n
    return out


ABC = [("a", ()), ("b", ()), ("c", ())]
DATA = {"t": T.tolist(), "y": NOISY.tolist()}
FAR = {"t": T.tolist(), "y": OUTLIERS.tolist()}
LOSSES = ["linear", "huber", "soft_l1", "cauchy", "arctan"]


def make():
    clean = lambda p: decay(p, NOISY)
    far = lambda p: decay(p, OUTLIERS)
    for loss in LOSSES:
        for scale in (1.0, 0.1):
            case(f"decay, {loss}, f_scale {scale}", far, [2.0, 1.0, 0.5], ABC, DECAY, FAR, loss=loss, f_scale=scale)
        case(f"a line, {loss}", line, [0.0, 0.0, 0.0], [("w", (3,))], "r = matvec(X, w) - y",
             {"X": X.tolist(), "y": LINE.tolist()}, loss=loss, f_scale=0.5)
        case(f"decay on a bound, {loss}", far, [2.0, 0.5, 0.5], ABC, DECAY, FAR, loss=loss, f_scale=0.3,
             bounds={"b": [0, 0.6], "c": [0.1, None]})
    case("decay, lower bound", clean, [2.0, 1.0, 0.8], ABC, DECAY, DATA, bounds={"c": [0.6, None]})
    case("decay, upper bound", clean, [2.0, 0.5, 0.5], ABC, DECAY, DATA, bounds={"a": [None, 2.2]})
    case("decay, two bounds", clean, [2.0, 0.5, 0.8], ABC, DECAY, DATA, bounds={"a": [0, 2.2], "c": [0.5, 1]})
    case("decay, bounds that are not met", clean, [2.0, 0.5, 0.8], ABC, DECAY, DATA, bounds={"a": [0, 9], "c": [0, 1]})
    case("decay, starting on bounds", clean, [0.0, 5.0, 0.0], ABC, DECAY, DATA, bounds={"a": [0, 9], "b": [0, 5], "c": [0, 1]})
    case("a line in a box", line, [0.0, 0.0, 0.0], [("w", (3,))], "r = matvec(X, w) - y",
         {"X": X.tolist(), "y": LINE.tolist()}, bounds={"w": [[-1, -1, -1], [1, 1, 0.2]]})
    case("weights", clean, [2.0, 1.0, 0.5], ABC, DECAY, DATA, weights=WEIGHTS)
    case("weights of which some are 0", clean, [2.0, 1.0, 0.5], ABC, DECAY, DATA, weights=SOME)
    case("weights and a robust loss", far, [2.0, 1.0, 0.5], ABC, DECAY, FAR, weights=WEIGHTS, loss="soft_l1", f_scale=0.1)
    case("scales", clean, [2.0, 1.0, 0.5], ABC, DECAY, DATA, x_scale={"a": 10.0, "b": 0.1})
    case("Rosenbrock", lambda p: jnp.stack([10 * (p[1] - p[0]**2), 1 - p[0]]), [-1.2, 1.0], [("x", (2,))],
         "r = [10 * (x[1] - x[0] ** 2), 1 - x[0]]", {})
    case("Rosenbrock in a box", lambda p: jnp.stack([10 * (p[1] - p[0]**2), 1 - p[0]]), [2.0, 2.0], [("x", (2,))],
         "r = [10 * (x[1] - x[0] ** 2), 1 - x[0]]", {}, bounds={"x": [[-9, 1.5], [9, 9]]})
    case("Broyden's tridiagonal function of 40", tridiagonal, [-1.0] * 40, [("x", (40,))],
         "zero = zeros([1]); left = concat([zero, x[:-1]], 0); right = concat([x[1:], zero], 0); "
         "r = (3 - x) * x - left - 2 * right + 1", {})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"cases": CASES}, indent=None).replace('{"name"', '\n{"name"') + "\n", encoding="utf-8")
    print(f"least_squares.json: {len(CASES)} cases")
    return len(CASES)


if __name__ == "__main__":
    make()

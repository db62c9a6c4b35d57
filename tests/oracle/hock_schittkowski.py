"""The problems 1 to 40 of W. Hock and K. Schittkowski, Test Examples for Nonlinear Programming Codes,
Lecture Notes in Economics and Mathematical Systems 187, Springer (1981), as requests for POST /v1/minimize.

Writes hock_schittkowski.json beside this file, and checks each formula: SciPy's SLSQP, from the problem's
start and from points around the optimum, must reach the published optimum and nothing below it.
Usage: hock_schittkowski.py
"""

import json
import math
import pathlib

import numpy as np
from scipy.optimize import minimize

N = None
ROSENBROCK = "100 * (x[1] - x[0]**2)**2 + (1 - x[0])**2"
S3 = "sqrt(3)"

# number: loss, start, optimum, bounds per unknown, [(expr, type)], another local optimum or None
PROBLEMS = {
    1: (ROSENBROCK, [-2, 1], 0, [(N, N), (-1.5, N)], [], N),
    2: (ROSENBROCK, [-2, 1], 0.0504261879, [(N, N), (1.5, N)], [], 4.941229318),
    3: ("x[1] + 0.00001 * (x[1] - x[0])**2", [10, 1], 0, [(N, N), (0, N)], [], N),
    4: ("(x[0] + 1)**3 / 3 + x[1]", [1.125, 0.125], 8 / 3, [(1, N), (0, N)], [], N),
    5: ("sin(x[0] + x[1]) + (x[0] - x[1])**2 - 1.5 * x[0] + 2.5 * x[1] + 1", [0, 0],
        -math.sqrt(3) / 2 - math.pi / 3, [(-1.5, 4), (-3, 3)], [], N),
    6: ("(1 - x[0])**2", [-1.2, 1], 0, N, [("10 * (x[1] - x[0]**2)", "==0")], N),
    7: ("log(1 + x[0]**2) - x[1]", [2, 2], -math.sqrt(3), N, [("(1 + x[0]**2)**2 + x[1]**2 - 4", "==0")], N),
    8: ("-1 + 0 * x[0]", [2, 1], -1, N, [("x[0]**2 + x[1]**2 - 25", "==0"), ("x[0] * x[1] - 9", "==0")], N),
    9: ("sin(pi * x[0] / 12) * cos(pi * x[1] / 16)", [0, 0], -0.5, N, [("4 * x[0] - 3 * x[1]", "==0")], N),
    10: ("x[0] - x[1]", [-10, 10], -1, N, [("-3 * x[0]**2 + 2 * x[0] * x[1] - x[1]**2 + 1", ">=0")], N),
    11: ("(x[0] - 5)**2 + x[1]**2 - 25", [4.9, 0.1], -8.498464223, N, [("-x[0]**2 + x[1]", ">=0")], N),
    12: ("0.5 * x[0]**2 + x[1]**2 - x[0] * x[1] - 7 * x[0] - 7 * x[1]", [0, 0], -30, N,
         [("25 - 4 * x[0]**2 - x[1]**2", ">=0")], N),
    13: ("(x[0] - 2)**2 + x[1]**2", [-2, -2], 1, [(0, N), (0, N)], [("(1 - x[0])**3 - x[1]", ">=0")], N),
    14: ("(x[0] - 2)**2 + (x[1] - 1)**2", [2, 2], 9 - 2.875 * math.sqrt(7), N,
         [("-0.25 * x[0]**2 - x[1]**2 + 1", ">=0"), ("x[0] - 2 * x[1] + 1", "==0")], N),
    15: (ROSENBROCK, [-2, 1], 306.5, [(N, 0.5), (N, N)],
         [("x[0] * x[1] - 1", ">=0"), ("x[0] + x[1]**2", ">=0")], 360.379767),
    16: (ROSENBROCK, [-2, 1], 0.25, [(-0.5, 0.5), (N, 1)],
         [("x[0] + x[1]**2", ">=0"), ("x[0]**2 + x[1]", ">=0")], 23.1446609),
    17: (ROSENBROCK, [-2, 1], 1, [(-0.5, 0.5), (N, 1)],
         [("x[1]**2 - x[0]", ">=0"), ("x[0]**2 - x[1]", ">=0")], N),
    18: ("0.01 * x[0]**2 + x[1]**2", [2, 2], 5, [(2, 50), (0, 50)],
         [("x[0] * x[1] - 25", ">=0"), ("x[0]**2 + x[1]**2 - 25", ">=0")], N),
    19: ("(x[0] - 10)**3 + (x[1] - 20)**3", [20.1, 5.84], -6961.81381, [(13, 100), (0, 100)],
         [("(x[0] - 5)**2 + (x[1] - 5)**2 - 100", ">=0"), ("-(x[1] - 5)**2 - (x[0] - 6)**2 + 82.81", ">=0")], N),
    20: (ROSENBROCK, [-2, 1], 81.5 - 25 * math.sqrt(3), [(-0.5, 0.5), (N, N)],
         [("x[0] + x[1]**2", ">=0"), ("x[0]**2 + x[1]", ">=0"), ("x[0]**2 + x[1]**2 - 1", ">=0")], 40.19872981),
    21: ("0.01 * x[0]**2 + x[1]**2 - 100", [-1, -1], -99.96, [(2, 50), (-50, 50)],
         [("10 * x[0] - x[1] - 10", ">=0")], N),
    22: ("(x[0] - 2)**2 + (x[1] - 1)**2", [2, 2], 1, N,
         [("-x[0] - x[1] + 2", ">=0"), ("-x[0]**2 + x[1]", ">=0")], N),
    23: ("x[0]**2 + x[1]**2", [3, 1], 2, [(-50, 50), (-50, 50)],
         [("x[0] + x[1] - 1", ">=0"), ("x[0]**2 + x[1]**2 - 1", ">=0"), ("9 * x[0]**2 + x[1]**2 - 9", ">=0"),
          ("x[0]**2 - x[1]", ">=0"), ("x[1]**2 - x[0]", ">=0")], N),
    24: (f"((x[0] - 3)**2 - 9) * x[1]**3 / (27 * {S3})", [1, 0.5], -1, [(0, N), (0, N)],
         [(f"x[0] / {S3} - x[1]", ">=0"), (f"x[0] + {S3} * x[1]", ">=0"), (f"-x[0] - {S3} * x[1] + 6", ">=0")], N),
    25: ("reduce_sum((-0.01 * i + exp(-(25 + (-50 * log(0.01 * i))**(2 / 3) - x[1])**x[2] / x[0]))**2)",
         [100, 12.5, 3], 0, [(0.1, 100), (0, 25.6), (0, 5)], [], 32.835),
    26: ("(x[0] - x[1])**2 + (x[1] - x[2])**4", [-2.6, 2, 2], 0, N,
         [("(1 + x[1]**2) * x[0] + x[2]**4 - 3", "==0")], N),
    27: ("0.01 * (x[0] - 1)**2 + (x[1] - x[0]**2)**2", [2, 2, 2], 0.04, N, [("x[0] + x[2]**2 + 1", "==0")], N),
    28: ("(x[0] + x[1])**2 + (x[1] + x[2])**2", [-4, 1, 1], 0, N, [("x[0] + 2 * x[1] + 3 * x[2] - 1", "==0")], N),
    29: ("-x[0] * x[1] * x[2]", [1, 1, 1], -16 * math.sqrt(2), N,
         [("-x[0]**2 - 2 * x[1]**2 - 4 * x[2]**2 + 48", ">=0")], N),
    30: ("reduce_sum(x**2)", [1, 1, 1], 1, [(1, 10), (-10, 10), (-10, 10)], [("x[0]**2 + x[1]**2 - 1", ">=0")], N),
    31: ("9 * x[0]**2 + x[1]**2 + 9 * x[2]**2", [1, 1, 1], 6, [(-10, 10), (1, 10), (-10, 1)],
         [("x[0] * x[1] - 1", ">=0")], N),
    32: ("(x[0] + 3 * x[1] + x[2])**2 + 4 * (x[0] - x[1])**2", [0.1, 0.7, 0.2], 1, [(0, N)] * 3,
         [("6 * x[1] + 4 * x[2] - x[0]**3 - 3", ">=0"), ("1 - x[0] - x[1] - x[2]", "==0")], N),
    33: ("(x[0] - 1) * (x[0] - 2) * (x[0] - 3) + x[2]", [0, 0, 3], math.sqrt(2) - 6, [(0, N), (0, N), (0, 5)],
         [("x[2]**2 - x[1]**2 - x[0]**2", ">=0"), ("x[0]**2 + x[1]**2 + x[2]**2 - 4", ">=0")], -4),
    34: ("-x[0]", [0, 1.05, 2.9], -math.log(math.log(10)), [(0, 100), (0, 100), (0, 10)],
         [("x[1] - exp(x[0])", ">=0"), ("x[2] - exp(x[1])", ">=0")], N),
    35: ("9 - 8*x[0] - 6*x[1] - 4*x[2] + 2*x[0]**2 + 2*x[1]**2 + x[2]**2 + 2*x[0]*x[1] + 2*x[0]*x[2]",
         [0.5, 0.5, 0.5], 1 / 9, [(0, N)] * 3, [("3 - x[0] - x[1] - 2 * x[2]", ">=0")], N),
    36: ("-x[0] * x[1] * x[2]", [10, 10, 10], -3300, [(0, 20), (0, 11), (0, 42)],
         [("72 - x[0] - 2 * x[1] - 2 * x[2]", ">=0")], N),
    37: ("-x[0] * x[1] * x[2]", [10, 10, 10], -3456, [(0, 42)] * 3,
         [("72 - x[0] - 2 * x[1] - 2 * x[2]", ">=0"), ("x[0] + 2 * x[1] + 2 * x[2]", ">=0")], N),
    38: ("100 * (x[1] - x[0]**2)**2 + (1 - x[0])**2 + 90 * (x[3] - x[2]**2)**2 + (1 - x[2])**2"
         " + 10.1 * ((x[1] - 1)**2 + (x[3] - 1)**2) + 19.8 * (x[1] - 1) * (x[3] - 1)",
         [-3, -1, -3, -1], 0, [(-10, 10)] * 4, [], N),
    39: ("-x[0]", [2, 2, 2, 2], -1, N,
         [("x[1] - x[0]**3 - x[2]**2", "==0"), ("x[0]**2 - x[1] - x[3]**2", "==0")], N),
    40: ("-x[0] * x[1] * x[2] * x[3]", [0.8] * 4, -0.25, N,
         [("x[0]**3 + x[1]**2 - 1", "==0"), ("x[0]**2 * x[3] - x[2]", "==0"), ("x[3]**2 - x[1]", "==0")], N),
}

# What the language calls by its own names.
NAMES = {"sin": np.sin, "cos": np.cos, "log": np.log, "exp": np.exp, "sqrt": np.sqrt, "pi": math.pi,
         "reduce_sum": np.sum, "i": np.arange(1.0, 100.0)}


def request(number):
    loss, start, _, bounds, constraints, _ = PROBLEMS[number]
    r = {"graph": f"f = {loss}", "loss": "f", "dtype": "float64", "variables": {"x": start}, "method": "slsqp"}
    if "i" in loss.replace("sin", "").replace("pi", ""):
        r["constants"] = {"i": list(range(1, 100))}
    if bounds:
        r["bounds"] = {"x": [[b[0] for b in bounds], [b[1] for b in bounds]]}
    if constraints:
        r["constraints"] = [{"expr": e, "type": t} for e, t in constraints]
    return r


def check(number):
    """The least that SciPy finds from the start and from 60 points around it."""
    loss, start, optimum, bounds, constraints, _ = PROBLEMS[number]
    value = lambda text: lambda x: float(eval(text, {"__builtins__": {}}, dict(NAMES, x=x)))
    rows = []
    for e, t in constraints:
        f = value(e)
        sign = -1.0 if t == "<=0" else 1.0
        rows.append({"type": "eq" if t == "==0" else "ineq", "fun": lambda x, f=f, s=sign: s * f(x)})
    generator = np.random.default_rng(number)
    best = math.inf
    for k in range(61):
        x = np.array(start, float) + (k > 0) * generator.normal(size=len(start)) * (1 + np.abs(start))
        if bounds:
            x = np.clip(x, [-math.inf if b[0] is N else b[0] for b in bounds],
                        [math.inf if b[1] is N else b[1] for b in bounds])
        with np.errstate(all="ignore"):
            r = minimize(value(loss), x, method="SLSQP", bounds=bounds, constraints=rows,
                         options={"ftol": 1e-12, "maxiter": 500})
        broken = max([abs(c["fun"](r.x)) if c["type"] == "eq" else -c["fun"](r.x) for c in rows], default=0)
        if math.isfinite(r.fun) and broken < 1e-7:
            best = min(best, r.fun)
    ok = abs(best - optimum) <= 2e-6 * max(1, abs(optimum))
    print(f"HS{number:<3} optimum {optimum:<22.12g} SciPy {best:<22.12g} {'' if ok else 'DIFFERS'}")
    return ok


def main():
    ok = [check(n) for n in PROBLEMS]
    lines = []
    for n, (_, _, optimum, _, _, local) in PROBLEMS.items():
        case = {"name": f"HS{n}", "optimum": optimum}
        if local is not None:
            case["local"] = local
        lines.append(json.dumps(dict(case, request=request(n))))
    path = pathlib.Path(__file__).with_name("hock_schittkowski.json")
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{sum(ok)} of {len(ok)} optima confirmed")


if __name__ == "__main__":
    main()

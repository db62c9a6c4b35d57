"""Factors, inverses, determinants and linear systems: shapes and batches, adjoints, what is not read,
singular matrices, and every derivative route to second order."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, tensor

L = tf.linalg
tf_answer.OPS.update({
    "cholesky": L.cholesky, "inverse": L.inv, "inv": L.inv, "det": L.det, "slogdet": L.slogdet, "logdet": L.logdet,
    "solve": L.solve, "triangular_solve": L.triangular_solve, "cholesky_solve": L.cholesky_solve,
})  # fmt: skip

# Condition numbers are up to 20, and a derivative has up to three solves one behind the other: both sides
# lose a digit or two.
LOOSE = {"rtol": {"float32": 4e-5, "float64": 1e-11}, "atol": {"float32": 4e-6, "float64": 1e-14}, "cancel": True}

FLAT = [1.0, 0.25, -0.5, 0.75, -1.5, 1.25, 0.5, -1.0, 2.0, 1.5, 0.5, -0.25, 0.25, -0.75, 1.0, 0.5]
RHS = [1.0, -2.0, 0.5, 3.0, 1.5, -0.75, 2.0]
SHAPES = {
    "a matrix": (3, 3),
    "one number": (1, 1),
    "a batch": (2, 2, 2),
    "a batch of batches": (2, 1, 2, 2),
    "nothing": (0, 0),
    "no matrices": (0, 2, 2),
}
DEFINITE = "a = matmul(x, x, transpose_b=True) + i; "
REGULAR = "a = x + 3 * i; "
SQUARE = {
    "cholesky": DEFINITE + "y = cholesky(a)",
    "inverse": REGULAR + "y = inverse(a)",
    "inverse, adjoint": REGULAR + "y = inv(a, adjoint=True)",
    "det": REGULAR + "y = det(a)",
    "the sign of slogdet": REGULAR + "s, l = slogdet(a); y = identity(s)",
    "the logarithm of slogdet": REGULAR + "s, l = slogdet(a); y = identity(l)",
    "logdet": DEFINITE + "y = logdet(a)",
}
SYSTEMS = {
    "solve": "y = solve(a, b)",
    "solve, adjoint": "y = solve(a, b, adjoint=True)",
    "triangular_solve": "y = triangular_solve(a, b)",
    "triangular_solve, adjoint": "y = triangular_solve(a, b, adjoint=True)",
    "triangular_solve, upper": "y = triangular_solve(a, b, lower=False)",
    "triangular_solve, upper and adjoint": "y = triangular_solve(a, b, lower=False, adjoint=True)",
    "cholesky_solve": "y = cholesky_solve(a, b)",
}
EQUAL = {
    "a column": ((3, 3), (3, 1)),
    "two columns": ((3, 3), (3, 2)),
    "numbers": ((1, 1), (1, 1)),
    "a batch": ((2, 2, 2), (2, 2, 3)),
    "a batch of batches": ((2, 1, 2, 2), (2, 1, 2, 1)),
    "no columns": ((2, 2), (2, 0)),
    "no matrices": ((0, 2, 2), (0, 2, 1)),
    "nothing": ((0, 0), (0, 2)),
}
UNEQUAL = {
    "one matrix and a batch": ((2, 2), (3, 2, 2)),
    "a batch and one right-hand side": ((3, 2, 2), (2, 1)),
    "batches that broadcast both ways": ((2, 1, 2, 2), (3, 2, 2)),
}
ROUTES = {
    "hessian": {},
    "jacobian": {},
    "jvp": {"tangents": lambda v: {k: tensor(RHS[2:], s, "float32") for k, s in v.items()}},
    "hvp": {"vector": lambda v: {k: tensor(RHS[1:], s, "float32") for k, s in v.items()}},
}


def unit(n, dtype):
    return tensor([float(r == c) for r in range(n) for c in range(n)], (n, n), dtype)


def values():
    for op, text in SQUARE.items():
        for what, shape in SHAPES.items():
            for dtype in BOTH:
                yield from case(f"{op} of {what}, {dtype}", text, dtypes=(dtype,), seed=True, **LOOSE,
                                variables={"x": tensor(FLAT, shape, dtype)}, constants={"i": unit(shape[-1], dtype)})  # fmt: skip
    for op, text in SYSTEMS.items():
        for what, (a, b) in {**EQUAL, **({} if op.startswith("solve") else UNEQUAL)}.items():
            for dtype in BOTH:
                yield from case(f"{op} for {what}, {dtype}", REGULAR + text, dtypes=(dtype,), seed=True, **LOOSE,
                                variables={"x": tensor(FLAT, a, dtype), "b": tensor(RHS, b, dtype)}, constants={"i": unit(a[-1], dtype)})  # fmt: skip


def routes():
    """Null or a connected 0, and the numbers, in second derivatives; forward mode."""
    for op, text in {**SQUARE, **SYSTEMS}.items():
        shapes = {"x": (2, 2), "b": (2, 1)} if op in SYSTEMS else {"x": (2, 2)}
        graph = text if op in SQUARE else REGULAR + text
        variables = {k: tensor(FLAT if k == "x" else RHS, s, "float32") for k, s in shapes.items()}
        for route, members in ROUTES.items():
            if (op, route) == ("the sign of slogdet", "jvp"):
                continue  # null in TensorFlow and 0 in gradd, as both have it in reverse: see README.md
            yield from case(f"{route} of {op}", graph, route, variables=variables, constants={"i": unit(2, "float32")},
                            **{k: f(shapes) for k, f in members.items()}, **LOOSE)  # fmt: skip
        yield from case(f"second order of {op}", graph + "; z = reduce_sum(y * y); g = grad(z, x); h = reduce_sum(g * c)",
                        variables=variables, constants={"i": unit(2, "float32"), "c": [[0.5, -1.25], [2.0, 0.75]]}, fetch=["g"], **LOOSE)  # fmt: skip
    third = "; g = grad(reduce_sum(y), x); h = grad(reduce_sum(g * c), x); t = reduce_sum(h * g)"
    for op in ("cholesky", "inverse", "det", "the logarithm of slogdet", "logdet"):
        yield from case(f"third order of {op}", SQUARE[op] + third, variables={"x": tensor(FLAT, (2, 2), "float32")},
                        constants={"i": unit(2, "float32"), "c": [[0.5, -1.25], [2.0, 0.75]]}, **LOOSE)  # fmt: skip


def special():
    singular = [[1.0, 2.0], [2.0, 4.0]]
    lopsided = [[4.0, 100.0], [2.0, 3.0]]
    triangle = [[2.0, 1.0], [1.0, 3.0]]
    yield from case("cholesky reads the lower triangle, its gradient is symmetric", "y = cholesky(x)", variables={"x": lopsided}, seed=True, **LOOSE)
    yield from case("logdet reads the lower triangle", "y = logdet(x)", variables={"x": lopsided}, **LOOSE)
    yield from case("det of a negative determinant", "y = det(x)", variables={"x": lopsided}, **LOOSE)
    yield from case("slogdet of a negative determinant", "s, l = slogdet(x); y = s * l", variables={"x": lopsided}, **LOOSE)
    yield from evaluate("det of a singular matrix", "y = det(x)", constants={"x": singular})
    yield from evaluate("det of a batch with a singular matrix", "y = det(x)", constants={"x": [singular, lopsided]}, **LOOSE)
    yield from evaluate("slogdet of a singular matrix", "s, l = slogdet(x); y = stack([s, l])", constants={"x": singular})
    yield from evaluate("slogdet of zeros", "s, l = slogdet(x); y = stack([s, l])", constants={"x": [[0.0, 0.0], [0.0, 0.0]]})
    yield from evaluate("inverse needs its rows swapped", "y = inverse(x)", constants={"x": [[0.0, 2.0], [4.0, 0.0]]})
    yield from case("solve needs its rows swapped", "y = solve(x, b)", variables={"x": [[0.0, 2.0], [4.0, 1.0]], "b": [[1.0], [3.0]]}, **LOOSE)
    yield from case("slogdet of a large determinant", "s, l = slogdet(x); y = identity(l)", variables={"x": [[1e30, 0.0], [0.0, 1e25]]}, **LOOSE)
    for lower in (True, False):
        yield from case(f"the gradient of triangular_solve stays in the triangle, lower={lower}", f"y = triangular_solve(x, b, lower={lower})",
                        variables={"x": triangle, "b": [[1.0], [3.0]]}, seed=True, **LOOSE)  # fmt: skip
        yield from evaluate(f"triangular_solve does not read the other half, lower={lower}", f"y = triangular_solve(x, b, lower={lower})",
                            constants={"x": [[2.0, "NaN"], [1.0, 4.0]] if lower else [[2.0, 1.0], ["NaN", 4.0]], "b": [[1.0], [3.0]]})  # fmt: skip
    yield from evaluate("triangular_solve with NaN on the right", "y = triangular_solve(x, b)", constants={"x": triangle, "b": [[1.0, 2.0], ["NaN", 3.0]]})
    yield from evaluate("triangular_solve with 0 on the diagonal", "y = triangular_solve(x, b)", constants={"x": [[2.0, 0.0], [1.0, 0.0]], "b": [[2.0], [3.0]]})
    yield from evaluate("solve with NaN on the right", "y = solve(x, b)", constants={"x": triangle, "b": [[1.0], ["NaN"]]})
    yield from case("a Mahalanobis distance", "l = cholesky(s); d = triangular_solve(l, expand_dims(x, 1)); y = reduce_sum(d * d)",
                    variables={"x": [1.0, -2.0], "s": triangle}, **LOOSE)  # fmt: skip
    yield from case("a normal density", "l = cholesky(s); d = triangular_solve(l, expand_dims(x, 1)); y = -0.5 * reduce_sum(d * d) - reduce_sum(log(diag_part(l)))",
                    "hessian", variables={"x": [1.0, -2.0], "s": triangle}, **LOOSE)  # fmt: skip


def cases():
    tf_answer.OPS.setdefault("diag_part", L.diag_part)
    for table in (values, routes, special):
        yield from table()

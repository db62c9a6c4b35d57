"""Factorizations, the exponential and the norms of matrices. The signs of singular vectors and eigenvectors
are free: TensorFlow's are brought to gradd's convention before anything is compared."""

import mpmath as m
import numpy as np
import tensorflow as tf

import tf_answer
from table import BOTH, Case, case, evaluate, seed_of, tensor, typed

# TensorFlow's float32 factors are right to a few units of 1e-7 of the largest element and of the gaps
# between singular values, which the derivatives divide by; gradd's are computed in double and rounded once.
CLOSE = {"float32": 2e-5, "float64": 2e-13}
NEAR = {"rtol": CLOSE, "atol": CLOSE}


def sign_of(v):
    """Of each column the sign of its first element of at least 0.7 of the largest magnitude."""
    size = tf.abs(v)
    first = tf.argmax(tf.cast(size >= 0.7 * tf.reduce_max(size, axis=-2, keepdims=True), tf.int32), axis=-2)
    picked = tf.linalg.matrix_transpose(tf.gather(tf.linalg.matrix_transpose(v), first[..., None], axis=-1, batch_dims=v.shape.rank - 1))
    return tf.stop_gradient(tf.where(picked < 0, -tf.ones_like(picked), tf.ones_like(picked)))


def eigh(x):
    e, v = tf.linalg.eigh(x)
    return (e, v * sign_of(v)) if v.shape.num_elements() else (e, v)


def svd(x, full_matrices=False, compute_uv=True):
    if not compute_uv:
        return tf.linalg.svd(x, compute_uv=False)
    s, u, v = tf.linalg.svd(x, full_matrices=full_matrices)
    if 0 in x.shape:
        return s, u, v
    k = s.shape[-1]
    own = sign_of(u)
    signs = tf.concat([own[..., :k], sign_of(v[..., k:])], axis=-1) if v.shape[-1] > k else own[..., :k]
    return s, u * own, v * signs


tf_answer.OPS.update({
    "eigh": eigh, "eigvalsh": tf.linalg.eigvalsh, "svd": svd, "qr": tf.linalg.qr, "pinv": tf.linalg.pinv,
    "expm": tf.linalg.expm, "norm": tf.norm, "lstsq": tf.linalg.lstsq, "inf": float("inf"),
})  # fmt: skip

POINTS = [4.0, 0.5, -1.25, 0.75, -2.0, 1.5, 0.25, -0.5, 1.0, -0.75, 3.0, 2.5, -3.5, 1.75, 0.125, 6.0]
NAN, INF = "NaN", "Infinity"
SHAPES = {
    "a square": (3, 3), "a larger square": (4, 4), "a batch": (2, 2, 2), "a standing matrix": (4, 2), "a lying matrix": (2, 4),
    "one more row": (3, 2), "one more column": (2, 3), "a row": (1, 3), "a column": (3, 1), "one": (1, 1),
}  # fmt: skip
SQUARES = {"a square": (3, 3), "a larger square": (4, 4), "a batch": (2, 2, 2), "a batch of batches": (1, 2, 2, 2), "one": (1, 1)}


def over(shapes, name, graph, target=None, **members):
    for what, shape in shapes.items():
        for dtype in BOTH:
            more = {"target": target} if target else {}
            yield from case(f"{name} of {what}, {dtype}", graph, dtypes=(dtype,), variables={"x": tensor(POINTS, shape, dtype)},
                            seed=True, **more, **NEAR, **members)  # fmt: skip


def second(name, graph, x, w, **members):
    yield from case(f"second order of {name}", f"{graph}; g = reduce_sum(grad(y, x) * w)", variables={"x": x}, constants={"w": w}, **NEAR, **members)


W3 = [[0.5, -1.25, 2.0], [0.75, -0.375, 1.5], [-2.5, 0.25, 1.0]]
X3 = [[4.0, 0.5, -1.25], [0.75, -2.0, 1.5], [0.25, -0.5, 1.0]]


def symmetric():
    yield from over(SQUARES, "eigh", "e, v = eigh(x)", target=["e", "v"])
    yield from over(SQUARES, "eigenvalues by eigh", "e, v = eigh(x); y = e")
    yield from over(SQUARES, "eigvalsh", "y = eigvalsh(x)")
    for dtype in BOTH:
        for what, shape in (("nothing", (0, 0)), ("no matrices", (0, 2, 2))):
            yield from case(f"eigh of {what}, {dtype}", "e, v = eigh(x)", dtypes=(dtype,), target=["e", "v"], variables={"x": tensor(POINTS, shape, dtype)}, seed=True)
            yield from case(f"eigvalsh of {what}, {dtype}", "y = eigvalsh(x)", dtypes=(dtype,), variables={"x": tensor(POINTS, shape, dtype)}, seed=True)
    identity = [[1.0, 0.0], [0.0, 1.0]]
    yield from case("eigenvalues that are equal", "y = eigvalsh(x)", variables={"x": identity})
    yield from case("eigenvectors of equal eigenvalues", "e, v = eigh(x); y = v * w", variables={"x": identity}, constants={"w": [[1.0, 2.0], [3.0, 5.0]]})
    yield from case("what eigh does not read", "e, v = eigh(x)", target=["e", "v"], variables={"x": [[1.0, NAN], [0.5, 4.0]]}, seed=True, **NEAR)
    yield from case("eigenvalues of large numbers", "y = eigvalsh(x)", variables={"x": [[1e18, 2e17], [3e17, 5e18]]}, seed=True, rtol=CLOSE)
    yield from second("eigvalsh", "y = reduce_sum(eigvalsh(x) ** 3)", X3, W3)
    yield from second("eigh", "e, v = eigh(x); y = reduce_sum(e * v * v * v)", X3, W3)


def singular():
    yield from over(SHAPES, "svd", "s, u, v = svd(x)", target=["s", "u", "v"])
    yield from over({k: v for k, v in SHAPES.items() if abs(v[-1] - v[-2]) < 2}, "svd with full matrices", "s, u, v = svd(x, full_matrices=True)", target=["s", "u", "v"])
    yield from over(SHAPES, "singular values", "y = svd(x, compute_uv=False)")
    for dtype in BOTH:
        for what, shape in (("no rows", (0, 3)), ("no columns", (3, 0)), ("no matrices", (0, 2, 3))):
            yield from case(f"svd of {what}, {dtype}", "s, u, v = svd(x)", dtypes=(dtype,), target=["s", "u", "v"], variables={"x": tensor(POINTS, shape, dtype)}, seed=True)
            yield from evaluate(f"svd of {what} with full matrices, {dtype}", "s, u, v = svd(x, full_matrices=True); y = matmul(v, v, transpose_b=True)", dtypes=(dtype,), constants={"x": tensor(POINTS, shape, dtype)})
        for what, shape in (("standing", (4, 2)), ("lying", (2, 4))):
            yield from evaluate(f"what full matrices add to a {what} one, {dtype}", "s, u, v = svd(x, True); y = concat([reshape(matmul(u[:, 2:], u[:, 2:], transpose_b=True), [-1]), reshape(matmul(v[:, 2:], v[:, 2:], transpose_b=True), [-1])], 0)",
                                dtypes=(dtype,), constants={"x": tensor(POINTS, shape, dtype)}, **NEAR)  # fmt: skip
    identity = [[1.0, 0.0], [0.0, 1.0]]
    yield from case("singular values that are equal", "y = reduce_sum(svd(x, compute_uv=False))", variables={"x": identity})
    yield from case("singular vectors of equal values", "s, u, v = svd(x); y = reduce_sum(u * v * w)", variables={"x": identity}, constants={"w": [[1.0, 2.0], [3.0, 5.0]]})
    yield from case("the largest singular value of rank 1", "y = svd(x, compute_uv=False)[0]", variables={"x": [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]}, **NEAR)
    yield from second("singular values", "y = reduce_sum(svd(x, compute_uv=False) ** 3)", X3, W3)
    yield from second("svd", "s, u, v = svd(x); y = reduce_sum(s * u * v * u)", X3, W3)
    yield from second("svd of a lying matrix", "s, u, v = svd(x); y = reduce_sum(matmul(u * s, v, transpose_b=True) ** 3) + reduce_sum(s ** 3)", X3[:2], W3[:2])


def pseudoinverses():
    yield from over(SHAPES, "pinv", "y = pinv(x)")
    rank_1 = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]
    yield from case("pinv of rank 1", "y = pinv(x)", variables={"x": rank_1}, seed=True, **NEAR)
    yield from case("pinv with a cutoff", "y = pinv(x, rcond=0.5)", variables={"x": [[4.0, 1.0], [0.5, 1.0]]}, seed=True, **NEAR)
    yield from case("pinv with everything cut off", "y = pinv(x, 2.0)", variables={"x": [[4.0, 1.0], [0.5, 1.0]]}, seed=True)
    yield from second("pinv", "y = reduce_sum(pinv(x) ** 2)", [[4.0, 1.0], [0.5, 1.0], [2.0, -1.0]], [[0.5, -1.25], [2.0, 0.75], [-0.375, 1.5]])
    for dtype in BOTH:
        for what, shape in (("no rows", (0, 3)), ("no columns", (3, 0)), ("no matrices", (0, 2, 3))):
            yield from case(f"pinv of {what}, {dtype}", "y = pinv(x)", dtypes=(dtype,), variables={"x": tensor(POINTS, shape, dtype)}, seed=True)


def orthogonal():
    yield from over(SHAPES, "qr", "q, r = qr(x)", target=["q", "r"])
    yield from over({k: v for k, v in SHAPES.items() if v[-2] <= v[-1]}, "qr with full matrices", "q, r = qr(x, full_matrices=True)", target=["q", "r"])
    for dtype in BOTH:
        for what, shape in (("no rows", (0, 3)), ("no columns", (3, 0)), ("no matrices", (0, 2, 3))):
            yield from case(f"qr of {what}, {dtype}", "q, r = qr(x)", dtypes=(dtype,), target=["q", "r"], variables={"x": tensor(POINTS, shape, dtype)}, seed=True)
        for what, shape in (("a standing matrix", (4, 2)), ("no columns", (3, 0))):
            yield from evaluate(f"values of qr of {what} with full matrices, {dtype}", "q, r = qr(x, True)", dtypes=(dtype,), fetch=["q", "r"], constants={"x": tensor(POINTS, shape, dtype)}, **NEAR)
    for what, x in (("the unit matrix", [[1.0, 0.0], [0.0, 1.0]]), ("a negative diagonal", [[-2.0, 0.0], [0.0, -3.0]]), ("a lower triangle", [[2.0, 0.0], [1.0, 3.0]])):
        yield from case(f"qr of {what}", "q, r = qr(x)", target=["q", "r"], variables={"x": x}, seed=True, **NEAR)
    yield from evaluate("qr of zeros", "q, r = qr(x)", fetch=["q", "r"], constants={"x": [[0.0, 0.0], [0.0, 0.0]]})
    yield from second("qr", "q, r = qr(x); y = reduce_sum(q * q * q) + reduce_sum(r * r * r)", X3, W3)
    yield from second("qr of a standing matrix", "q, r = qr(x); y = reduce_sum(q * q * q) + reduce_sum(r * r * r)", [[4.0, 1.0], [0.5, 2.0], [2.0, -1.0]], [[0.5, -1.25], [2.0, 0.75], [-0.375, 1.5]])
    yield from second("qr of a lying matrix", "q, r = qr(x); y = reduce_sum(q * q * q) + reduce_sum(r * r * r)", X3[:2], W3[:2])


# By the normal equations the rounding of A^T A counts with the square of A's condition.
SQUARED = {"rtol": {"float32": 2e-4, "float64": 2e-12}, "atol": {"float32": 2e-4, "float64": 2e-12}}


def least_squares():
    for what, (a, b) in {
        "a standing matrix": ((4, 2), (4, 1)), "several right sides": ((4, 2), (4, 3)), "a lying matrix": ((2, 4), (2, 1)), "a square": ((2, 2), (2, 2)),
        "a batch": ((2, 3, 2), (2, 3, 1)), "one": ((1, 1), (1, 1)), "a column": ((3, 1), (3, 2)),
    }.items():  # fmt: skip
        for dtype in BOTH:
            members = {"dtypes": (dtype,), "seed": True, "variables": {"a": tensor(POINTS, a, dtype), "b": tensor(POINTS[3:], b, dtype)}}
            yield from case(f"lstsq of {what}, {dtype}", "x = lstsq(a, b)", **members, **SQUARED)
            yield from case(f"lstsq of {what}, regularized, {dtype}", "x = lstsq(a, b, l2_regularizer=0.5)", **members, **SQUARED)
            del members["seed"]
            yield from evaluate(f"lstsq of {what} by singular values, {dtype}", "x = lstsq(a, b, fast=False)", **members, **NEAR)
    for dtype in BOTH:
        for what, (a, b) in {"no columns": ((3, 0), (3, 1)), "no right sides": ((3, 2), (3, 0))}.items():
            yield from case(f"lstsq of {what}, {dtype}", "x = lstsq(a, b)", dtypes=(dtype,), seed=True, variables={"a": tensor(POINTS, a, dtype), "b": tensor(POINTS, b, dtype)})
    rank_1 = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]
    yield from evaluate("the shortest solution of rank 1", "x = lstsq(a, b, fast=False)", constants={"a": rank_1, "b": [[1.0], [0.5], [2.0]]}, **NEAR)
    yield from evaluate("the shortest solution of a lying matrix of rank 1", "x = lstsq(transpose(a), b, fast=False)", constants={"a": rank_1, "b": [[1.0], [0.5]]}, **NEAR)
    yield from case("lstsq of rank 1, regularized", "x = lstsq(a, b, 0.5)", variables={"a": rank_1, "b": [[1.0], [0.5], [2.0]]}, seed=True, **SQUARED)
    members = {"variables": {"a": [[4.0, 1.0], [0.5, 2.0], [2.0, -1.0]], "b": [[1.0], [0.5], [2.0]]}, "constants": {"w": [[0.5, -1.25], [2.0, 0.75], [-0.375, 1.5]]}}
    yield from case("second order of lstsq", "y = reduce_sum(lstsq(a, b) ** 2); g = reduce_sum(grad(y, a) * w)", **members, **SQUARED)


class Exponential(Case):
    """e^x and its gradient to 50 digits: TensorFlow halves a matrix once less, and is right to 1e-14."""

    def __init__(self, name, x, dtype, rtol):
        request = {"graph": "y = expm(x)", "variables": {"x": x}}
        if dtype != "float32":
            request["dtype"] = dtype
        a, n = m.matrix(np.array(x, dtype).astype(float).tolist()), len(x)
        seed = np.array(seed_of(np.zeros((n, n), dtype)))
        block = m.zeros(2 * n)
        for i in range(n):
            for j in range(n):
                block[i, j] = block[n + i, n + j] = a[j, i]
                block[i, n + j] = m.mpf(float(seed[i, j]))
        y, g = m.expm(a, method="taylor"), m.expm(block, method="taylor")
        self.answer = {
            "value": np.array([[float(y[i, j]) for j in range(n)] for i in range(n)], dtype),
            "gradient": {"x": np.array([[float(g[i, n + j]) for j in range(n)] for i in range(n)], dtype)},
        }
        request["output_gradients"] = seed.tolist()
        # The error of scaling and squaring is one of the norm of the result, not of each element.
        most = max(float(np.abs(v).max()) for v in (self.answer["value"], self.answer["gradient"]["x"]))
        super().__init__(f"expm of {name} by mpmath, {dtype}", "gradient", request, rtol, rtol * most, False)


class Spectrum(Case):
    """Eigenvalues of Hilbert's matrix, the smallest 1e-10 of the largest, of which each is as exact as the norm allows."""

    def __init__(self, op, n, dtype, units):
        x = np.array([[1 / (i + j + 1) for j in range(n)] for i in range(n)], dtype)
        e = [float(v) for v in m.eigsy(m.matrix(x.astype(float).tolist()), eigvals_only=True)]
        ordered = sorted(e, reverse=op != "eigvalsh(x)")
        request = {"graph": f"y = {op}", "constants": {"x": [[float(str(v)) for v in row] for row in x]}}
        if dtype != "float32":
            request["dtype"] = dtype
        self.answer = {"value": np.array(ordered, dtype)}
        unit = float(np.finfo(dtype).eps)
        super().__init__(f"{op} of Hilbert's matrix of side {n} by mpmath, {dtype}", "evaluate", request, unit, units * unit * max(e), False)


def spectra():
    m.mp.dps = 50
    for op in ("eigvalsh(x)", "svd(x, compute_uv=False)"):
        yield Spectrum(op, 8, "float32", 0.5)
        yield Spectrum(op, 8, "float64", 4)


def scaled(norm):
    """A matrix of that norm, in digits that float32 has."""
    return [[x * norm for x in row] for row in ([0.5, -0.25, 0.125], [0.25, 0.125, -0.5], [-0.25, 0.375, 0.25])]


def exponentials():
    m.mp.dps = 50
    matrices = {f"norm {norm}": scaled(norm) for norm in (0.0078125, 0.125, 0.5, 1.5, 4.0, 8.0, 24.0)}
    matrices |= {
        "zero": [[0.0, 0.0], [0.0, 0.0]], "a diagonal": [[1.0, 0.0], [0.0, -2.0]], "a nilpotent": [[0.0, 1.0, 2.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]],
        "a rotation": [[0.0, -3.0], [3.0, 0.0]], "one": [[-4.0]], "decay": [[-30.0, 1.0], [0.5, -20.0]], "a defective one": [[2.0, 1.0], [0.0, 2.0]],
    }  # fmt: skip
    for name, x in matrices.items():
        yield Exponential(name, x, "float32", 4e-7)
        yield Exponential(name, x, "float64", 2e-15)
    for dtype in BOTH:
        x = tensor([p / 8 for p in POINTS], (3, 2, 2), dtype)
        yield from case(f"expm of a batch, {dtype}", "y = expm(x)", dtypes=(dtype,), variables={"x": x}, seed=True, **NEAR)
        yield from case(f"expm of nothing, {dtype}", "y = expm(x)", dtypes=(dtype,), variables={"x": tensor(POINTS, (0, 0), dtype)}, seed=True)
        # TensorFlow's loop of no steps has no gradient.
        yield from evaluate(f"expm of no matrices, {dtype}", "y = expm(x)", dtypes=(dtype,), constants={"x": tensor(POINTS, (0, 2, 2), dtype)})
    yield from evaluate("expm of NaN", "y = expm(x)", constants={"x": [[1.0, NAN], [0.0, 1.0]]})
    yield from evaluate("expm of Infinity", "y = expm(x)", constants={"x": [[1.0, INF], [0.0, 1.0]]})
    yield from evaluate("expm past the largest number", "y = expm(x)", constants={"x": [[1000.0]]})
    yield from evaluate("expm far below 0", "y = expm(x)", constants={"x": [[-1000.0]]})
    yield from second("expm", "y = reduce_sum(expm(x) ** 2)", [[0.5, -0.25], [0.125, 0.75]], [[0.5, -1.25], [2.0, 0.75]])


NORMS = {
    "of everything": ((2, 3), ""), "of a scalar": ((), ""), "1 of everything": ((2, 3), ", ord=1"), "inf of everything": ((2, 3), ", ord=inf"),
    "3 of a vector": ((4,), ", ord=3"), "2.5 along axis 0": ((3, 2), ", ord=2.5, axis=0"), "0.5 of a vector": ((3,), ", ord=0.5"),
    "2 along the last axis, kept": ((2, 3, 2), ", ord=2, axis=-1, keepdims=True"), "1 along axis 1": ((2, 3), ", 1, 1"),
    "inf along axis 0": ((3, 2), ", ord=inf, axis=0"), "euclidean, in words": ((3,), ", ord='euclidean'"),
    "fro of matrices": ((2, 2, 3), ", ord='fro', axis=[-2, -1]"), "euclidean of matrices": ((2, 2, 3), ", axis=[0, 2]"),
    "1 of matrices": ((2, 2, 3), ", ord=1, axis=[1, 2]"), "1 of matrices, axes changed": ((2, 2, 3), ", ord=1, axis=[2, 1]"),
    "inf of a matrix, kept": ((2, 3), ", ord=inf, axis=[0, 1], keepdims=True"), "inf of a matrix, axes changed": ((2, 3), ", ord=inf, axis=[1, 0]"),
    "2 of a matrix": ((3, 3), ", ord=2, axis=[0, 1]"), "2 over axes 2 and 0, kept": ((2, 3, 2), ", ord=2, axis=[2, 0], keepdims=True"),
}  # fmt: skip


def norms():
    for what, (shape, arguments) in NORMS.items():
        for dtype in BOTH:
            yield from case(f"norm {what}, {dtype}", f"y = norm(x{arguments})", dtypes=(dtype,), variables={"x": tensor(POINTS, shape, dtype)}, seed=True, **NEAR)
    for order in ("1", "2", "inf", "3", "0.5", "1.5", "'euclidean'"):
        yield from case(f"norm {order} at 0", f"y = norm(x, ord={order})", variables={"x": [0.0, 0.0]})
        yield from case(f"norm {order} with a 0", f"y = norm(x, ord={order})", variables={"x": [0.0, -2.0]}, cancel=True)
        yield from case(f"norm {order} of a tie", f"y = norm(x, ord={order})", variables={"x": [2.0, -2.0]}, cancel=True)
    for order in ("1", "inf", "'fro'", "2"):
        yield from case(f"norm {order} of a matrix of zeros", f"y = norm(x, ord={order}, axis=[0, 1])", variables={"x": [[0.0, 0.0], [0.0, 0.0]]})
        yield from case(f"norm {order} of the unit matrix", f"y = norm(x, ord={order}, axis=[0, 1])", variables={"x": [[1.0, 0.0], [0.0, 1.0]]}, cancel=True)
    for arguments in ("", ", ord=1", ", ord=inf", ", ord=1, axis=[0, 1]", ", ord=2, axis=[0, 1]", ", axis=1", ", ord='fro', axis=[0, 1]"):
        for dtype in BOTH:
            yield from case(f"norm of nothing{arguments}, {dtype}", f"y = norm(x{arguments})", dtypes=(dtype,), variables={"x": tensor(POINTS, (0, 3), dtype)})
    for x in (NAN, INF):
        for order in ("1", "2", "inf", "3"):
            yield from case(f"norm {order} of {x}", f"y = norm(x, ord={order})", variables={"x": [1.0, x]})
    for dtype in ("int32", "int64"):
        yield from evaluate(f"norm 1 of {dtype}", "y = norm(x, ord=1)", dtypes=("float32",), constants={"x": typed(dtype, [[7, -2], [-4, 1]])})
        yield from evaluate(f"norm inf of {dtype}", "y = norm(x, ord=inf, axis=[0, 1])", dtypes=("float32",), constants={"x": typed(dtype, [[7, -2], [-4, 1]])})
    for order, x in (("2", [3.0, 4.0]), ("3", [3.0, 4.0]), ("1", [3.0, -4.0])):
        yield from second(f"norm {order}", f"y = norm(x, ord={order}) ** 3", x, [0.5, -1.25])
    yield from second("norm 2 of a matrix", "y = norm(x, ord=2, axis=[0, 1]) ** 3", X3, W3)


def other_routes():
    """Along W3 (jvp, hvp), and whole Jacobians and Hessians."""
    b = [[1.0], [0.5], [2.0]]
    graphs = {
        "qr": "q, r = qr(x); y = q * r", "eigh": "e, v = eigh(x); y = e * v", "eigvalsh": "y = eigvalsh(x)", "svd": "s, u, v = svd(x); y = s * u * v",
        "singular values": "y = svd(x, compute_uv=False)", "pinv": "y = pinv(x)", "lstsq": f"y = lstsq(x, {b})",
        "norm 2 of a matrix": "y = norm(x, ord=2, axis=[0, 1])",
    }  # fmt: skip
    for name, graph in graphs.items():
        exact = SQUARED if name == "lstsq" else NEAR
        yield from case(f"jvp of {name}", graph, route="jvp", variables={"x": X3}, tangents={"x": W3}, **exact)
        yield from case(f"Jacobian of {name}", graph, route="jacobian", variables={"x": X3}, **exact)
        scalar = f"{graph}; z = reduce_sum(y * y * y)"
        yield from case(f"Hessian of {name}", scalar, route="hessian", variables={"x": X3}, **exact)
        yield from case(f"hvp of {name}", scalar, route="hvp", variables={"x": X3}, vector={"x": W3}, **exact)


def cases():
    yield from orthogonal()
    yield from symmetric()
    yield from singular()
    yield from pseudoinverses()
    yield from least_squares()
    yield from spectra()
    yield from exponentials()
    yield from norms()
    yield from other_routes()

"""Jacobians, Hessians and products with them: of element-wise functions, of what moves data, and of
whole problems. Hessians are by nested tapes, so that null and a connected 0 are TensorFlow's."""

from table import case, nest
from tables.second_order import ALL, BINARY, C, FLAT, KINK, STRUCTURES, UNARY

# gradd's Hessians are forward over reverse, TensorFlow's here reverse over reverse.
LOOSE = {"rtol": {"float32": 2e-5, "float64": 1e-11}, "atol": {"float32": 3e-7, "float64": 1e-15}, "cancel": True}

SHAPES = {
    "reduce_sum(x ** 2, axis=1)": [2, 3], "reduce_mean(sin(x), axis=0)": [2, 3], "reduce_prod(x, axis=1)": [2, 3],
    "reduce_max(x, axis=0, keepdims=True)": [3, 2], "transpose(x) * x[0, 0]": [2, 3], "x[::-1, 1:]": [2, 3],
    "concat([x, x ** 2], axis=1)": [2, 2], "stack([x, exp(x)])": [2], "reshape(x, [3, 2]) ** 2": [2, 3],
    "broadcast_to(x, [3, 2]) ** 2": [2], "expand_dims(x, 0) * expand_dims(x, 1)": [3], "x @ x": [2, 2],
    "matmul(x, x, transpose_b=True)": [2, 3], "x @ transpose(x) @ x": [2, 2], "where(x > 0, x ** 2, 3 * x)": [2, 3],
    "x[0] * x[1:]": [4], "exp(x) / reduce_sum(exp(x))": [4], "log(reduce_sum(exp(x)))": [4], "x": [2, 2], "x[:0] ** 2": [3],
    "stack([x[0] * x[1], x[1] ** 2, 3.0 * x[2]])": [3], "x / sqrt(reduce_sum(x ** 2))": [3],
}  # fmt: skip
POINT = [0.5, -1.25, 2.0, 0.75, -0.375, 1.5, -2.5]
SMALL = [0.2, -0.5, 0.8, 0.3, -0.15, 0.6, -1.0]  # weights that leave tanh out of its tails

ROSENBROCK = "y = reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)"
RESIDUALS = "r = concat([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]], axis=0)"
NET = """\
h = tanh(x @ w1 + b1)
z = h @ w2 + b2
shift = stop_gradient(reduce_max(z, axis=1, keepdims=True))
log_p = z - shift - log(reduce_sum(exp(z - shift), axis=1, keepdims=True))
loss = -reduce_mean(reduce_sum(labels * log_p, axis=1))"""
LOGISTIC = "loss = reduce_mean(softplus(-s * squeeze(x @ w + b, 1))) + 0.05 * reduce_sum(w ** 2)"


def elementwise():
    for text, x in UNARY.items():
        for route in ("jacobian", "hessian"):
            yield from case(f"{route} of {text}", f"y = {text}", route, variables={"x": x}, **LOOSE)
        yield from case(f"jvp of {text}", f"y = {text}", "jvp", variables={"x": x}, tangents={"x": C}, **LOOSE)
        yield from case(f"hvp of {text}", f"y = {text}", "hvp", variables={"x": x}, vector={"x": C}, **LOOSE)
    for text in FLAT:
        # A pole of a derivative is NaN in one half of TensorFlow's matrix only: see README.md.
        x = ALL if text.startswith("x ** ") else KINK
        yield from case(f"Hessian of {text}: null or a connected 0", f"y = {text}", "hessian", variables={"x": x}, constants={"c": C}, **LOOSE)
        yield from case(f"hvp of {text}: null or a connected 0", f"y = {text}", "hvp", ("float32",), variables={"x": x}, constants={"c": C}, vector={"x": C}, **LOOSE)
    for text, (x, y) in {**BINARY, **STRUCTURES}.items():
        for route in ("jacobian", "hessian"):
            yield from case(f"{route} of {text}", f"z = {text}", route, variables={"x": x, "y": y}, **LOOSE)
        yield from case(f"jvp of {text} by y alone", f"z = {text}", "jvp", variables={"x": x, "y": y}, tangents={"y": y}, **LOOSE)
        yield from case(f"hvp of {text} along x", f"z = {text}", "hvp", variables={"x": x, "y": y}, vector={"x": x}, **LOOSE)


def shapes():
    for text, shape in SHAPES.items():
        x = nest(POINT, shape)
        for route in ("jacobian", "hessian"):
            yield from case(f"{route} of {text} of {shape}", f"y = {text}", route, variables={"x": x}, **LOOSE)
        yield from case(f"jvp of {text} of {shape}", f"y = {text}", "jvp", variables={"x": x}, tangents={"x": nest(POINT[2:], shape)}, **LOOSE)
    yield from case("vjp with a batch of cotangents", "y = x ** 2 * w", "vjp", variables={"x": [1.0, -2.0, 0.5], "w": 3.0},
                    cotangents_batch=[[1, 0, 0], [0.5, 2, -1], [0, 0, 0]])  # fmt: skip
    yield from case("vjp with a batch of cotangents of two targets", "a = x ** 2; b = sin(x[0]) * w", "vjp", target=["a", "b"],
                    variables={"x": [1.0, -2.0], "w": 3.0, "u": 1.0}, cotangents_batch=[[[1, 0], 2], [[0, 1], 0.5]])  # fmt: skip
    yield from case("vjp by an inner node", "a = x ** 2; y = a * x", "vjp", variables={"x": [1.0, -2.0]}, sources=["a", "x"], cotangents=[2, 0.5])
    yield from case("Jacobian by an inner node", "a = x ** 2; y = a * x", "jacobian", variables={"x": [1.0, -2.0]}, sources=["a", "x"])
    yield from case("Jacobian of what is unconnected, as zeros", "y = x ** 2", "jacobian", variables={"x": [1.0, -2.0], "w": [[1.0], [2.0]]}, unconnected_gradients="zero")
    yield from case("Jacobian of a constant that is not watched", "y = x * c", "jacobian", variables={"x": [1.0, -2.0]}, constants={"c": 2.0}, sources=["x", "c"])
    yield from case("Jacobian of a constant that is watched", "y = x * c", "jacobian", variables={"x": [1.0, -2.0]}, constants={"c": 2.0}, sources=["x", "c"], watch="c")
    yield from case("Jacobian of a gradient", "f = reduce_sum(x ** 3 * x[0]); g = grad(f, x)", "jacobian", variables={"x": [1.0, -2.0, 0.5]}, **LOOSE)
    yield from case("Hessian of a gradient: third derivatives", "f = reduce_sum(sin(x) * x[0]); g = grad(f, x)", "hessian", variables={"x": [1.0, -2.0, 0.5]}, **LOOSE)
    yield from case("Hessian of weighted targets", "a = x ** 3; b = exp(x[0] * x[1])", "hessian", target=["a", "b"], output_gradients=[[1, 0.5], 2],
                    variables={"x": [1.0, -0.5]}, **LOOSE)  # fmt: skip


def problems():
    for n in (2, 5, 20):
        x = nest([-1.2, 1.0, 0.5, -0.3, 1.7], [n])
        v = nest([1.0, -2.0, 0.25], [n])
        yield from case(f"Rosenbrock's function in {n} dimensions", ROSENBROCK, "hessian", variables={"x": x}, **LOOSE)
        yield from case(f"Rosenbrock's function in {n} dimensions, hvp", ROSENBROCK, "hvp", variables={"x": x}, vector={"x": v}, **LOOSE)
        yield from case(f"Rosenbrock's function in {n} dimensions, jvp", ROSENBROCK, "jvp", variables={"x": x}, tangents={"x": v}, **LOOSE)
        yield from case(f"Rosenbrock's residuals in {n} dimensions", RESIDUALS, "jacobian", variables={"x": x}, **LOOSE)
    weights = {"w1": nest(SMALL, [3, 4]), "b1": nest(SMALL[3:], [4]), "w2": nest(SMALL[1:], [4, 2]), "b2": [0.1, -0.2]}
    data = {"x": nest([0.3, -1.1, 0.8, 1.9, -0.4], [6, 3]), "labels": [[1, 0], [0, 1], [1, 0], [1, 0], [0, 1], [0.5, 0.5]]}
    along = {"w1": nest(POINT[2:], [3, 4]), "b2": [1.0, -0.5]}
    yield from case("a net of two layers", NET, "hessian", variables=weights, constants=data, **LOOSE)
    yield from case("a net of two layers, hvp", NET, "hvp", variables=weights, constants=data, vector=along, **LOOSE)
    yield from case("a net of two layers, jvp of logits and loss", NET, "jvp", target=["z", "loss"], variables=weights, constants=data, tangents=along, format="typed", **LOOSE)
    yield from case("a net of two layers, Jacobian of the logits", NET, "jacobian", target="z", variables=weights, constants=data, **LOOSE)
    flowers = {"x": nest([0.3, -1.1, 0.8, 1.9, -0.4, 2.2, -1.3], [8, 3]), "s": [1, -1, 1, 1, -1, -1, 1, -1]}
    point = {"w": [[0.5], [-1.0], [0.25]], "b": 0.1}
    yield from case("a logistic regression", LOGISTIC, "hessian", variables=point, constants=flowers, **LOOSE)
    yield from case("a logistic regression, hvp", LOGISTIC, "hvp", variables=point, constants=flowers, vector={"w": [[1], [2], [-1]], "b": 0.5}, **LOOSE)


def cases():
    for table in (elementwise, shapes, problems):
        yield from table()

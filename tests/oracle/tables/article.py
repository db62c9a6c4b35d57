"""What the articles on GradientTape and optimizers show, as stateless requests."""

from table import case

Z = "z = (x1 + 5) * x2 ** 2"
X = {"x1": 2.0, "x2": 3.0}


def cases():
    yield from case("z = (x1 + 5) * x2 ** 2 is 63 with gradients 9 and 42", Z, variables=X)
    yield from case("the same by a list of sources", Z, variables=X, sources=["x1", "x2"])
    yield from case("the same by one source", Z, variables=X, sources="x1")
    yield from case("the same by an object of sources", Z, variables=X, sources={"a": "x1", "b": "x2"})
    yield from case("constants are not watched", Z, constants=X, sources=["x1", "x2"])
    yield from case("constants that are watched", Z, constants=X, sources=["x1", "x2"], watch=["x1", "x2"])
    yield from case("one constant that is watched", Z, constants=X, sources=["x1", "x2"], watch=["x1"])
    yield from case("a variable that is not trainable", Z, variables={"x1": {"value": 2.0, "trainable": False}, "x2": 3.0}, sources=["x1", "x2"])
    yield from case("a variable that is not trainable, watched", Z, variables={"x1": {"value": 2.0, "trainable": False}, "x2": 3.0}, sources=["x1", "x2"], watch=["x1"])
    yield from case("no accessed variable is watched", Z, variables=X, sources=["x1", "x2"], watch_accessed_variables=False)
    yield from case("no accessed variable is watched but the one that is named", Z, variables=X, sources=["x1", "x2"], watch_accessed_variables=False, watch=["x2"])
    yield from case("two targets 3x and x squared at 5 sum to 13", "y1 = 3 * x; y2 = x ** 2", variables={"x": 5.0}, target=["y1", "y2"])
    nested = f"{Z}; g1, g2 = grad(z, [x1, x2])"
    yield from case("nested tapes: the first gradient again", nested, variables=X, sources=["x1", "x2"], target="g1")
    yield from case("nested tapes: the second gradient again", nested, variables=X, sources=["x1", "x2"], target="g2")
    yield from case("nested tapes: both at once sum", nested, variables=X, sources=["x1", "x2"], target=["g1", "g2"])
    yield from case("3x^2 + 2x - 1 at 0", "y = 3 * x ** 2 + 2 * x - 1", variables={"x": 0.0})
    yield from case("a parabola with constants", "y = a * x ** 2 + b * x + c", variables={"x": 0.0}, constants={"a": 1.0, "b": -2.0, "c": 1.0})
    yield from case("the second derivative of a parabola", "y = a * x ** 2 + b * x + c; g = grad(y, x)", variables={"x": 0.0}, constants={"a": 1.0, "b": -2.0, "c": 1.0})

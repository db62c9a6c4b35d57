"""GradientTape's rules: what is watched, what is recorded, null or 0, targets and sources."""

from table import case, typed

F32 = ("float32",)
X, C = {"x": [3.0, 4.0]}, {"c": [2.0, 5.0]}


def asked(name, graph, **members):
    return case(name, graph, dtypes=F32, **members)


def unwatched():
    for text in ("x * c", "x + c", "c - x", "x / c", "c ** x", "maximum(x, c)", "mod(x, c)", "where(x > 3.5, x, c)", "concat([x, c], axis=0)", "stack([c, x])",
                 "expand_dims(x, 0) @ expand_dims(c, 1)", "x * c + c", "x * c * c"):  # fmt: skip
        yield from asked(f"a constant read by a recorded op is not watched: {text}", f"y = {text}", variables=X, constants=C, sources=["c", "x"])
    yield from asked("the same constant as zeros", "y = x * c", variables=X, constants=C, sources=["c", "x"], unconnected_gradients="zero")
    yield from asked("the same constant, watched", "y = x * c", variables=X, constants=C, sources=["c", "x"], watch=["c"])
    yield from asked("a constant deeper in a chain that is not recorded", "d = 2 * c; y = x * d", variables=X, constants=C, sources=["c", "x"])
    yield from asked("an inner node that no tape recorded", "d = 2 * c; y = x * d", variables=X, constants=C, sources=["d", "x"])
    yield from asked("an inner node that was recorded, and the constant in it", "d = c * x; y = d * d", variables=X, constants=C, sources=["d", "c", "x"])
    yield from asked("a variable that is not trainable, read by a recorded op", "y = x * v", variables={"x": 3.0, "v": {"value": 2.0, "trainable": False}})
    yield from asked("a variable that is not trainable, as zero", "y = x * v", variables={"x": 3.0, "v": {"value": [2.0, 1.0], "trainable": False}}, unconnected_gradients="zero")
    yield from asked("a variable that is not trainable, watched", "y = x * v", variables={"x": 3.0, "v": {"value": 2.0, "trainable": False}}, watch=["v"])
    yield from asked("no variable is watched", "y = x * x", variables=X, watch_accessed_variables=False)
    yield from asked("no variable is watched, zeros", "y = x * x", variables=X, watch_accessed_variables=False, unconnected_gradients="zero")
    yield from asked("one variable is watched by name, the other is read beside it", "y = x * w", variables={"x": 3.0, "w": 4.0}, watch_accessed_variables=False, watch=["x"])
    yield from asked("a constant is watched, variables are not", "y = x * c", variables=X, constants=C, sources=["x", "c"], watch_accessed_variables=False, watch=["c"])
    yield from asked("a watched name that the graph does not read", "y = x * x", variables=X, constants=C, sources=["x", "c"], watch=["c"])
    yield from asked("a name watched twice", "y = x * c", variables=X, constants=C, sources=["c"], watch=["c", "c"])
    yield from asked("only constants", "y = c * c", constants=C, sources=["c"])
    yield from asked("only constants, zeros", "y = c * c", constants=C, sources={"of c": "c"}, unconnected_gradients="zero")


def targets():
    yield from asked("a target that is its own source, watched", "y = x * x", variables=X, target="x", sources="x")
    yield from asked("a target that is its own source, unwatched", "y = x * c", variables=X, constants=C, target="c", sources="c")
    yield from asked("a target that is its own source, with an output gradient", "y = x * c", variables=X, constants=C, target="c", sources="c", output_gradients=[7.0, -8.0])
    yield from asked("a target that is its own source although nothing is watched", "y = x * x", variables=X, target="x", sources="x", watch_accessed_variables=False)
    yield from asked("an unwatched constant as target and read by another target", "y = x * c", variables=X, constants=C, target=["c", "y"], sources=["c", "x"])
    yield from asked("a watched constant as target and read by another target", "y = x * c", variables=X, constants=C, target=["c", "y"], sources=["c", "x"], watch=["c"])
    yield from asked("a variable as target and read by another target", "y = x * x", variables=X, target=["x", "y"], sources="x")
    yield from asked("a variable as target of another variable", "y = x * w", variables={"x": 3.0, "w": 4.0}, target="x", sources="w")
    yield from asked("several targets sum", "a = x ** 2; b = x ** 3", variables=X, target=["a", "b"])
    yield from asked("a target named twice counts twice", "a = x ** 2", variables=X, target=["a", "a"])
    yield from asked("several targets, one of them unconnected", "a = x ** 2; b = c * 3", variables=X, constants=C, target=["a", "b"])
    yield from asked("several targets with output gradients", "a = x ** 2; b = reduce_sum(x)", variables=X, target=["a", "b"], output_gradients=[[0.5, -1.0], 10.0])
    yield from asked("an output gradient of zeros is a connected 0", "a = x ** 2", variables=X, output_gradients=[0.0, 0.0])
    yield from asked("a target that another target reads", "a = x ** 2; b = a * x", variables=X, target=["a", "b"], sources=["x", "a"])
    yield from asked("targets of different shapes", "a = x ** 2; b = a[0]; d = stack([a, a])", variables=X, target=["a", "b", "d"])
    yield from asked("an earlier statement as target", "a = x ** 2; b = a * 5", variables=X, target="a")
    yield from asked("a constant as target", "y = x * c", variables=X, constants=C, target="c", sources="x")
    yield from asked("a bare expression as target", "a = x ** 2; a * 5 + 1", variables=X)


def sources():
    z = "y = x * x; z = y * x"
    yield from asked("an inner node gets its total derivative", z, variables=X, sources=["y", "x"])
    yield from asked("an inner node and the target itself", z, variables=X, sources=["z", "y", "x"])
    yield from asked("an inner node with several readers", "y = x * x; z = y * y + y", variables=X, sources=["y"])
    yield from asked("a source computed from the target", z, variables=X, target="y", sources=["z", "x"])
    yield from asked("a source named twice", z, variables=X, sources=["x", "x"])
    yield from asked("no sources in a list", z, variables=X, sources=[])
    yield from asked("no sources in an object", z, variables=X, sources={})
    yield from asked("nested sources", "z = x * w ** 2", variables={"x": 3.0, "w": 4.0}, sources={"a": ["x", "w"], "b": {"c": "x", "d": ["w"]}})
    yield from asked("sources of unequal shapes", "z = reduce_sum(x) * w", variables={"x": [3.0, 1.0], "w": 4.0}, sources=["x", "w"])
    yield from asked("a variable that the target does not read", "z = x * x", variables={"x": 3.0, "w": 4.0})
    yield from asked("a variable that the target does not read, as zeros", "z = x * x", variables={"x": 3.0, "w": [4.0, 5.0]}, unconnected_gradients="zero")
    yield from asked("a slice as source", "a = x[0]; z = a * x[1]", variables=X, sources=["a", "x"])
    yield from asked("a reshape as source", "a = reshape(x, [2, 1]); z = a * x", variables=X, sources=["a", "x"])
    yield from asked("an identity as source", "a = identity(x); z = a * x", variables=X, sources=["a", "x"])
    yield from asked("variables of two dtypes", 'z = cast(x, "float64") * w', variables={"x": typed("float32", [0.5, 2.0]), "w": typed("float64", [3.0, -4.0])}, sources=["x", "w"])
    yield from asked("a variable read again and again", "z = x; z2 = z * x + x * 3", variables=X)


def cuts():
    yield from asked("stop_gradient as target", "y = stop_gradient(x)", variables=X)
    yield from asked("stop_gradient beside the variable", "y = stop_gradient(x) * x", variables=X)
    yield from asked("the result of stop_gradient as source", "s = stop_gradient(x); y = s * x", variables=X, sources=["s", "x"])
    yield from asked("the result of stop_gradient as source, read deeper", "s = stop_gradient(x); d = s * 2; y = d * x", variables=X, sources=["s", "d", "x"])
    yield from asked("stop_gradient of an inner node", "a = x * x; y = stop_gradient(a) + a", variables=X, sources=["a", "x"])
    yield from asked("everything behind stop_gradient, zeros", "y = stop_gradient(x) * 2", variables=X, unconnected_gradients="zero")
    for text in ("zeros_like(x)", "ones_like(x)", "x // 2", "x > 3", "x == x", "cast(x, 'int32')", "cast(cast(x, 'int32'), 'float32')", "cast(x > 3, 'float32')"):
        yield from asked(f"{text} is not differentiable", f"y = {text}", variables=X)
        yield from asked(f"{text} is not differentiable, zeros", f"y = {text}", variables=X, unconnected_gradients="zero")
    yield from asked("a path through zeros_like beside another", "y = (zeros_like(x) + 2) * x", variables=X)
    yield from asked("a variable whose shape alone is used", "y = zeros_like(x) * w", variables={"x": [3.0, 4.0], "w": 2.0})
    yield from asked("a variable in a condition alone", "y = where(x > 3.5, w, 2 * w)", variables={"x": [3.0, 4.0], "w": [1.0, 2.0]})
    yield from asked("sign is a connected 0", "y = sign(x)", variables=X)
    yield from asked("x - x is a connected 0", "y = x - x", variables=X)
    yield from asked("0 * x is a connected 0", "y = 0 * x", variables=X)
    yield from asked("the unselected side is a connected 0", "y = where(x > 0, w, x)", variables={"x": [3.0, 4.0], "w": [1.0, 2.0]})
    yield from asked("the smaller side of maximum is a connected 0", "y = maximum(x, w)", variables={"x": [3.0, 4.0], "w": [1.0, 2.0]})
    yield from asked("an element that is not read is 0", "y = x[0]", variables=X)
    yield from asked("the exponent of x ** 2 as a constant", "y = x ** c", variables=X, constants={"c": 2.0}, sources=["x", "c"])


def integers():
    i = typed("int32", [2, 3])
    yield from asked("an integer variable has no gradient", "y = i * 2", variables={"i": i})
    yield from asked("an integer variable, zeros", "y = i * 2", variables={"i": i}, unconnected_gradients="zero")
    yield from asked("an integer variable cast to float", 'y = cast(i, "float32") * x', variables={"i": i, "x": 1.5})
    yield from asked("an integer variable that is watched", 'y = cast(i, "float32") * x', variables={"i": i, "x": 1.5}, watch=["i"])
    yield from asked("an integer variable as its own target", "y = i * 2", variables={"i": i}, target="i", sources="i")
    yield from asked("an integer inner node as source", 'd = cast(x, "int32"); y = cast(d, "float32") * x', variables=X, sources=["d", "x"])
    yield from asked("an integer target of a float variable, with its own path", 'd = cast(x, "int32"); y = d * 2', variables=X, sources=["x", "d"])
    yield from asked("an integer target that is an inner source", 'd = cast(x, "int32"); e = d + 1', variables=X, target="d", sources=["x", "d"])
    yield from asked("a bool constant as condition and source", "y = where(b, x, 2 * x)", variables=X, constants={"b": [True, False]}, sources=["b", "x"])
    yield from asked("a bool target with itself as source", "b = x > 3.5", variables=X, sources=["b", "x"])


def nested():
    yield from asked("the gradient by a constant, differentiated by variable and constant", "y = c * c * x; g = grad(y, c)", variables=X, constants=C, sources=["x", "c"])
    yield from asked("the same with the constant watched", "y = c * c * x; g = grad(y, c)", variables=X, constants=C, sources=["x", "c"], watch=["c"])
    yield from asked("the gradient by a variable that the outer tape does not watch", "y = x * x * w; g = grad(y, x)", variables={"x": 3.0, "w": 4.0}, watch_accessed_variables=False, watch=["w"], sources=["x", "w"])
    yield from asked("a gradient through stop_gradient of a gradient", "y = x ** 3; g = stop_gradient(grad(y, x)); s = g * x", variables=X)
    yield from asked("a gradient used beside its target", "y = x ** 3; g = grad(y, x); s = y * g", variables=X)
    yield from asked("the first gradient as a source", "y = x ** 3; g = grad(y, x); s = g * g * x", variables=X, sources=["g", "y", "x"])
    yield from asked("a zero gradient of an unconnected source", "y = x ** 3; g = grad(y, w, unconnected='zero'); s = g + x * w", variables={"x": 3.0, "w": 4.0})
    yield from asked("gradients of two targets inside", "a = x ** 2; b = x ** 3; g = grad([a, b], x)", variables=X)
    yield from asked("a gradient that reads no variable", "y = 3 * x; g = grad(y, x); s = g * g", variables=X)
    yield from asked("a gradient by an inner node", "a = x ** 2; y = a ** 3; g = grad(y, a)", variables=X, sources=["a", "x"])


def cases():
    for table in (unwatched, targets, sources, cuts, integers, nested):
        yield from table()

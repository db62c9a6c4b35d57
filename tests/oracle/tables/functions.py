"""Functions of the graph's text, and tf.custom_gradient."""

from table import case

LOG1PEXP = """def f(x): return log(1 + exp(x))
def f_grad(g, x): return g * (1 - 1 / (1 + exp(x)))
h = custom_gradient(f, f_grad)
"""
CLIP = """def f(x): return identity(x)
def f_grad(g, x): return clip_by_value(g, -1.0, 1.0)
h = custom_gradient(f, f_grad)
"""
ROUND = """def f(x): return round(x)
def f_grad(g, x): return g
h = custom_gradient(f, f_grad)
"""
PRODUCT = """def f(a, b): return a * b ** 2
def f_grad(g, a, b): return g * b ** 2 * 10, g * a * b * 100
h = custom_gradient(f, f_grad)
"""
HALF = """def f(a, b): return a * b
def f_grad(g, a, b): return g * b, None
h = custom_gradient(f, f_grad)
"""
PAIR = """def f(x):
    return x * x, reduce_sum(x)
def f_grad(g, s, x):
    return clip_by_value(g, -1.0, 1.0) * x + 5 * s
h = custom_gradient(f, f_grad)
"""
OUTSIDE = """def f(x): return x * w
def f_grad(g, x): return g * w ** 2
h = custom_gradient(f, f_grad)
"""
X = [-2.0, 0.0, 1.5, 0.25]
C = [0.5, -1.25, 2.0, 0.75]


def functions():
    block = "def f(a, b):\n    c = a * b\n    return c + a\n"
    yield from case("a function called twice", block + "y = f(x, 2) * f(3, b=x)", variables={"x": X}, cancel=True)
    yield from case("a gradient inside of a function", "def f(x): return x ** 3\ndef d(x): return grad(f(x), x)\ny = d(x) * x", variables={"x": X})
    yield from case("several results", "def f(x):\n    return sin(x), cos(x)\na, b = f(x)\ny = a * b", variables={"x": X})


def defaults():
    inner = "def f(x, k=2.0):\n    def g(a, b=k):\n        return a * b + x\n    return g(x) * g(1.0, b=x)\n"
    yield from case("what is left out", "def f(x, k=2.0, p=3): return k * x ** p\ny = f(x) * f(x, p=2) + f(k=x, x=4.0)", variables={"x": X}, cancel=True)
    yield from case("a default that is computed", "def f(x, k=w * 2.0): return k * x\ny = f(x) * w", variables={"x": X, "w": C})
    yield from case("a function inside of a function", inner + "y = f(x) + f(x, 3.0)", variables={"x": X}, cancel=True)
    yield from case("a function inside of a function, second derivative", inner + "y = f(x); g = grad(y, x); s = reduce_sum(g * c)", variables={"x": X}, constants={"c": C}, cancel=True)
    yield from case("a rule inside of a function", "def k(x):\n    def f(a): return a ** 2\n    def f_grad(g, a): return g * x\n    h = custom_gradient(f, f_grad)\n    return h(x * 2.0)\ny = k(x)",
                    variables={"x": X})  # fmt: skip
    yield from case("a rule without a name", LOG1PEXP + "y = custom_gradient(f, f_grad)(x) * x", variables={"x": X})
    yield from case("a rule of a rule", LOG1PEXP + "y = custom_gradient(custom_gradient(f, f_grad), f_grad)(x)", variables={"x": X})


def rules():
    c = {"c": C}
    yield from case("log1pexp", LOG1PEXP + "y = h(x)", variables={"x": [-2.0, 0.0, 1.5, 1000.0]})
    yield from case("log1pexp with output gradients", LOG1PEXP + "y = h(x)", variables={"x": X}, seed=True)
    yield from case("second derivative of log1pexp", LOG1PEXP + "y = h(x); g = grad(y, x); s = reduce_sum(g * c)", fetch=["g"], variables={"x": X}, constants=c)
    yield from case("third derivative of log1pexp", LOG1PEXP + "y = h(x); g = grad(grad(y, x), x)", variables={"x": X}, cancel=True)
    yield from case("log1pexp of log1pexp", LOG1PEXP + "y = h(h(x) * x)", variables={"x": X})
    yield from case("second derivative of log1pexp of log1pexp", LOG1PEXP + "y = h(h(x) * x); g = grad(y, x); s = reduce_sum(g * c)", variables={"x": X}, constants=c, cancel=True)
    yield from case("the gradient of a value used twice is clipped once", CLIP + "y = h(x); z = reduce_sum(y * c) + reduce_sum(y * y)", variables={"x": X}, constants=c)
    yield from case("straight through round", ROUND + "y = h(x) ** 2 * x", variables={"x": X})
    yield from case("two arguments", PRODUCT + "y = h(x, z)", variables={"x": X, "z": C})
    yield from case("an argument twice", PRODUCT + "y = h(x, x)", variables={"x": X})
    yield from case("a None among the gradients", HALF + "y = h(x, z)", variables={"x": X, "z": C})
    yield from case("a None among the gradients as zero", HALF + "y = h(x, z)", variables={"x": X, "z": C}, unconnected_gradients="zero")
    yield from case("two results", PAIR + "a, b = h(x); y = reduce_sum(a * c) * b", variables={"x": X}, constants=c)
    yield from case("one of two results", PAIR + "a, b = h(x); y = a * c", variables={"x": X}, constants=c)
    yield from case("a name from outside", OUTSIDE + "y = h(x) * w", variables={"x": X}, constants={"w": C})
    yield from case("constants as arguments", PRODUCT + "y = h(x, z)", constants={"x": X, "z": C}, sources=["x", "z"])
    yield from case("a rule inside of a gradient's rule", LOG1PEXP + "def k(x): return x ** 2\ndef k_grad(g, x): return h(g * x) * x\nm = custom_gradient(k, k_grad)\ny = m(x); g = grad(y, x); s = reduce_sum(g * c)", fetch=["g"], variables={"x": X}, constants=c)


def other_routes():
    yield from case("Jacobian of log1pexp", LOG1PEXP + "y = h(x)", route="jacobian", variables={"x": X})
    yield from case("Jacobian of two arguments", PRODUCT + "y = h(x, z)", route="jacobian", variables={"x": X, "z": C})
    yield from case("Hessian of log1pexp", LOG1PEXP + "y = reduce_sum(h(x) * x)", route="hessian", variables={"x": X}, cancel=True)
    yield from case("jvp of log1pexp", LOG1PEXP + "y = h(x)", route="jvp", variables={"x": X}, tangents={"x": C})
    yield from case("hvp of log1pexp", LOG1PEXP + "y = reduce_sum(h(x))", route="hvp", variables={"x": X}, vector={"x": C})


def cases():
    for table in (functions, defaults, rules, other_routes):
        yield from table()

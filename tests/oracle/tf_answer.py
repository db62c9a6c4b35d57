"""Answers a gradd request with TensorFlow.

The graph's text is run as Python, with TensorFlow's own functions under gradd's names: one text is
what both sides compute, so nothing is written twice. Only what Python says differently from gradd
(and, or, not, chained comparisons, `a if c else b`) cannot stand in a text of these tables.
"""

import ast
import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

OPS = {
    "add": tf.add, "subtract": tf.subtract, "multiply": tf.multiply, "divide": tf.divide,
    "negative": tf.negative, "pow": tf.pow, "square": tf.square, "sqrt": tf.sqrt,
    "rsqrt": tf.math.rsqrt, "reciprocal": tf.math.reciprocal, "exp": tf.exp,
    "expm1": tf.math.expm1, "log": tf.math.log, "log1p": tf.math.log1p, "sin": tf.sin,
    "cos": tf.cos, "tan": tf.tan, "sinh": tf.sinh, "cosh": tf.cosh, "tanh": tf.tanh,
    "sigmoid": tf.sigmoid, "softplus": tf.math.softplus, "relu": tf.nn.relu, "abs": tf.abs,
    "sign": tf.sign, "maximum": tf.maximum, "minimum": tf.minimum, "floordiv": tf.math.floordiv,
    "mod": tf.math.mod, "where": tf.where, "stop_gradient": tf.stop_gradient,
    "identity": tf.identity, "equal": tf.equal, "not_equal": tf.not_equal, "less": tf.less,
    "less_equal": tf.less_equal, "greater": tf.greater, "greater_equal": tf.greater_equal,
    "logical_and": tf.logical_and, "logical_or": tf.logical_or, "logical_not": tf.logical_not,
    "reduce_sum": tf.reduce_sum, "reduce_mean": tf.reduce_mean, "reduce_max": tf.reduce_max,
    "reduce_min": tf.reduce_min, "reduce_prod": tf.reduce_prod, "matmul": tf.matmul,
    "transpose": tf.transpose, "reshape": tf.reshape, "expand_dims": tf.expand_dims,
    "squeeze": tf.squeeze, "concat": tf.concat, "stack": tf.stack, "slice": tf.slice,
    "cast": tf.cast, "zeros_like": tf.zeros_like, "ones_like": tf.ones_like,
    "broadcast_to": tf.broadcast_to,
    "asin": tf.asin, "acos": tf.acos, "atan": tf.atan, "asinh": tf.asinh, "acosh": tf.acosh,
    "atanh": tf.atanh, "atan2": tf.atan2, "hypot": tf.experimental.numpy.hypot,
    "exp2": tf.experimental.numpy.exp2, "log2": tf.experimental.numpy.log2,
    "log10": tf.experimental.numpy.log10, "cbrt": tf.experimental.numpy.cbrt,
    "erf": tf.math.erf, "erfc": tf.math.erfc, "floor": tf.floor, "ceil": tf.math.ceil,
    "round": tf.round, "rint": tf.math.rint, "divide_no_nan": tf.math.divide_no_nan,
    "squared_difference": tf.math.squared_difference, "xlogy": tf.math.xlogy,
    "xlog1py": tf.math.xlog1py, "xdivy": tf.math.xdivy, "clip_by_value": tf.clip_by_value,
    "is_nan": tf.math.is_nan, "is_inf": tf.math.is_inf, "is_finite": tf.math.is_finite,
    "relu6": tf.nn.relu6, "leaky_relu": tf.nn.leaky_relu, "elu": tf.nn.elu, "selu": tf.nn.selu,
    "softsign": tf.nn.softsign, "gelu": tf.nn.gelu, "silu": tf.nn.silu, "swish": tf.nn.swish,
    "mish": tf.keras.activations.mish, "log_sigmoid": tf.math.log_sigmoid,
    "hard_sigmoid": tf.keras.activations.hard_sigmoid, "hard_silu": tf.keras.activations.hard_silu,
    "hard_tanh": tf.keras.activations.hard_tanh,
    "lgamma": tf.math.lgamma, "digamma": tf.math.digamma, "polygamma": tf.math.polygamma,
    "zeta": tf.math.zeta, "erfinv": tf.math.erfinv, "ndtri": tf.math.ndtri,
    "ndtr": lambda x: 0.5 * tf.math.erfc(-x * math.sqrt(0.5)), "betainc": tf.math.betainc,
    "igamma": tf.math.igamma, "igammac": tf.math.igammac,
    "dawsn": tf.math.special.dawsn, "expint": tf.math.special.expint,
    "spence": tf.math.special.spence,
    **{f"bessel_{f}": getattr(tf.math.special, f"bessel_{f}")
       for f in ("i0", "i0e", "i1", "i1e", "j0", "j1", "k0", "k0e", "k1", "k1e", "y0", "y1")},
}  # fmt: skip

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


# ---- gradd's values to NumPy's and back


def _leaves(v):
    return [x for item in v for x in _leaves(item)] if isinstance(v, list) else [v]


def _numbers(v):
    return [_numbers(item) for item in v] if isinstance(v, list) else NON_FINITE.get(v, v) if isinstance(v, str) else v


def decode(v, dtype):
    """A value of a request; an untyped one is of `dtype`, or bool where it holds booleans."""
    if isinstance(v, dict):
        return np.array(_numbers(v["data"]), dtype=v["dtype"]).reshape(v["shape"])
    leaves = _leaves(v)
    if leaves and all(isinstance(x, bool) for x in leaves):
        dtype = "bool"
    return np.array(_numbers(v), dtype=dtype)


def _digits(x):
    if isinstance(x, (np.bool_, np.integer)):
        return x.item()
    if not np.isfinite(x):
        return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return float(np.format_float_scientific(x, unique=True))  # the shortest digits in its dtype


def encode(a, typed):
    """A NumPy array as gradd answers it: nested, or typed with flat data."""
    if a is None:
        return None
    flat = [_digits(x) for x in a.reshape(-1)]
    if typed:
        return {"dtype": a.dtype.name, "shape": list(a.shape), "data": flat}
    for n in reversed(a.shape[1:]):
        flat = [flat[i : i + n] for i in range(0, len(flat), n)]
    return flat if a.ndim else flat[0]


def map_structure(f, s):
    if isinstance(s, dict):
        return {k: map_structure(f, v) for k, v in s.items()}
    return [map_structure(f, v) for v in s] if isinstance(s, list) else f(s)


def custom_gradient(f, f_grad):
    """gradd's form of it: f_grad gets the output gradients, then f's arguments."""

    @tf.custom_gradient
    def h(*args):
        return f(*args), lambda *gradients: f_grad(*gradients, *args)

    return h


OPS["custom_gradient"] = custom_gradient


# ---- running a request


def _bindings(request):
    """Names of the request as TensorFlow's variables and constants."""
    dtype = request.get("dtype", "float32")
    names = {}
    for name, v in request.get("variables", {}).items():
        trainable = True
        if isinstance(v, dict) and "value" in v:
            v, trainable = v["value"], v.get("trainable", True)
        names[name] = tf.Variable(decode(v, dtype), trainable=trainable)
    for name, v in request.get("constants", {}).items():
        names[name] = tf.constant(decode(v, dtype))
    return names


def _compile(text):
    """The text's code, and the name of its last statement's value."""
    tree = ast.parse(text)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_last", ast.Store())], last.value), last)
    target = tree.body[-1].targets[0]
    return compile(ast.fix_missing_locations(tree), "graph", "exec"), getattr(target, "id", None)


def _gradient_function(tape):
    """`grad(y, x, unconnected=...)`: the persistent tape records its own gradients, so they nest.
    It watches every binding, since gradd's grad differentiates by whatever it is asked for."""

    def grad(target, sources, unconnected="none"):
        return tape.gradient(target, sources, unconnected_gradients=unconnected)

    return grad


def run(request, route):
    """The answer with NumPy arrays in it: {"value", "gradient", "fetched"}."""
    code, last = _compile(request["graph"])
    names = _bindings(request)
    watch_variables = request.get("watch_accessed_variables", True)
    watch = request.get("watch", [])
    outer = tf.GradientTape(watch_accessed_variables=watch_variables)
    inner = tf.GradientTape(persistent=True)
    with outer, inner:
        for name in [watch] if isinstance(watch, str) else watch:
            outer.watch(names[name])
        for value in names.values():
            inner.watch(value)
        scope = dict(OPS, grad=_gradient_function(inner), **names)
        exec(code, scope)

    def value(name):
        return tf.convert_to_tensor(scope[name]).numpy()

    if route == "evaluate":
        return {"value": map_structure(value, request.get("fetch", last))}
    target = request.get("target", last)
    tensors = map_structure(scope.__getitem__, target)
    sources = request.get("sources", {name: name for name in request.get("variables", {})})
    seeds = request.get("output_gradients")
    if seeds is not None:
        one = not isinstance(target, list)
        pairs = zip([tensors], [seeds]) if one else zip(tensors, seeds)
        seeds = [tf.constant(decode(g, y.dtype.name)) for y, g in pairs]
    gradient = outer.gradient(
        tensors,
        map_structure(scope.__getitem__, sources),
        output_gradients=seeds,
        unconnected_gradients=request.get("unconnected_gradients", "none"),
    )
    answer = {
        "value": map_structure(value, target),
        "gradient": map_structure(lambda g: None if g is None else tf.convert_to_tensor(g).numpy(), gradient),
    }
    if "fetch" in request:
        answer["fetched"] = map_structure(value, request["fetch"])
    return answer


def arrays_of(s):
    """All arrays in an answer."""
    if isinstance(s, (dict, list)):
        return [a for v in (s.values() if isinstance(s, dict) else s) for a in arrays_of(v)]
    return [] if s is None else [s]

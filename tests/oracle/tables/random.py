"""Random tensors and dropout. TensorFlow does not say which numbers a seed gives; gradd does
(core/kernels/random.h), and this is a second program of that definition, with SciPy's quantile. What
is done with the numbers is TensorFlow's. Making the table also asks SciPy how they are distributed."""

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, typed

MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10 (Salmon and others, SC11)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [b >> 32 ^ c[1] ^ k[0], b & MASK, a >> 32 ^ c[3] ^ k[1], a & MASK]
        k = [k[0] + 0x9E3779B9 & MASK, k[1] + 0xBB67AE85 & MASK]
    return c


def bits(seed, i, attempt=0):
    s0, s1 = (int(s) & 0xFFFFFFFFFFFFFFFF for s in seed)
    block = philox([i // 2, attempt, s1 & MASK, s1 >> 32], [s0 & MASK, s0 >> 32])
    return block[2 * (i % 2)] | block[2 * (i % 2) + 1] << 32


def integer(seed, i, low, high):
    attempt = 0
    while (x := bits(seed, i, attempt)) >= 2**64 - 2**64 % (high - low):
        attempt += 1
    return low + x % (high - low)


def middle(x):
    return ((x >> 12) + 0.5) * 2.0**-52


MASS = scipy.special.ndtr(2.0) - scipy.special.ndtr(-2.0)
DRAW = {
    "uniform": lambda x, dtype: (x >> 40) * 2.0**-24 if dtype == "float32" else (x >> 11) * 2.0**-53,
    "normal": lambda x, dtype: scipy.special.ndtri(middle(x)),
    "truncated_normal": lambda x, dtype: scipy.special.ndtri(0.5 + (middle(x) - 0.5) * MASS),
}  # fmt: skip


def draw(kind, shape, seed, dtype):
    n = int(np.prod(shape, dtype=int))
    return tf.constant(np.array([DRAW[kind](bits(seed, i), dtype) for i in range(n)], dtype=dtype).reshape(shape))


def plain(seed):
    return [int(s) for s in np.array(seed)]


def uniform(shape, seed, minval=None, maxval=None, dtype=None):
    dtype = dtype or DTYPE
    if dtype.startswith("int"):
        low, high = int(minval or 0), int(maxval)
        n = int(np.prod(shape, dtype=int))
        return tf.constant([integer(plain(seed), i, low, high) for i in range(n)], dtype, shape)
    u = draw("uniform", shape, plain(seed), dtype)
    return u if minval is None and maxval is None else u * ((1 if maxval is None else maxval) - (low := 0 if minval is None else minval)) + low


def normal(kind):
    def f(shape, seed, mean=0, stddev=1, dtype=None):
        return draw(kind, shape, plain(seed), dtype or DTYPE) * stddev + mean

    return f


def kept(x, rate, mask):
    return tf.where(mask, x * (1 / (1 - rate)), tf.zeros([], x.dtype))


DTYPE = "float32"  # of a request that says none, as below
tf_answer.OPS.update({
    **{d: d for d in ("float32", "float64", "int32", "int64")},
    "stateless_uniform": uniform, "stateless_normal": normal("normal"), "stateless_truncated_normal": normal("truncated_normal"),
    "dropout": lambda x, rate, mask: kept(x, rate, mask) if rate else x,
    "stateless_dropout": lambda x, rate, seed: kept(x, rate, draw("uniform", x.shape, plain(seed), x.dtype.name) >= rate) if rate else x,
})  # fmt: skip

EXACT = {"float32": 1e-9, "float64": 1e-17}
SEEDS = ("[1, 2]", "[0, 0]", "[-1, 2147483647]")


def numbers():
    for kind in ("uniform", "normal", "truncated_normal"):
        rtol = EXACT if kind == "uniform" else None
        for dtype in BOTH:
            for seed in SEEDS:
                yield from evaluate(f"stateless_{kind} of seed {seed}, {dtype}", f"y = stateless_{kind}([3, 5], seed={seed}, dtype={dtype})",
                                    dtypes=("float32",), rtol=rtol)  # fmt: skip
            for shape in ("[]", "[0, 2]", "[1]", "[2, 2, 2]"):
                yield from evaluate(f"stateless_{kind} of shape {shape}, {dtype}", f"y = stateless_{kind}({shape}, [1, 2], dtype={dtype})", dtypes=("float32",), rtol=rtol)
    for dtype in ("int32", "int64"):
        for low, high in ((0, 10), (-5, 5), (0, 1), (-2147483648, 2147483647)) + (((-4611686018427387904, 9223372036854775807),) if dtype == "int64" else ()):
            yield from evaluate(f"stateless_uniform of {dtype} from {low} to {high}", f"y = stateless_uniform([11], [3, 4], minval={low}, maxval={high}, dtype={dtype})",
                                dtypes=("float32",))  # fmt: skip
        yield from evaluate(f"stateless_uniform of {dtype} below a bound", f"y = stateless_uniform([7], s, maxval=n, dtype={dtype})", dtypes=("float32",),
                            constants={"s": typed("int64", [123456789012345, -98765432109876]), "n": typed(dtype, 6)})  # fmt: skip


def derivatives():
    for op, low, high in (("stateless_uniform", "minval", "maxval"), ("stateless_normal", "mean", "stddev"), ("stateless_truncated_normal", "mean", "stddev")):
        for dtype in BOTH:
            yield from case(f"gradient of {op}, {dtype}", f"y = {op}([2, 3], [5, 6], {low}=a, {high}=b, dtype={dtype})", dtypes=(dtype,),
                            variables={"a": 0.5, "b": [1.5, 2.0, -1.0]}, seed=True, cancel=True)  # fmt: skip
            yield from case(f"gradient of {op} in {high}, {dtype}", f"y = {op}([2, 3], [5, 6], {high}=b, dtype={dtype}) ** 2", dtypes=(dtype,),
                            variables={"b": 1.75}, seed=True, cancel=True)  # fmt: skip


def dropouts():
    x = [[1.5, -2.0, 0.75], [3.0, "NaN", 1.25]]
    for rate in ("0.0", "0.5", "0.9"):
        for mask in ([[True, False, True], [True, False, False]], [True, True, False], [[False], [True]]):
            yield from case(f"dropout at {rate} by {mask}", f"y = dropout(x, {rate}, m)", variables={"x": x}, constants={"m": mask}, seed=True)
        yield from case(f"stateless_dropout at {rate}", f"y = stateless_dropout(x, {rate}, [1, 2])", variables={"x": x}, seed=True)
    yield from case("the second derivative of dropout", "y = dropout(x ** 3, 0.25, m)\ng = grad(y, x)", variables={"x": [1.0, 2.0]}, constants={"m": [True, False]}, seed=True)
    yield from case("dropout is linear", "y = dropout(x, 0.25, m)\ng = grad(y, x)", variables={"x": [1.0, 2.0]}, constants={"m": [True, False]}, seed=True)


def distributions():
    """SciPy's opinion: Kolmogorov and Smirnov's probability of a distance as large as that found."""
    laws = {"uniform": scipy.stats.uniform.cdf, "normal": scipy.stats.norm.cdf, "truncated_normal": scipy.stats.truncnorm(-2, 2).cdf}
    for kind, law in laws.items():
        for seed in ((1, 2), (2**40, -3)):
            p = scipy.stats.kstest([DRAW[kind](bits(seed, i), "float64") for i in range(20000)], law).pvalue
            assert p > 0.01, (kind, seed, p)


def cases():
    distributions()
    for table in (numbers, derivatives, dropouts):
        yield from table()

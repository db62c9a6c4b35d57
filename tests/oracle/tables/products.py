"""Products of tensors: einsum and what is a matrix product in other clothes."""

import tensorflow as tf

import tf_answer
from table import BOTH, case, evaluate, tensor, typed

tf_answer.OPS.update({
    "einsum": tf.einsum, "tensordot": tf.tensordot, "dot": tf.experimental.numpy.dot,
    "inner": tf.experimental.numpy.inner, "vdot": tf.experimental.numpy.vdot,
    "matvec": tf.linalg.matvec, "cross": tf.linalg.cross,
})  # fmt: skip

POINTS = [1.5, -2.0, 0.75, 3.0, -0.5, 1.25, 2.5, -1.75, 0.25, -3.5, 4.0, 0.5,
          0.1, -0.2, 0.3, -0.4, 0.6, -0.7, 0.8, 1.1, -1.2, 1.3, 1.4, -1.6]  # fmt: skip

# equation, one tuple of shapes for each case
SUBSCRIPTS = [
    ("i->i", ((3,),)),
    ("ij->ji", ((2, 3),), ((0, 3),), ((1, 1),)),
    ("ij", ((2, 3),)),
    ("ba", ((2, 3),)),
    ("aB", ((2, 3),)),
    (" i j -> j i ", ((2, 3),)),
    ("ij->", ((2, 3),), ((0, 3),)),
    ("ij->j", ((2, 3),), ((0, 3),)),
    ("ijk->ki", ((2, 3, 2),)),
    ("ii", ((3, 3),), ((1, 1),), ((0, 0),)),
    ("ii->i", ((3, 3),), ((0, 0),)),
    ("iii->i", ((2, 2, 2),)),
    ("iij->ji", ((2, 2, 3),)),
    ("iijj->ij", ((2, 2, 3, 3),)),
    ("ijij->", ((2, 3, 2, 3),)),
    ("ijij->ji", ((2, 3, 2, 3),)),
    ("...ii->...i", ((2, 3, 3),), ((3, 3),)),
    ("ii...->...", ((2, 2, 3),)),
    ("i...j->j...i", ((2, 3, 4),), ((2, 3),), ((2, 1, 2, 3),)),
    ("...->...", ((2, 3),), ((),)),
    ("->", ((),)),
    ("ij,jk->ik", ((2, 3), (3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((1, 1), (1, 1))),
    ("ij,jk->ki", ((2, 3), (3, 2))),
    ("ij,kj->ik", ((2, 3), (4, 3))),
    ("ji,jk->ik", ((3, 2), (3, 4))),
    ("ji,kj", ((3, 2), (2, 3))),
    ("IJ,Jk->kI", ((2, 3), (3, 2))),
    ("ij,j->i", ((2, 3), (3,))),
    ("i,ij", ((2,), (2, 3))),
    ("i,i->", ((4,), (4,)), ((0,), (0,)), ((1,), (1,))),
    ("i,i->i", ((4,), (4,)), ((0,), (0,))),
    ("i,j->ij", ((2,), (3,)), ((2,), (0,))),
    ("i,j->ji", ((2,), (3,))),
    ("i,j->", ((2,), (3,))),
    (",->", ((), ())),
    (",ij->ij", ((), (2, 3))),
    ("i,->i", ((3,), ())),
    ("ij,ij->", ((2, 3), (2, 3))),
    ("ij,ji->", ((2, 3), (3, 2))),
    ("ij,ij->i", ((2, 3), (2, 3))),
    ("ii,ij->j", ((2, 2), (2, 3))),
    ("ij,kl->jl", ((2, 3), (2, 2))),
    ("ij,kl->ijkl", ((2, 3), (2, 2))),
    ("bij,bjk->bik", ((2, 2, 3), (2, 3, 2)), ((0, 2, 3), (0, 3, 2)), ((1, 2, 3), (1, 3, 1))),
    ("bij,bjk->ikb", ((2, 2, 3), (2, 3, 2))),
    ("ibj,jkb->kb", ((2, 2, 3), (3, 2, 2))),
    ("bhqd,bhkd->bhqk", ((1, 2, 3, 2), (1, 2, 2, 2))),
    ("abc,bad->dc", ((2, 3, 2), (3, 2, 2))),
    ("...ij,...jk->...ik", ((2, 2, 3), (2, 3, 2)), ((3, 2, 2), (2, 2)), ((2, 1, 2, 2), (3, 2, 1)), ((1, 2, 2), (3, 2, 2)), ((2, 2), (2, 2))),
    ("...i,...i->...", ((2, 3), (2, 3)), ((1, 3), (2, 3)), ((3,), (3,))),
    ("...i,i->...", ((2, 3), (3,))),
    ("...,...->...", ((1, 3), (2, 1)), ((2, 3), (3,)), ((), (2,)), ((1, 0), (2, 1))),
    ("i...,j...->ij...", ((2, 1, 2), (3, 2, 1))),
    ("ij...,jk...->ik...", ((2, 3, 2), (3, 2, 2))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2)), ((2, 0), (0, 4), (4, 2))),
    ("ij,jk,kl", ((2, 3), (3, 4), (4, 2))),
    ("i,ij,j->", ((2,), (2, 3), (3,))),
    ("bi,ij,bj->b", ((2, 3), (3, 2), (2, 2))),
    ("i,i,i->i", ((3,), (3,), (3,))),
    ("i,j,k->kij", ((2,), (3,), (2,))),
    ("ij,j,jk->ik", ((2, 3), (3,), (3, 2))),
    ("bi,bj,bk->ijk", ((3, 2), (3, 2), (3, 1))),
    ("...ij,...jk,...kl->...il", ((2, 2, 3), (3, 2), (1, 2, 2)),),
]  # fmt: skip

# text, one pair of shapes for each case
PAIRS = [
    ("tensordot(x, y, 1)", ((2, 3), (3, 2)), ((3,), (3,)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((2, 2, 3), (3, 2))),
    ("tensordot(x, y, 0)", ((2, 3), (2,)), ((), (2,)), ((), ())),
    ("tensordot(x, y, axes=2)", ((2, 3, 2), (3, 2, 2)), ((2, 3), (2, 3))),
    ("tensordot(x, y, [[0], [1]])", ((2, 3), (3, 2)),),
    ("tensordot(x, y, axes=[[1, 0], [0, 1]])", ((2, 3), (3, 2)), ((2, 3, 2), (3, 2, 1))),
    ("tensordot(x, y, [0, 0])", ((2, 3), (2, 2))),
    ("tensordot(x, y, [[-2], [-1]])", ((2, 3), (3, 2)), ((2, 3, 2), (1, 3))),
    ("tensordot(x, y, [[], []])", ((2,), (3,))),
    ("dot(x, y)", ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((), (3,)), ((2, 2), ()), ((), ()), ((2, 2, 3), (2, 3, 2)), ((0,), (0,))),
    ("inner(x, y)", ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (3,)), ((2, 2, 3), (2, 3)), ((2, 0), (0,))),
    ("vdot(x, y)", ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (6,)), ((), ()), ((0,), (0,))),
    ("matvec(x, y)", ((2, 3), (3,)), ((2, 2, 3), (3,)), ((2, 2, 3), (2, 3)), ((2, 3), (2, 3)), ((2, 0), (0,))),
    ("matvec(x, y, transpose_a=True)", ((3, 2), (3,)), ((2, 3, 1), (1, 3))),
    ("cross(x, y)", ((3,), (3,)), ((2, 3), (2, 3)), ((0, 3), (0, 3))),
]  # fmt: skip


def pairs():
    for text, *rows in PAIRS:
        for shapes in rows:
            what = " and ".join(str(list(s)) for s in shapes)
            for dtype in BOTH:
                variables = {name: tensor(POINTS[5 * i :] + POINTS, s, dtype) for i, (name, s) in enumerate(zip("xy", shapes))}
                yield from case(f"{text} of {what}, {dtype}", f"z = {text}", dtypes=(dtype,), variables=variables, seed=True, cancel=True)
    for text, x in (("cross(x, [1.0, 2.0, -0.5])", [0.5, -1.0, 2.0]), ("dot(x, x)", [0.5, -1.0]), ("tensordot(x, x, 2)", [[0.5, -1.0], [1.5, 2.0]])):
        yield from case(f"second order of {text}", f"y = reduce_sum({text} ** 3); g = grad(y, x); h = reduce_sum(g * g)", variables={"x": x}, cancel=True)
    yield from case("cross with Infinity", "z = cross(x, y)", variables={"x": ["Infinity", 1.0, 2.0], "y": [1.0, 0.0, 2.0]})
    for dtype in ("int32", "int64"):
        for text in ("tensordot(x, x, 2)", "tensordot(x, x, [[1], [1]])", "dot(x, x[0])", "inner(x, x)", "vdot(x, x)", "matvec(x, x[1])", "cross(x, x[::-1])"):
            yield from evaluate(f"{text} of {dtype}", f"z = {text}", dtypes=("float32",), constants={"x": typed(dtype, [[7, -2, 3], [-4, 1, -5]])})


def subscripts():
    names = ("x", "y", "z")
    for equation, *rows in SUBSCRIPTS:
        for shapes in rows:
            what = " and ".join(str(list(s)) for s in shapes)
            for dtype in BOTH:
                variables = {name: tensor(POINTS[3 * i :] + POINTS, s, dtype) for i, (name, s) in enumerate(zip(names, shapes))}
                yield from case(f"einsum {equation!r} of {what}, {dtype}", f"w = einsum({equation!r}, {', '.join(variables)})",
                                dtypes=(dtype,), variables=variables, seed=True, cancel=True)  # fmt: skip


def others():
    m, n = [[1.5, -2.0, 0.75], [3.0, -0.5, 1.25]], [[0.25, 2.0], [-1.0, 0.5], [1.5, 3.0]]
    yield from case("einsum of one variable twice", "w = einsum('i,ij,j->', x, a, x)", variables={"x": [1.0, -2.0], "a": [[2.0, 0.5], [1.0, 3.0]]}, cancel=True)
    yield from case("einsum of a constant", "w = einsum('ij,jk->ik', c, x)", variables={"x": n}, constants={"c": m}, sources=["c", "x"], seed=True, cancel=True)
    yield from case("einsum of four", "w = einsum('ij,jk,kl,lm->im', x, y, x, y)", variables={"x": m, "y": n}, seed=True, cancel=True)
    yield from case("einsum of five", "w = einsum('ij,jk,l,kl,i->', x, y, v, a, v)", variables={"x": m, "y": n, "v": [0.5, -1.5], "a": [[2.0, 0.5], [1.0, 3.0]]}, cancel=True)
    yield from case("einsum with Infinity", "w = einsum('i,i->i', x, y)", variables={"x": ["Infinity", 2.0], "y": [3.0, "-Infinity"]})
    yield from case("einsum with NaN", "w = einsum('ij,j->i', x, y)", variables={"x": [[1.0, 2.0], ["NaN", 1.0]], "y": [3.0, 1.0]})
    for text, variables in (
        ("einsum('i,ij,j->', x, a, x)", {"x": [1.0, -2.0], "a": [[2.0, 0.5], [1.0, 3.0]]}),
        ("reduce_sum(einsum('ij,jk->ik', x, x) ** 3)", {"x": [[0.5, -1.0], [1.5, 2.0]]}),
        ("reduce_sum(einsum('ii->i', x) ** 3)", {"x": [[0.5, -1.0], [1.5, 2.0]]}),
    ):
        yield from case(f"second order of {text}", f"y = {text}; g = grad(y, x); h = reduce_sum(g * g)", variables=variables, cancel=True)
    yield from case("einsum is linear in each", "g = reduce_sum(grad(einsum('ij,jk->ik', x, y), x) * x)", variables={"x": m, "y": n}, cancel=True)
    for dtype in ("int32", "int64"):
        for text in ("einsum('ij,jk->ki', x, y)", "einsum('ij->j', x)", "einsum('ij,ij->ij', x, x)", "einsum('ij,kj,k->i', x, x, x[:, 0])"):
            yield from evaluate(f"{text} of {dtype}", f"w = {text}", dtypes=("float32",), constants={
                "x": typed(dtype, [[7, -2, 3], [-4, 1, -5]]), "y": typed(dtype, [[1, 2], [3, -4], [0, 5]])})  # fmt: skip


def cases():
    yield from subscripts()
    yield from pairs()
    yield from others()

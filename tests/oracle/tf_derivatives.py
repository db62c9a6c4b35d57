"""Answers gradd's other derivative routes with TensorFlow: Jacobians by tape.jacobian, Hessians and
their products by nested GradientTapes, jvp by ForwardAccumulator."""

import tensorflow as tf

import tf_answer
from tf_answer import decode, map_structure

ROUTES = ("jacobian", "hessian", "jvp", "vjp", "hvp")


def flatten(s):
    if isinstance(s, dict):
        return [x for v in s.values() for x in flatten(v)]
    return [x for v in s for x in flatten(v)] if isinstance(s, list) else [s]


def pack(like, leaves):
    leaves = iter(leaves)
    return map_structure(lambda _: next(leaves), like)


def array(t):
    return None if t is None else tf.convert_to_tensor(t).numpy()


class Recorded:
    """The request's graph, run under the tapes that are given."""

    def __init__(self, request, tapes, names=None):
        code, last = tf_answer._compile(request["graph"])
        self.names = names or tf_answer._bindings(request)
        watch = request.get("watch", [])
        for name in [watch] if isinstance(watch, str) else watch:
            for tape in tapes:
                tape.watch(self.names[name])
        inner = tf.GradientTape(persistent=True)
        with inner:
            for value in self.names.values():
                inner.watch(value)
            self.scope = dict(tf_answer.OPS, grad=tf_answer._gradient_function(inner), **self.names)
            exec(code, self.scope)
        self.target = request.get("target", last)
        self.targets = [self.scope[n] for n in flatten(self.target)]
        self.source = request.get("sources", {name: name for name in request.get("variables", {})})
        self.sources = [self.scope[n] for n in flatten(self.source)]

    def seeds(self, given):
        if given is None:
            return None
        one = not isinstance(self.target, list)
        return [tf.constant(decode(g, y.dtype.name)) for y, g in zip(self.targets, [given] if one else given)]

    def answer(self, request, **members):
        value = lambda name: array(self.scope[name])
        answer = {"value": map_structure(value, self.target), **members}
        if "fetch" in request:
            answer["fetched"] = map_structure(value, request["fetch"])
        return answer


def jacobian(request):
    with tf.GradientTape(persistent=True) as tape:
        r = Recorded(request, [tape])
    unconnected = request.get("unconnected_gradients", "none")
    rows = [array(tape.jacobian(r.targets[0], s, unconnected_gradients=unconnected)) for s in r.sources]
    return r.answer(request, jacobian=pack(r.source, rows))


def nested(request):
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            r = Recorded(request, [outer, inner])
        gradients = inner.gradient(r.targets, r.sources, output_gradients=r.seeds(request.get("output_gradients")))
    return r, outer, gradients


def hessian(request):
    r, outer, gradients = nested(request)
    rows = [pack(r.source, [None if g is None else array(outer.jacobian(g, s)) for s in r.sources]) for g in gradients]
    return r.answer(request, gradient=pack(r.source, map(array, gradients)), hessian=pack(r.source, rows))


def hvp(request):
    r, outer, gradients = nested(request)
    vector = [
        tf.constant(decode(request["vector"][n], s.dtype.name)) if n in request["vector"] else tf.zeros_like(s)
        for n, s in zip(flatten(r.source), r.sources)
    ]
    pairs = [(g, v) for g, v in zip(gradients, vector) if g is not None]
    products = outer.gradient([g for g, _ in pairs], r.sources, output_gradients=[v for _, v in pairs])
    return r.answer(request, gradient=pack(r.source, map(array, gradients)), hvp=pack(r.source, map(array, products)))


def jvp(request):
    names = tf_answer._bindings(request)
    primals = [names[n] for n in request["tangents"]]
    tangents = [tf.constant(decode(v, names[n].dtype.name)) for n, v in request["tangents"].items()]
    with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
        r = Recorded(request, [], names)
    return r.answer(request, jvp=pack(r.target, [array(accumulator.jvp(y)) for y in r.targets]))


def vjp(request):
    with tf.GradientTape(persistent=True) as tape:
        r = Recorded(request, [tape])

    def one(cotangents):
        return tape.gradient(r.targets, r.sources, output_gradients=r.seeds(cotangents))

    if "cotangents" in request:
        return r.answer(request, vjp=pack(r.source, map(array, one(request["cotangents"]))))
    many = zip(*map(one, request["cotangents_batch"]))
    stacked = [None if g[0] is None else array(tf.stack(g)) for g in many]
    return r.answer(request, vjp=pack(r.source, stacked))


def run(request, route):
    return globals()[route](request)

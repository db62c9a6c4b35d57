"""Plays what a client does with tapes on a session in TensorFlow, and writes the requests with
TensorFlow's answers as tests/http/tapes.http. Usage: tests/oracle/make scenarios

A scenario is what a Python user would write, one line a request; the graph's text is run as Python.
"""

import json
import pathlib

import numpy as np
import tensorflow as tf

import tf_answer

OUT = pathlib.Path(__file__).resolve().parent.parent / "http" / "tapes.http"
ERRORS = {  # what TensorFlow raises, and how gradd says which kind it is
    "A non-persistent GradientTape can only be": (409, "tape_consumed"),
    "Tape is not recording.": (409, "tape_recording_state"),
    "Tape is still recording": (409, "tape_recording_state"),
    "Unknown value for unconnected_gradients": (400, "invalid_value"),
    "Argument `target` should be a list": (400, "missing_gradient"),
    "Need first dimension of target shape": (400, "shape_mismatch"),
    "must have rank at least 2": (400, "shape_mismatch"),
    "Attempt to convert a value (None)": (400, "missing_gradient"),
}


MORE_OPS = {"gather": tf.gather, "unsorted_segment_sum": tf.math.unsorted_segment_sum,
            "segment_max": tf.math.segment_max, "cumsum": tf.cumsum, "add_n": tf.add_n}


class Session:
    """One scenario: a session here, and what it means in TensorFlow."""

    def __init__(self, id, variables=None, constants=None, dtype="float32"):
        self.id, self.dtype, self.lines, self.tapes = id, dtype, [], {}
        self.names, self.keeps = {}, []
        for name, v in (variables or {}).items():
            trainable = True
            if isinstance(v, dict) and "value" in v:
                v, trainable = v["value"], v.get("trainable", True)
            self.names[name] = tf.Variable(tf_answer.decode(v, dtype), trainable=trainable)
        for name, v in (constants or {}).items():
            self.names[name] = tf.constant(tf_answer.decode(v, dtype))
        body = {"dtype": dtype, "variables": variables or {}, "constants": constants or {}}
        self.request("PUT", "", body, 201, {"id": id})

    # ---- writing

    def request(self, method, path, body, status, answer):
        self.lines.append((method, f"/v1/sessions/{self.id}{path}", body, status, answer))

    def fail(self, method, path, body, error):
        text = str(error)
        for words, (status, code) in ERRORS.items():
            if words in text:
                self.request(method, path, body, status, {"code": code, "detail": text})
                return
        raise error

    def encode(self, v):
        if v is None:
            return None
        return tf_answer.encode(tf.convert_to_tensor(v).numpy(), False)

    def map(self, f, s):
        return tf_answer.map_structure(f, s)

    # ---- what a client does

    def run(self, text):
        code, last = tf_answer._compile(text)
        scope = dict(tf_answer.OPS, **MORE_OPS, **self.names)
        before = set(scope)
        exec(code, scope)
        for name in set(scope) - before - {"__builtins__", "_last"}:
            self.names[name] = scope[name]
        for name in before & set(self.names):
            self.names[name] = scope[name]
        return self.encode(scope[last])

    def tape(self, graph=None, **options):
        number = len(self.tapes) + 1
        tape = tf.GradientTape(persistent=options.get("persistent", False),
                               watch_accessed_variables=options.get("watch_accessed_variables", True))
        self.tapes[f"t{number}"] = tape
        body = dict(options, **({"graph": graph} if graph else {}))
        answer = {"tape": f"t{number}", "recording": graph is None}
        tape.__enter__()
        for name in options.get("watch", []):
            tape.watch(self.names[name])
        if graph:
            answer["value"] = self.run(graph)
            tape.__exit__(None, None, None)
        answer["watched_variables"] = self.watched(tape)
        self.request("POST", "/tapes", body, 201, answer)
        return f"t{number}"

    def watched(self, tape):
        by_identity = {id(v): name for name, v in self.names.items()}
        return [by_identity[id(v)] for v in tape.watched_variables() if id(v) in by_identity]

    def accumulator(self, **tangents):
        number = len(self.tapes) + 1
        primals = [self.names[name] for name in tangents]
        directions = [tf.constant(tf_answer.decode(v, self.names[n].dtype.name)) for n, v in tangents.items()]
        accumulator = tf.autodiff.ForwardAccumulator(primals, directions)
        accumulator.__enter__()
        self.tapes[f"t{number}"] = accumulator
        body = {"mode": "forward", "tangents": tangents}
        self.request("POST", "/tapes", body, 201, {"tape": f"t{number}", "recording": True})
        return f"t{number}"

    def execute(self, graph):
        self.request("POST", "/execute", {"graph": graph}, 200, {"value": self.run(graph)})

    def assign(self, name, value, how="assign"):
        getattr(self.names[name], how)(tf_answer.decode(value, self.names[name].dtype.name))
        answer = {"name": name, "value": self.encode(self.names[name])}
        self.request("POST", f"/variables/{name}/{how}", {"value": value}, 200, answer)

    def constants(self, **values):
        for name, v in values.items():
            self.names[name] = tf.constant(tf_answer.decode(v, self.dtype))
        self.request("PATCH", "", {"constants": values}, 200, {"id": self.id})

    def variable(self, name, value):
        """A new one: TensorFlow knows a variable by its identity, not by its name."""
        self.names[name] = tf.Variable(tf_answer.decode(value, self.dtype))
        answer = {"name": name, "value": self.encode(self.names[name])}
        self.request("PUT", f"/variables/{name}", value, 201, answer)

    def forget(self, kind, name):
        self.keeps.append(self.names.pop(name))  # TensorFlow may give a dead variable's handle to another
        self.request("DELETE", f"/{kind}/{name}", None, 204, None)

    def state(self, tape, what):
        t = self.tapes[tape]
        forward = isinstance(t, tf.autodiff.ForwardAccumulator)
        try:
            if what == "stop":
                if forward:
                    t.__exit__(None, None, None)
                else:
                    t._pop_tape()
            elif what == "resume":
                t._push_accumulator() if forward else t._push_tape()
            else:
                t.reset()
        except ValueError as error:
            return self.fail("POST", f"/tapes/{tape}/{what}", {}, error)
        self.request("POST", f"/tapes/{tape}/{what}", {}, 200, {"tape": tape, "recording": what != "stop"})

    def stop(self, tape):
        self.state(tape, "stop")

    def resume(self, tape):
        self.state(tape, "resume")

    def reset(self, tape):
        self.state(tape, "reset")

    def watch(self, tape, *names):
        for name in names:
            self.tapes[tape].watch(self.names[name])
        answer = {"tape": tape, "watched_variables": self.watched(self.tapes[tape])}
        self.request("POST", f"/tapes/{tape}/watch", {"watch": list(names)}, 200, answer)

    def look_up(self, structure):
        return self.map(self.names.__getitem__, structure)

    def ask(self, tape, what, body, compute):
        path = f"/tapes/{tape}/{what}"
        try:
            v = compute(self.tapes[tape])
        except (RuntimeError, ValueError, TypeError) as error:
            return self.fail("POST", path, body, error)
        if "as" in body:
            names, values = tf.nest.flatten(body["as"]), tf.nest.flatten(v)
            self.names.update(zip(names, values))
        self.request("POST", path, body, 200, {what: self.map(self.encode, v)})

    def gradient(self, tape, target, sources, **options):
        body = {"target": target, "sources": sources, **options}
        arguments = {}
        if "unconnected_gradients" in options:
            arguments["unconnected_gradients"] = options["unconnected_gradients"]
        if "output_gradients" in options:
            seeds, like = options["output_gradients"], self.look_up(target)
            one = not isinstance(target, list)
            pairs = [(seeds, like)] if one else zip(seeds, like)
            arguments["output_gradients"] = [tf.constant(tf_answer.decode(g, y.dtype.name)) for g, y in pairs]
        self.ask(tape, "gradient", body, lambda t: t.gradient(
            None if target is None else self.look_up(target), self.look_up(sources), **arguments))

    def jacobian(self, tape, target, sources, **options):
        body = {"target": target, "sources": sources, **options}
        arguments = {k: v for k, v in options.items() if k == "unconnected_gradients"}
        self.ask(tape, "jacobian", body, lambda t: t.jacobian(self.names[target], self.look_up(sources), **arguments))

    def batch_jacobian(self, tape, target, source, **options):
        body = {"target": target, "source": source, **options}
        self.ask(tape, "batch_jacobian", body, lambda t: t.batch_jacobian(self.names[target], self.names[source]))

    def jvp(self, tape, target, **options):
        body = {"target": target, **options}
        arguments = {k: v for k, v in options.items() if k == "unconnected_gradients"}
        self.ask(tape, "jvp", body, lambda t: t.jvp(self.look_up(target), **arguments))

    def delete(self, tape):
        t = self.tapes[tape]
        if isinstance(t, tf.autodiff.ForwardAccumulator):
            t.__exit__(None, None, None)
        elif t._recording:
            t._pop_tape()
        self.tapes[tape] = None
        self.request("DELETE", f"/tapes/{tape}", None, 204, None)

    def end(self):
        for t in reversed(list(self.tapes.values())):
            if t is not None and getattr(t, "_recording", False):
                t.__exit__(None, None, None)


SCENARIOS = []


def scenario(**session):
    def add(f):
        SCENARIOS.append((f.__name__.replace("_", " "), session, f))
        return f

    return add


TWO = {"variables": {"x1": 2.0, "x2": 3.0}}
VECTOR = {"variables": {"v": [1.0, 2.0, 3.0], "w": [0.5, -1.0, 2.0]}}
CONSTANTS = {"constants": {"a": 2.0, "b": 3.0}}
Z = "z = (x1 + 5) * x2 ** 2"


@scenario(**TWO)
def a_tape_with_a_graph(s):
    s.tape(Z)
    s.gradient("t1", "z", ["x1", "x2"])


@scenario(**TWO)
def a_tape_over_two_executes(s):
    s.tape()
    s.execute("y = x1 * x2")
    s.execute("z = y ** 2 + x1")
    s.stop("t1")
    s.gradient("t1", "z", ["x1", "x2", "y"])


@scenario(**TWO)
def a_second_use_is_refused(s):
    s.tape(Z)
    s.gradient("t1", "z", "x1")
    s.gradient("t1", "z", "x2")
    s.jacobian("t1", "z", "x2")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0]]})
def a_consumed_tape_refuses_a_batch_jacobian_in_its_own_words(s):
    s.tape("y = m * m")
    s.batch_jacobian("t1", "y", "m")
    s.batch_jacobian("t1", "y", "m")


@scenario(**TWO)
def a_gradient_ends_the_recording_of_a_tape_that_is_not_persistent(s):
    s.tape()
    s.execute(Z)
    s.gradient("t1", "z", ["x1", "x2"])


@scenario(**TWO)
def a_persistent_tape_answers_again_and_again(s):
    s.tape(Z + "; y = z * x1", persistent=True)
    s.gradient("t1", "z", "x1")
    s.gradient("t1", "z", "x2")
    s.gradient("t1", "y", ["x1", "x2", "z"])
    s.gradient("t1", "z", "x1")
    s.delete("t1")


@scenario(**CONSTANTS)
def constants_have_no_gradient(s):
    s.tape("z = a * b")
    s.gradient("t1", "z", ["a", "b"])


@scenario(**CONSTANTS)
def watched_constants_have_one(s):
    s.tape("z = a * b ** 2", watch=["a"])
    s.gradient("t1", "z", ["a", "b"])


@scenario(**CONSTANTS)
def a_watch_sees_what_comes_after_it(s):
    s.tape(persistent=True)
    s.execute("y = a * b")
    s.watch("t1", "a")
    s.execute("z = a ** 2 + y")
    s.stop("t1")
    s.gradient("t1", "z", ["a", "b"])
    s.gradient("t1", "y", "a")


@scenario(**CONSTANTS)
def a_watch_of_what_was_made_keeps_its_history(s):
    s.tape(watch=["a"])
    s.execute("y = a * b")
    s.watch("t1", "y")
    s.execute("z = y ** 2")
    s.gradient("t1", "z", ["a", "y"])


@scenario(**TWO)
def no_variable_is_watched_without_being_asked(s):
    s.tape(Z, watch_accessed_variables=False)
    s.gradient("t1", "z", ["x1", "x2"])


@scenario(**TWO)
def only_the_watched_variable_is(s):
    s.tape(Z, watch_accessed_variables=False, watch=["x2"])
    s.gradient("t1", "z", ["x1", "x2"])


@scenario(variables={"x": 3.0, "n": {"value": 2.0, "trainable": False}})
def what_is_not_trainable_is_not_watched(s):
    s.tape("z = x ** 2 * n")
    s.gradient("t1", "z", ["x", "n"])


@scenario(variables={"x": 3.0, "n": {"value": 2.0, "trainable": False}})
def what_is_not_trainable_may_be_watched(s):
    s.tape("z = x ** 2 * n", watch=["n"])
    s.gradient("t1", "z", ["x", "n"])


@scenario(**TWO)
def watched_variables_are_in_the_order_of_their_creation(s):
    s.tape("z = x2 * 2")
    s.tape("z = x2 * x1")
    s.tape("z = x2 * 2", watch=["x1"])


@scenario(**TWO)
def zeros_in_place_of_what_is_not_connected(s):
    s.tape("z = x1 * 2", persistent=True)
    s.gradient("t1", "z", ["x1", "x2"])
    s.gradient("t1", "z", ["x1", "x2"], unconnected_gradients="zero")
    s.gradient("t1", "z", ["x1", "x2"], unconnected_gradients="none")
    s.gradient("t1", "z", "x1", unconnected_gradients="nonsense")


@scenario(**TWO)
def several_targets_add_up(s):
    s.tape("y1 = 3 * x1; y2 = x1 ** 2 * x2")
    s.gradient("t1", ["y1", "y2"], ["x1", "x2"])


@scenario(**VECTOR)
def a_vector_is_summed(s):
    s.tape("y = v ** 2 * w", persistent=True)
    s.gradient("t1", "y", ["v", "w"])
    s.gradient("t1", "y", {"a": "v", "b": ["w", "v"]})
    s.delete("t1")


@scenario(**VECTOR)
def output_gradients_weigh(s):
    s.tape("y = v ** 2; z = v * w", persistent=True)
    s.gradient("t1", "y", "v", output_gradients=[1.0, 10.0, 100.0])
    s.gradient("t1", ["y", "z"], ["v", "w"], output_gradients=[[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    s.gradient("t1", ["y", "z"], "v", output_gradients=[[1.0, 1.0, 0.0]])


@scenario(**TWO)
def a_target_that_is_a_source_is_its_own_gradient(s):
    s.tape(Z, persistent=True)
    s.gradient("t1", "z", "z")
    s.gradient("t1", "x1", "x1")
    s.gradient("t1", "x1", "x2")


@scenario(**CONSTANTS)
def even_a_constant_is_its_own_gradient(s):
    s.tape("z = a * b", persistent=True)
    s.gradient("t1", "a", "a")
    s.gradient("t1", "a", ["a", "b"])


@scenario(**TWO)
def inner_nodes_are_sources_with_total_derivatives(s):
    s.tape("y = x1 ** 2; z = y * x2; q = z * y", persistent=True)
    s.gradient("t1", "q", ["x1", "y", "z"])


@scenario(**TWO)
def no_target_is_refused(s):
    s.tape(Z, persistent=True)
    s.gradient("t1", None, "x1")
    s.gradient("t1", "z", "x1")


@scenario(**TWO)
def nested_tapes_of_the_article(s):
    s.tape(persistent=True)
    s.tape()
    s.execute(Z)
    s.gradient("t2", "z", ["x1", "x2"], **{"as": ["g1", "g2"]})
    s.stop("t1")
    s.gradient("t1", "g1", ["x1", "x2"])
    s.gradient("t1", "g2", ["x1", "x2"])
    s.gradient("t1", ["g1", "g2"], ["x1", "x2"])
    s.delete("t1")


@scenario(variables={"x": 2.0})
def third_derivatives_by_three_tapes(s):
    s.tape()
    s.tape()
    s.tape()
    s.execute("y = x ** 4")
    s.gradient("t3", "y", "x", **{"as": "y1"})
    s.gradient("t2", "y1", "x", **{"as": "y2"})
    s.gradient("t1", "y2", "x", **{"as": "y3"})


@scenario(variables={"x": 2.0})
def a_gradient_taken_outside_of_the_outer_tape_has_no_history(s):
    s.tape(persistent=True)
    s.tape("y = x ** 3", persistent=True)
    s.stop("t1")
    s.gradient("t2", "y", "x", **{"as": "g"})
    s.gradient("t1", "g", "x")
    s.gradient("t1", "y", "x")


@scenario(variables={"x": 2.0})
def an_inner_tape_is_used_by_graph_text_of_the_outer(s):
    s.tape()
    s.tape("y = x ** 3")
    s.gradient("t2", "y", "x", **{"as": "g"})
    s.execute("loss = g ** 2 + y")
    s.gradient("t1", "loss", "x")


@scenario(variables={"x": 2.0, "c": 5.0})
def overlapping_tapes_see_what_they_saw(s):
    s.tape(persistent=True)
    s.execute("a = x * c")
    s.tape(persistent=True)
    s.execute("b = a * x")
    s.stop("t1")
    s.execute("d = b * x")
    s.stop("t2")
    s.gradient("t1", "b", ["x", "c", "a"])
    s.gradient("t2", "d", ["x", "a", "b"])
    s.gradient("t1", "d", "x")
    s.gradient("t2", "b", ["x", "a"])


@scenario(variables={"x": 2.0})
def assignments_do_not_change_what_was_recorded(s):
    s.tape("y = x ** 2", persistent=True)
    s.assign("x", 10.0)
    s.gradient("t1", "y", "x")
    s.assign("x", 1.0, "assign_add")
    s.gradient("t1", "y", "x")
    s.execute("q = x * 2")


@scenario(variables={"x": 2.0})
def reads_before_and_after_an_assignment_add_up(s):
    s.tape(persistent=True)
    s.execute("a = x ** 2")
    s.assign("x", 5.0)
    s.execute("b = a + x ** 2")
    s.stop("t1")
    s.gradient("t1", "b", ["x", "a"])


@scenario(variables={"x": 2.0})
def an_assigned_result_is_not_connected(s):
    s.tape(persistent=True)
    s.execute("a = x ** 2")
    s.assign("x", 4.0)
    s.execute("b = x * 3")
    s.stop("t1")
    s.gradient("t1", "b", ["x", "a"])


@scenario(variables={"x": 1.0})
def gradient_descent(s):
    for i in range(4):
        s.tape("y = 3 * x ** 2 + 2 * x - 1")
        s.gradient(f"t{i + 1}", "y", "x")
        s.assign("x", 0.25, "assign_sub")


@scenario(**TWO)
def stopped_tapes_do_not_see(s):
    s.tape(persistent=True)
    s.execute("y = x1 * x2")
    s.stop("t1")
    s.execute("z = y * x1")
    s.gradient("t1", "z", ["x1", "y"])
    s.gradient("t1", "y", ["x1", "x2"])


@scenario(**TWO)
def resumed_tapes_go_on(s):
    s.tape(persistent=True)
    s.execute("y = x1 * x2")
    s.stop("t1")
    s.execute("u = y * x1")
    s.resume("t1")
    s.execute("z = u * x1 + y")
    s.stop("t1")
    s.gradient("t1", "z", ["x1", "x2", "y", "u"])


@scenario(**TWO)
def states_are_refused(s):
    s.tape(persistent=True)
    s.resume("t1")
    s.stop("t1")
    s.stop("t1")
    s.reset("t1")
    s.resume("t1")


@scenario(**CONSTANTS)
def reset_forgets(s):
    s.tape(persistent=True, watch=["a"])
    s.execute("y = a * b")
    s.reset("t1")
    s.execute("z = y * a")
    s.watch("t1", "b")
    s.execute("q = z * b")
    s.stop("t1")
    s.gradient("t1", "y", "a")
    s.gradient("t1", "z", ["a", "y"])
    s.gradient("t1", "q", ["a", "b", "z"])


@scenario(**TWO)
def stop_gradient_cuts(s):
    s.tape("y = stop_gradient(x1 ** 2) * x1; z = stop_gradient(x2)", persistent=True)
    s.gradient("t1", "y", "x1")
    s.gradient("t1", "z", "x2")


@scenario(**VECTOR)
def integers_cut(s):
    s.tape("i = cast(v, 'int32'); y = cast(i, 'float32') * v", persistent=True)
    s.gradient("t1", "y", "v")
    s.gradient("t1", "i", "v")


@scenario(**VECTOR)
def where_passes_zeros_to_the_other_side(s):
    s.tape("y = where(v > 1.5, v * w, w)", persistent=True)
    s.gradient("t1", "y", ["v", "w"])


@scenario(variables={"x": [-1.0, 0.0, 2.0]})
def second_derivatives_are_zero_or_none(s):
    s.tape(persistent=True)
    s.tape("r = relu(x); m = maximum(x, 0.5); a = abs(x)", persistent=True)
    s.gradient("t2", "r", "x", **{"as": "gr"})
    s.gradient("t2", "m", "x", **{"as": "gm"})
    s.gradient("t2", "a", "x", **{"as": "ga"})
    s.stop("t1")
    s.gradient("t1", "gr", "x")
    s.gradient("t1", "gm", "x")
    s.gradient("t1", "ga", "x")


@scenario(**VECTOR)
def a_jacobian_of_a_vector(s):
    s.tape("y = v ** 2 * reduce_sum(w)", persistent=True)
    s.jacobian("t1", "y", ["v", "w"])
    s.jacobian("t1", "y", {"w": "w"})


@scenario(variables={"v": [1.0, 2.0], "u": [3.0, 4.0, 5.0]})
def what_is_not_connected_in_a_jacobian(s):
    s.tape("y = v ** 2", persistent=True)
    s.jacobian("t1", "y", ["v", "u"])
    s.jacobian("t1", "y", ["v", "u"], unconnected_gradients="zero")


@scenario(variables={"v": [1.0, 2.0]})
def the_jacobian_of_a_source_by_itself(s):
    s.tape("y = v * v; q = y + v", persistent=True)
    s.jacobian("t1", "y", "y")
    s.jacobian("t1", "q", ["v", "y"])


@scenario(variables={"v": [1.0, 2.0, 3.0]})
def a_jacobian_uses_a_tape_up(s):
    s.tape("y = v ** 3")
    s.jacobian("t1", "y", "v")
    s.gradient("t1", "y", "v")


@scenario(variables={"v": [1.0, 2.0]})
def a_hessian_by_a_jacobian_of_a_gradient(s):
    s.tape(persistent=True)
    s.tape()
    s.execute("f = reduce_sum(v ** 3) + v[0] * v[1] ** 2")
    s.gradient("t2", "f", "v", **{"as": "g"})
    s.stop("t1")
    s.jacobian("t1", "g", "v")


@scenario(variables={"v": [1.0, 2.0]})
def a_jacobian_that_the_outer_tape_recorded(s):
    s.tape(persistent=True)
    s.tape()
    s.execute("y = v ** 3")
    s.jacobian("t2", "y", "v", **{"as": "j"})
    s.stop("t1")
    s.gradient("t1", "j", "v")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]})
def batch_jacobians(s):
    s.tape("y = m ** 2; q = matmul(m, [[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])", persistent=True)
    s.batch_jacobian("t1", "y", "m")
    s.batch_jacobian("t1", "q", "m")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0]], "n": [[1.0], [2.0]]})
def batch_jacobians_of_what_is_not_connected_are_zeros(s):
    s.tape("y = m * 2", persistent=True)
    s.batch_jacobian("t1", "y", "n")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0]], "v": [1.0, 2.0]})
def batch_jacobians_are_refused(s):
    s.tape("y = m * v; q = v * 2; r = reshape(m, [1, 4])", persistent=True)
    s.batch_jacobian("t1", "q", "v")
    s.batch_jacobian("t1", "r", "m")
    s.batch_jacobian("t1", "y", "m")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0]]})
def points_that_depend_on_each_other_are_summed(s):
    s.tape("y = matmul(m, m)", persistent=True)
    s.batch_jacobian("t1", "y", "m")


@scenario(**TWO)
def an_accumulator(s):
    s.accumulator(x1=1.0)
    s.execute(Z)
    s.execute("q = z * x1 + x2")
    s.stop("t1")
    s.jvp("t1", "z")
    s.jvp("t1", ["z", "q"])


@scenario(**TWO)
def an_accumulator_of_two_directions(s):
    s.accumulator(x1=2.0, x2=-1.0)
    s.execute(Z)
    s.jvp("t1", "z")


@scenario(**CONSTANTS)
def an_accumulator_of_constants(s):
    s.accumulator(a=1.0)
    s.execute("z = a ** 3 * b; q = b * 2")
    s.jvp("t1", ["z", "q", "a"])
    s.jvp("t1", ["z", "q"], unconnected_gradients="zero")


@scenario(**TWO)
def a_stopped_accumulator_does_not_see(s):
    s.accumulator(x1=1.0)
    s.execute("y = x1 ** 2")
    s.stop("t1")
    s.execute("z = y * x1")
    s.jvp("t1", ["y", "z"])


@scenario(**VECTOR)
def a_hessian_times_a_vector_forward_over_reverse(s):
    s.accumulator(v=[1.0, 0.0, -1.0])
    s.tape()
    s.execute("f = reduce_sum(v ** 3 * w)")
    s.gradient("t2", "f", ["v", "w"], **{"as": ["gv", "gw"]})
    s.jvp("t1", ["f", "gv", "gw"])


@scenario(**VECTOR)
def reverse_over_forward(s):
    s.tape(persistent=True)
    s.accumulator(v=[1.0, 0.0, -1.0])
    s.execute("f = reduce_sum(v ** 3 * w)")
    s.jvp("t2", "f", **{"as": "df"})
    s.stop("t2")
    s.stop("t1")
    s.gradient("t1", "df", ["v", "w"])
    s.gradient("t1", "f", "v")


@scenario(constants={"x": 2.0})  # TensorFlow fails on variables here
def nested_accumulators(s):
    s.accumulator(x=1.0)
    s.accumulator(x=1.0)
    s.execute("y = x ** 3")
    s.jvp("t2", "y", **{"as": "dy"})
    s.jvp("t1", ["y", "dy"])


@scenario(variables={"x": 2.0, "y": 3.0}, dtype="float64")
def double_precision(s):
    s.tape("z = sin(x) * exp(y) / (x + y)", persistent=True)
    s.gradient("t1", "z", ["x", "y"])
    s.gradient("t1", "z", "x", output_gradients=0.1)


@scenario(variables={"w": [[0.1, -0.2], [0.3, 0.4]], "b": [0.0, 0.1]}, constants={"x": [[1.0, 2.0], [3.0, -4.0]], "t": [[1.0, 0.0], [0.0, 1.0]]})
def a_layer_and_its_loss(s):
    s.tape(persistent=True)
    s.execute("h = tanh(x @ w + b)")
    s.execute("loss = reduce_mean((h - t) ** 2)")
    s.stop("t1")
    s.gradient("t1", "loss", {"w": "w", "b": "b", "h": "h"})


@scenario(variables={"w": [[0.1, -0.2], [0.3, 0.4]]}, constants={"x": [[1.0, 2.0]]})
def a_gradient_penalty(s):
    s.tape()
    s.tape(watch=["x"])
    s.execute("y = reduce_sum(sigmoid(x @ w))")
    s.gradient("t2", "y", "x", **{"as": "gx"})
    s.execute("penalty = (reduce_sum(gx ** 2) - 1.0) ** 2")
    s.gradient("t1", "penalty", "w")


@scenario(variables={"x": 3.0})
def the_same_tensor_twice(s):
    s.tape("y = x * x; z = y + y", persistent=True)
    s.gradient("t1", "z", ["x", "x", "y"])
    s.gradient("t1", ["z", "z"], "x")


@scenario(variables={"x": 3.0})
def names_are_used_again(s):
    s.tape(persistent=True)
    s.execute("y = x ** 2")
    s.execute("y = y * x")
    s.stop("t1")
    s.gradient("t1", "y", "x")


@scenario(variables={"x": 3.0})
def a_name_that_was_overwritten_outside_has_no_history(s):
    s.tape("y = x ** 2", persistent=True)
    s.execute("y = x * 5")
    s.gradient("t1", "y", "x")


@scenario(variables={"x": [3.0, 4.0]})
def no_sources(s):
    s.tape("y = x ** 2", persistent=True)
    s.gradient("t1", "y", [])
    s.gradient("t1", "y", {})


@scenario(variables={"x": [1.0, 2.0, 3.0, 4.0]})
def slices_and_reductions(s):
    s.tape(persistent=True)
    s.execute("a = x[1:3]")
    s.execute("b = reduce_max(a) * reduce_sum(x)")
    s.stop("t1")
    s.gradient("t1", "b", ["x", "a"])
    s.jacobian("t1", "a", "x")


@scenario(variables={"x": 2.0})
def a_persistent_tape_records_its_own_gradient(s):
    s.tape(persistent=True)
    s.execute("y = x ** 3")
    s.gradient("t1", "y", "x", **{"as": "g"})
    s.gradient("t1", "g", "x", **{"as": "h"})
    s.stop("t1")
    s.gradient("t1", "h", "x")


CUSTOM = """def f(a, b): return a * exp(b)
def f_grad(g, a, b): return [g * a * 100, g * b * 10]
h = custom_gradient(f, f_grad)
"""
INTEGERS = {"n": {"dtype": "int32", "shape": [3], "data": [2, 0, 2]}}


@scenario(**TWO)
def a_custom_gradient_is_recorded(s):
    s.tape(CUSTOM + "y = h(x1, x2) * x1", persistent=True)
    s.gradient("t1", "y", ["x1", "x2"])
    s.jacobian("t1", "y", ["x1", "x2"])
    s.delete("t1")


@scenario(**TWO)
def a_custom_gradient_is_differentiated_again(s):
    s.tape(persistent=True)
    s.tape()
    s.execute(CUSTOM + "y = h(x1, x2 * x1)")
    s.gradient("t2", "y", ["x1", "x2"], **{"as": ["g1", "g2"]})
    s.stop("t1")
    s.gradient("t1", "g1", ["x1", "x2"])
    s.gradient("t1", "g2", ["x1", "x2"])


@scenario(**VECTOR)
def functions_of_the_text_are_seen_through(s):
    s.tape(persistent=True)
    s.execute("def sq(a, k=2): return a ** k\ny = sq(v) * w\nz = sq(y, k=3)")
    s.stop("t1")
    s.gradient("t1", "z", ["v", "w", "y"])
    s.delete("t1")


@scenario(variables={"v": [1.0, 2.0, 3.0], **INTEGERS})
def integer_variables_have_no_gradient(s):
    s.tape("y = v * cast(n, 'float32'); k = n * n", persistent=True)
    s.gradient("t1", "y", ["v", "n"])
    s.gradient("t1", "k", ["n", "v"])
    s.gradient("t1", "y", "n", unconnected_gradients="zero")
    s.assign("n", [1, 1, 1], "assign_add")
    s.execute("k = n + 1")
    s.gradient("t1", "y", "v")
    s.delete("t1")


@scenario(variables={"v": [1.0, 2.0, 3.0], **INTEGERS})
def rows_that_are_gathered_twice_add_up(s):
    s.tape("y = gather(v, n) ** 2; z = gather(y, [0, 1]) * v[1]", persistent=True)
    s.gradient("t1", "y", "v")
    s.gradient("t1", "z", ["v", "y"])
    s.jacobian("t1", "y", "v")
    s.delete("t1")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], **INTEGERS})
def segments_on_tapes(s):
    s.tape(persistent=True)
    s.tape()
    s.execute("y = unsorted_segment_sum(m ** 2, n, 3)")
    s.execute("z = reduce_sum(segment_max(m * y, [0, 0, 1]) ** 2)")
    s.gradient("t2", "z", "m", **{"as": "g"})
    s.stop("t1")
    s.gradient("t1", "y", "m")
    s.gradient("t1", "g", "m")
    s.delete("t1")


@scenario(**TWO)
def a_variable_that_was_deleted_was_read(s):
    s.tape(persistent=True)
    s.execute("y = x1 ** 2 * x2")
    s.forget("variables", "x1")
    s.execute("z = y * x2")
    s.watch("t1", "x2")
    s.stop("t1")
    s.gradient("t1", "z", ["x2", "y"])
    s.gradient("t1", "z", {"x2": "x2"})
    s.delete("t1")


@scenario(**TWO)
def a_new_variable_under_an_old_name_is_another(s):
    s.tape(persistent=True)
    s.execute("y = x1 ** 2 * x2")
    s.forget("variables", "x1")
    s.variable("x1", 7.0)
    s.gradient("t1", "y", ["x1", "x2"])
    s.execute("z = y * x1")
    s.stop("t1")
    s.gradient("t1", "z", ["x1", "x2", "y"])
    s.delete("t1")


@scenario(**CONSTANTS)
def a_constant_that_was_replaced_is_another(s):
    s.tape(persistent=True, watch=["a"])
    s.execute("y = a * b")
    s.gradient("t1", "y", ["a", "b"])
    s.constants(a=10.0)
    s.execute("z = y * a")
    s.gradient("t1", "z", ["a", "y"])
    s.watch("t1", "a")
    s.execute("q = z * a")
    s.stop("t1")
    s.gradient("t1", "q", ["a", "b", "y", "z"])
    s.delete("t1")


@scenario(**TWO)
def tensors_that_were_deleted_are_still_needed(s):
    s.tape(persistent=True)
    s.execute("a = x1 * x2; b = sin(a) * x1; y = b ** 3")
    s.forget("tensors", "a")
    s.forget("tensors", "b")
    s.execute("a = x2 * 2; z = y * a")
    s.stop("t1")
    s.gradient("t1", "z", ["x1", "x2", "a"])
    s.delete("t1")


@scenario(variables={"x": 2.0})
def results_take_names_that_were_there(s):
    s.tape(persistent=True)
    s.execute("y = x ** 4; g = x * 2")
    s.gradient("t1", "y", "x", **{"as": "g"})
    s.gradient("t1", "g", "x", **{"as": "y"})
    s.gradient("t1", "y", "x", **{"as": "y"})
    s.execute("q = y * g")
    s.stop("t1")
    s.gradient("t1", "q", ["x", "y", "g"])
    s.delete("t1")


@scenario(variables={"x": 2.0})
def results_of_a_tape_that_nobody_recorded_are_constants(s):
    s.tape("y = x ** 4", persistent=True)
    s.gradient("t1", "y", "x", **{"as": "y"})
    s.gradient("t1", "y", "x")
    s.tape("z = y * x", watch=["y"])
    s.gradient("t2", "z", ["x", "y"])
    s.delete("t1")


@scenario(**VECTOR)
def jacobians_are_differentiated(s):
    s.tape(persistent=True)
    s.tape(persistent=True)
    s.execute("y = v ** 3 * w")
    s.jacobian("t2", "y", ["v", "w"], **{"as": ["jv", "jw"]})
    s.stop("t1")
    s.stop("t2")
    s.gradient("t1", "jv", ["v", "w"])
    s.jacobian("t1", "jw", "v")
    s.gradient("t1", ["jv", "jw"], {"v": "v", "y": "y"})
    s.delete("t1")


@scenario(variables={"m": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]})
def batch_jacobians_are_differentiated(s):
    s.tape(persistent=True)
    s.tape()
    s.execute("y = m ** 3")
    s.batch_jacobian("t2", "y", "m", **{"as": "j"})
    s.execute("z = reduce_sum(j ** 2)")
    s.stop("t1")
    s.gradient("t1", "z", ["m", "j"])
    s.delete("t1")


@scenario(variables={"x": 0.1, "v": [1.0, 2.0, 3.0]}, constants={"c": 3.0}, dtype="float64")
def second_derivatives_in_double_precision(s):
    s.accumulator(x=0.5, v=[1.0, -1.0, 0.25])
    s.tape(watch=["c"])
    s.execute(CUSTOM + "y = reduce_sum(sin(v * x) ** 3 / c) + log(c) * x")
    s.gradient("t2", "y", {"x": "x", "v": "v", "c": "c"}, **{"as": {"x": "gx", "v": "gv", "c": "gc"}})
    s.stop("t1")
    s.jvp("t1", ["y", "gx", "gv", "gc"])


@scenario(variables={"x": 1.5})
def two_persistent_tapes_record_each_other(s):
    s.tape(persistent=True)
    s.tape(persistent=True)
    s.execute("y = x ** 5")
    s.gradient("t2", "y", "x", **{"as": "a"})
    s.gradient("t1", "a", "x", **{"as": "b"})
    s.gradient("t2", "b", ["x", "y", "a"], **{"as": ["c", "d", "e"]})
    s.stop("t2")
    s.gradient("t1", "c", ["x", "b"])
    s.gradient("t2", "b", ["x", "a"])
    s.delete("t1")
    s.gradient("t2", "c", "x")
    s.delete("t2")


@scenario(variables={"x": 2.0, "n": {"value": 3.0, "trainable": False}})
def a_variable_is_watched_and_assigned(s):
    s.tape(persistent=True, watch_accessed_variables=False)
    s.watch("t1", "x")
    s.watch("t1", "n")
    s.execute("y = x * n")
    s.assign("x", 5.0)
    s.assign("n", 1.0, "assign_sub")
    s.execute("z = y + x * n")
    s.watch("t1", "n")
    s.stop("t1")
    s.gradient("t1", "z", ["x", "n"])
    s.gradient("t1", "x", ["x", "n"])
    s.delete("t1")


@scenario(variables={"x": 2.0, "y": 3.0, "v": [1.0, -2.0]})
def an_accumulator_of_several_variables_goes_on(s):
    s.accumulator(x=1.0, y=-2.0, v=[0.5, 0.25])
    s.execute("a = x * y")
    s.stop("t1")
    s.execute("b = a * x")
    s.jvp("t1", ["a", "b", "x", "v"])
    s.resume("t1")
    s.execute("d = a * v + y")
    s.assign("y", 10.0)
    s.execute("e = y * x")
    s.jvp("t1", ["a", "b", "d", "e", "y"])
    s.delete("t1")


@scenario(variables={"e": {"dtype": "float32", "shape": [0], "data": []}, "x": 2.0})
def empty_tensors(s):
    s.tape("y = e * x; z = reduce_sum(y) + x; q = concat([y, [1.0]], 0) * x", persistent=True)
    s.gradient("t1", "y", ["e", "x"])
    s.gradient("t1", "z", ["e", "x", "y"])
    s.gradient("t1", "q", ["e", "x"])
    s.jacobian("t1", "y", "x")
    s.delete("t1")


@scenario(**VECTOR)
def ops_of_many_arguments(s):
    s.tape(persistent=True)
    s.execute("y = stack([v, w, v * w, w, v]) ** 2; z = add_n([v, w, v, y[2], y[3]])")
    s.tape("t = concat([v, w, v, w, v], 0) * 3")
    s.gradient("t2", "t", ["v", "w"])
    s.execute("q = add_n([z, w, v, z, y[0]])")
    s.stop("t1")
    s.gradient("t1", "q", ["v", "w", "z"])
    s.delete("t1")


@scenario(**TWO)
def watched_results_of_before(s):
    s.execute("y = x1 * x2")
    s.tape("z = y ** 2 * x1", watch=["y"], persistent=True)
    s.gradient("t1", "z", ["x1", "x2", "y"])
    s.gradient("t1", "y", ["y", "x1"])
    s.delete("t1")


@scenario(variables={"x": 2.0})
def a_tape_that_is_reset_again_and_again(s):
    s.tape(persistent=True)
    for i in range(3):
        s.execute(f"y = x ** {i + 2}")
        s.stop("t1")
        s.gradient("t1", "y", "x")
        s.resume("t1")
        s.assign("x", 0.5, "assign_add")
        s.reset("t1")
    s.gradient("t1", "y", "x")


@scenario(**TWO)
def stopping_does_not_forget_what_is_watched(s):
    s.tape(persistent=True, watch_accessed_variables=False, watch=["x1"])
    s.stop("t1")
    s.execute("y = x1 * x2")
    s.resume("t1")
    s.execute("z = y * x1 * x2")
    s.tape("u = z * x2")
    s.gradient("t2", "u", ["x1", "x2", "z"])
    s.stop("t1")
    s.gradient("t1", "u", ["x1", "x2", "y"])
    s.delete("t1")


@scenario(variables={"x": [3.0, 1.0, 3.0]})
def ties_and_running_sums(s):
    s.tape(persistent=True)
    s.tape()
    s.execute("y = reduce_max(x) * cumsum(x)[1] + reduce_prod(x)")
    s.gradient("t2", "y", "x", **{"as": "g"})
    s.stop("t1")
    s.jacobian("t1", "g", "x")
    s.delete("t1")


@scenario(variables={"x": 2.0, "v": [1.0, 2.0, 3.0]})
def a_jacobian_goes_where_its_tape_has_looked(s):
    s.tape(persistent=True)
    s.execute("a = x * v")
    s.tape(persistent=True)
    s.stop("t1")
    s.execute("b = a * x")
    s.resume("t1")
    s.execute("z = b * a")
    s.stop("t1")
    s.stop("t2")
    s.jacobian("t1", "z", "x")
    s.gradient("t1", "z", ["x", "a", "b"])
    s.jacobian("t2", "z", ["x", "v", "a"])
    s.delete("t2")
    s.jacobian("t1", "z", ["x", "a"])
    s.delete("t1")


def text_of(number, name, lines):
    out = []
    for i, (method, path, body, status, answer) in enumerate(lines):
        out.append(f"### {name}, {i + 1}")
        out.append(f"{method} {path}")
        if body is not None:
            out.append(json.dumps(body, separators=(",", ":")))
        # The digits of float32, as two libraries of mathematics round them.
        out.append(f"=> {status}" + (" empty" if answer is None else " contains within 1e-6"))
        if answer is not None:
            out.append(json.dumps(answer, separators=(",", ":")))
        out.append("")
    return out


def main():
    out = ["# Tapes on sessions, as TensorFlow has them: made by tests/oracle/scenarios.py, which ran each in",
           f"# TensorFlow {tf.__version__}.", ""]
    for number, (name, session, play) in enumerate(SCENARIOS, 1):
        s = Session(f"scenario-{number}", **session)
        try:
            play(s)
        except Exception as error:
            raise SystemExit(f"{name}: {type(error).__name__}: {error}") from error
        s.end()
        s.request("DELETE", "", None, 204, None)
        out += text_of(number, name, s.lines)
    OUT.write_text("\n".join(out))
    print(f"{len(SCENARIOS)} scenarios, {sum(line.startswith('###') for line in out)} requests")


if __name__ == "__main__":
    main()

"""Multinomial logistic regression with an L2 penalty on Fisher's Iris measurements: loss and
gradient where the weights are zero and at one other point. Writes the request at the second point
in float64 to tests/data/iris_logistic.json as well, so that it can be sent with curl."""

import csv
import json
import pathlib

from table import case

DATA = pathlib.Path(__file__).resolve().parent.parent.parent / "data"
SPECIES = ["setosa", "versicolor", "virginica"]
GRAPH = """\
logits = x @ w + b
shift = stop_gradient(reduce_max(logits, axis=1, keepdims=True))
log_sum = log(reduce_sum(exp(logits - shift), axis=1, keepdims=True)) + shift
log_p = logits - log_sum
chosen = where(expand_dims(species, 1) == [0, 1, 2], log_p, 0.0)
loss = -reduce_mean(reduce_sum(chosen, axis=1)) + 0.5 * lambda_ * reduce_sum(w ** 2)"""
ZEROS = {"w": [[0.0] * 3] * 4, "b": [0.0] * 3}
POINT = {
    "w": [[0.3, 0.1, -0.4], [0.8, -0.2, -0.6], [-1.1, 0.2, 0.9], [-0.5, -0.3, 0.8]],
    "b": [0.25, 0.5, -0.75],
}


def measurements():
    with open(DATA / "iris.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    species = {"dtype": "int32", "shape": [len(rows)], "data": [SPECIES.index(row[4]) for row in rows]}
    return {"x": [[float(v) for v in row[:4]] for row in rows], "species": species, "lambda_": 0.01}


def cases():
    constants = measurements()
    request = {"graph": GRAPH, "dtype": "float64", "variables": POINT, "constants": constants}
    (DATA / "iris_logistic.json").write_text(layout(request), encoding="utf-8")
    for name, point in (("where all weights are 0", ZEROS), ("at a fixed point", POINT)):
        yield from case(f"Iris, loss and gradient {name}", GRAPH, variables=point, constants=constants,
                        rtol={"float32": 1e-5, "float64": 1e-12}, atol={"float32": 1e-6, "float64": 1e-14})  # fmt: skip


def layout(request):
    """JSON with one measured flower a line."""
    rows = ",\n".join("    " + json.dumps(row) for row in request["constants"]["x"])
    species = json.dumps(request["constants"]["species"])
    variables = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in request["variables"].items())
    return (
        f'{{"graph": {json.dumps(request["graph"])},\n "dtype": "{request["dtype"]}",\n'
        f' "variables": {{\n{variables}}},\n "constants": {{\n  "lambda_": {request["constants"]["lambda_"]},\n'
        f'  "species": {species},\n  "x": [\n{rows}]}}}}\n'
    )

#!/usr/bin/env python3
"""gradd from Python, with its standard library alone. Usage: first.py [URL]"""

import json
import sys
import urllib.error
import urllib.request

GRADD = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"


class Problem(Exception):
    """A request that gradd refused: application/problem+json (RFC 9457)."""

    def __init__(self, problem):
        super().__init__(problem["detail"])
        self.status, self.code = problem["status"], problem["code"]


def ask(method, path, body=None):
    """Sends one request and returns what the JSON of its answer says, or None where it has none."""
    request = urllib.request.Request(
        GRADD + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refusal:
        raise Problem(json.load(refusal)) from None
    return json.loads(text) if text else None


# One request: the value of a graph and its gradient.
bowl = {"graph": "z = (x1 + 5) * x2 ** 2", "variables": {"x1": 2.0, "x2": 3.0}}
answer = ask("POST", "/v1/gradient", bowl)
slope = answer["gradient"]
print(f"z = {answer['value']:.1f}, dz/dx1 = {slope['x1']:.1f}, dz/dx2 = {slope['x2']:.1f}")

# A session keeps variables. A persistent tape in it answers as often as it is asked.
session = "/v1/sessions/" + ask("POST", "/v1/sessions", {"variables": bowl["variables"]})["id"]
try:
    opened = ask("POST", session + "/tapes", {"graph": bowl["graph"], "persistent": True})
    tape = f"{session}/tapes/{opened['tape']}/gradient"
    by_x1 = ask("POST", tape, {"target": "z", "sources": "x1"})["gradient"]
    by_x2 = ask("POST", tape, {"target": "z", "sources": "x2"})["gradient"]
    print(f"the tape, asked twice: {by_x1:.1f} and {by_x2:.1f}")
finally:
    ask("DELETE", session)

# A hundred steps of gradient descent are one request.
found = ask("POST", "/v1/minimize", {
    "graph": "y = 3 * x ** 2 + 2 * x - 1",
    "variables": {"x": 0.0},
    "optimizer": {"name": "SGD", "learning_rate": 0.1},
    "steps": 100,
})
print(f"after {found['steps']} steps x = {found['variables']['x']:.4f}, y = {found['loss']:.4f}")

# What is refused says what was found and what was expected.
try:
    ask("POST", "/v1/gradient", {"graph": "y = redcue_sum(x)", "variables": {"x": [1, 2]}})
except Problem as problem:
    print(f"refused with {problem.status} {problem.code}: {problem}")

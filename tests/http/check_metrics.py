#!/usr/bin/python3 -B
"""Asks a fresh gradd for known things and holds GET /metrics against them.

    check_metrics.py GRADD [COMMAND...]

What Prometheus' own parser reads must be what was asked.
Where a COMMAND is given, such as `promtool check metrics`, it gets the text and must have nothing to say.
"""
import collections
import contextlib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

import yaml
from checks import check, conclude
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).parents[2]
GRAPH = {"graph": "z = (x1 + 5) * x2 ** 2", "variables": {"x1": 2.0, "x2": 3.0}}
LARGE = {"graph": "m = broadcast_to(x, [300, 300])\nreduce_sum(m @ m)", "variables": {"x": 1}}
# method, path, body, the route that it is counted under, status
ASKED = [
    ("POST", "/v1/gradient", GRAPH, "/v1/gradient", 200),
    ("GET", "/v1/gradient?graph=x&x=2", None, "/v1/gradient", 200),
    ("POST", "/v1/gradient", {"graph": "y = "}, "/v1/gradient", 400),
    ("POST", "/v1/evaluate", LARGE, "/v1/evaluate", 200),
    ("PUT", "/v1/sessions/a", {"variables": {"x": 1.0}}, "/v1/sessions/{session}", 201),
    ("PUT", "/v1/sessions/b", {"variables": {"x": 1.0}}, "/v1/sessions/{session}", 201),
    ("GET", "/v1/sessions/a", None, "/v1/sessions/{session}", 200),
    ("DELETE", "/v1/sessions/b", None, "/v1/sessions/{session}", 204),
    ("POST", "/v1/sessions/a/tapes", GRAPH | {"variables": None}, "/v1/sessions/{session}/tapes", 400),
    ("POST", "/v1/sessions/a/tapes", {"graph": "y = x * x"}, "/v1/sessions/{session}/tapes", 201),
    ("PUT", "/v1/functions/f", {"graph": "y = x * x"}, "/v1/functions/{name}", 201),
    ("DELETE", "/v1/gradient", None, "/v1/gradient", 405),
    ("BREW", "/v1/gradient", None, "/v1/gradient", 405),
    ("GET", "/nowhere/\"\\\n", None, "unknown", 404),
    ("GET", "/readyz", None, "/readyz", 200),
]


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    path = "".join(c if c.isprintable() else "%0A" for c in path)
    connection.request(method, path, None if body is None else json.dumps(body), headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("Content-Type"), text


def refuse(port):
    """What is no request, or has headers that are too long."""
    for text in (b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n", b"garbage\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            # What it did not read makes the server's end a reset.
            with contextlib.suppress(ConnectionError):
                connection.sendall(text)
                while connection.recv(4096):
                    pass


def scrape(port):
    status, kind, text = ask(port, "GET", "/metrics")
    check((status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8"), "the answer", f"{status} {kind}")
    return text, {family.name: family for family in text_string_to_metric_families(text)}


def scrape_at_rest(port):
    """What is answered is in flight for a moment more, and what was no request is counted when its connection ends."""
    end = time.monotonic() + 60
    while True:
        text, families = scrape(port)
        rests = one(families, "gradd_http_requests_in_flight") == 1 and 'malformed_requests_total{code="other"}' in text
        if rests or time.monotonic() > end:
            return text, families
        time.sleep(0.01)


def values(family, suffix=""):
    """Its samples by the values of their labels."""
    return {tuple(s.labels.values()): s.value for s in family.samples if s.name == family.name + suffix}


def one(families, name, suffix=""):
    return values(families[name], suffix)[()]


def check_requests(families):
    wanted = collections.Counter()
    for method, _, _, route, status in ASKED:
        wanted[route, method if method != "BREW" else "other", str(status)] += 1
    counted = {labels: n for labels, n in values(families["gradd_http_requests"], "_total").items() if labels[0] != "/metrics"}
    check(counted == dict(wanted), "requests", f"{counted}\n  expected {dict(wanted)}")

    refused = values(families["gradd_http_malformed_requests"], "_total")
    check(refused == {("505",): 1, ("431",): 1, ("other",): 1}, "what was no request", refused)

    of_route = collections.Counter()
    for (route, _, _), n in wanted.items():
        of_route[route] += n
    durations = values(families["gradd_http_request_duration_seconds"], "_count")
    durations.pop(("/metrics",), None)
    check(durations == {(route,): n for route, n in of_route.items()}, "durations", durations)


def check_histograms(families):
    for family in families.values():
        if family.type != "histogram":
            continue
        series = collections.defaultdict(list)
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                rest = tuple(v for k, v in sample.labels.items() if k != "le")
                series[rest].append((float(sample.labels["le"]), sample.value))
        counts, sums = values(family, "_count"), values(family, "_sum")
        check(series.keys() == counts.keys() == sums.keys(), family.name, "the series differ")
        for rest, buckets in series.items():
            check(buckets == sorted(buckets) and [n for _, n in buckets] == sorted(n for _, n in buckets),
                  f"{family.name} {rest} goes up", buckets)
            check(buckets[-1] == (float("inf"), counts[rest]), f"{family.name} {rest} has all", buckets)
            # Each is at least as large as the bound below its bucket.
            least = sum((n - before) * bound for (bound, before), (_, n) in zip([(0.0, 0)] + buckets, buckets))
            check(least <= sums[rest] and (sums[rest] > 0) == (counts[rest] > 0), f"{family.name} {rest} adds up",
                  f"{sums[rest]}, expected {least} at least")


def check_state(families):
    found = {
        "sessions": one(families, "gradd_sessions"), "tapes": one(families, "gradd_tapes"),
        "functions": one(families, "gradd_functions"), "in flight": one(families, "gradd_http_requests_in_flight"),
        "waiting": one(families, "gradd_queue_length"), "version": len(values(families["gradd_build_info"])),
        "errors": one(families, "gradd_store_errors", "_total"), "dropped": one(families, "gradd_log_lines_dropped", "_total"),
    }
    wanted = dict.fromkeys(found, 0) | {"sessions": 1, "tapes": 1, "functions": 1, "in flight": 1, "version": 1}
    check(found == wanted, "what there is", found)
    runs = values(families["gradd_runs"], "_total")
    check(runs[("workers",)] >= 1, "a large one is a worker's", runs)
    check(one(families, "gradd_queue_wait_seconds", "_count") == runs[("workers",)], "each of these waited", runs)
    kinds = values(families["gradd_memory_bytes"])
    check(kinds[("sessions",)] > 0 and kinds[("plan_cache",)] > 0, "memory", kinds)
    held = values(families["gradd_budget_held_bytes"])
    check(set(held) == {(k,) for k in ("bodies", "arenas", "runs", "searches", "state", "answers")}, "kinds of memory", held)
    check(0 < sum(held.values()) < one(families, "gradd_budget_limit_bytes"), "the budget", held)
    check(values(families["gradd_ready"]) == {(c,): 1 for c in ("process", "queue", "store", "disk")}, "readiness")
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"):
        check(one(families, name) > 0, name)


def check_store(families):
    """Two sessions, one of them deleted, a tape and a function: five answers were held back until they were kept."""
    commits = one(families, "gradd_store_commits", "_total")
    saves = values(families["gradd_store_commit_saves"], "_sum")[()]
    check(saves == 5 and 1 <= commits <= 5, "saves and commits", f"{saves} in {commits}")
    for name in ("gradd_store_commit_saves", "gradd_store_commit_duration_seconds"):
        check(one(families, name, "_count") == commits, name, commits)


def check_names(text, families):
    """Each has a help, and routes are those of the contract."""
    paths = set(yaml.safe_load((ROOT / "api/openapi.yaml").read_text(encoding="utf-8"))["paths"]) | {"unknown"}
    routes = {s.labels["route"] for f in families.values() for s in f.samples if "route" in s.labels}
    check(routes <= paths, "routes are patterns", routes - paths)
    helps = re.findall(r"^# HELP (gradd_\S+) (.*)$", text, re.M)
    check(len(helps) == len({name for name, _ in helps}) > 20, "each is told once", helps)


def check_growth(before, after):
    for name, family in before.items():
        if family.type == "counter":
            old, new = values(family, "_total"), values(after[name], "_total")
            check(all(new[labels] >= value for labels, value in old.items()), f"{name} never falls", new)


def main(gradd, command):
    with tempfile.TemporaryDirectory() as directory, subprocess.Popen(
            [gradd, "--listen", "127.0.0.1:0", "--log-level", "error", "--data-dir", f"{directory}/data"],
            stdout=subprocess.PIPE, text=True) as child, contextlib.ExitStack() as ends:
        ends.callback(child.kill)
        port = int(child.stdout.readline().rsplit(":", 1)[1])
        for method, path, body, _, status in ASKED:
            found = ask(port, method, path, body)
            check(found[0] == status, f"{method} {path}", found)
        refuse(port)
        text, first = scrape_at_rest(port)
        check_requests(first)
        check_histograms(first)
        check_state(first)
        check_store(first)
        check_names(text, first)
        for method, path, body, _, _ in ASKED[:1] + ASKED[-2:]:
            ask(port, method, path, body)
        text, second = scrape(port)
        check_growth(first, second)
        child.terminate()
        check(child.wait(60) == 0, "gradd's exit code", child.returncode)
    if command:
        said = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        check(said.returncode == 0 and not said.stdout + said.stderr, " ".join(command), said.stdout + said.stderr)
    return conclude()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))

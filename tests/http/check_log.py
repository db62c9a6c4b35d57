#!/usr/bin/python3 -B
"""What gradd says on standard error, and what it passes on of a trace.

    check_log.py GRADD
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from checks import check, conclude

PATIENCE = int(os.environ.get("GRADD_TEST_PATIENCE", "1"))
GRAPH = json.dumps({"graph": "z = x * x", "variables": {"x": 2.0}})
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
# What libmicrohttpd refuses by itself; the last one in the middle of its body.
REFUSED = [
    b"GET\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"POST /v1/gradient HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20000 + b"\r\n\r\n",
    b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/gradient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]
PAIR = re.compile(r' ?([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)')


class Server:
    """A gradd whose standard error is a file, or what `error` is."""

    def __init__(self, gradd, *options, error=None):
        self.file = tempfile.TemporaryFile("w+")
        self.child = subprocess.Popen([gradd, "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE,
                                      stderr=self.file if error is None else error, text=True)
        self.port = int(self.child.stdout.readline().rsplit(":", 1)[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)

    def ask(self, method, path, body=None, **headers):
        self.connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = self.connection.getresponse()
        return answer, answer.read().decode()

    def end(self):
        """What it wrote."""
        self.connection.close()
        self.child.send_signal(signal.SIGTERM)
        check(self.child.wait(60 * PATIENCE) == 0, "gradd's exit code", self.child.returncode)
        self.child.stdout.close()
        self.file.seek(0)
        return self.file.read()


def unquote(value):
    if not value.startswith('"'):
        return value
    return re.sub(r"\\x(..)|\\(.)", lambda m: chr(int(m[1], 16)) if m[1] else m[2], value[1:-1])


def read_logfmt(text):
    lines = []
    for line in text.splitlines():
        pairs = PAIR.findall(line)
        check("".join(f" {k}={v}" for k, v in pairs)[1:] == line, "a line of logfmt", line)
        check(len({k for k, _ in pairs}) == len(pairs), "each field is there once", line)
        lines.append({k: unquote(v) for k, v in pairs})
    return lines


def read_json(text):
    return [json.loads(line) for line in text.splitlines()]


def requests_of(lines):
    return [line for line in lines if line["event"] == "request"]


def check_fields(gradd, options, read):
    """Each request is one line, which says what was asked and answered, and nothing that is secret."""
    s = Server(gradd, *options)
    agent = "an \"agent\"\\ \t of = \xe9 " + "x" * 300
    s.ask("POST", "/v1/gradient", GRAPH, X_Request_Id="mine-1", User_Agent="plain/1.0")
    s.ask("GET", "/v1/gradient?graph=x&x=2&secret=hunter2", None, Authorization="Bearer hunter2", User_Agent=agent)
    s.ask("GET", '/v1/sessions/no%22"\\body=', None, traceparent=PARENT)
    s.ask("BREW", "/nowhere/" + "y" * 3000)
    s.ask("POST", "/v1/evaluate", '{"graph":"m = broadcast_to(1.0, [300, 300])\\nreduce_sum(m @ m)"}')
    text = s.end()
    lines = read(text)
    check("hunter2" not in text, "no secret is told", text)
    check({"started", "draining", "stopped"} <= {line["event"] for line in lines}, "the process is told too", text)
    check(lines[-1]["event"] == "stopped", "the end is last", text)
    for line in lines:
        keys = list(line)
        check(keys[:3] == ["time", "level", "event"], "what each line begins with", keys)
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), "a time", line)
    found = requests_of(lines)
    wanted = [("POST", "/v1/gradient", "/v1/gradient", 200), ("GET", "/v1/gradient", "/v1/gradient", 400),
              ("GET", '/v1/sessions/no%22"\\body=', "/v1/sessions/{session}", 404),
              ("BREW", ("/nowhere/" + "y" * 3000)[:200], "unknown", 404), ("POST", "/v1/evaluate", "/v1/evaluate", 200)]
    said = [(r["method"], r["path"], r["route"], int(r["status"])) for r in found]
    check(said == wanted, "what was asked", said)
    check([r.get("code") for r in found] == [None, "invalid_value", "not_found", "not_found", None], "codes", found)
    check(found[0]["id"] == "mine-1" and len({r["id"] for r in found}) == 5, "ids", found)
    check(int(found[0]["bytes_in"]) == len(GRAPH) and int(found[0]["bytes_out"]) == len('{"value":4.0,"gradient":{"x":4.0}}'),
          "bytes", found[0])
    check(found[0]["user_agent"] == "plain/1.0" and found[1]["user_agent"] == agent[:120], "agents", found[:2])
    check(all(r["remote"] == "127.0.0.1" and "tenant" not in r for r in found), "who asked", found)
    check(all(float(r["duration_ms"]) >= float(r["queue_ms"]) >= 0 for r in found), "times", found)
    check([0 <= float(r["decode_ms"]) <= float(r["duration_ms"]) if "decode_ms" in r else None for r in found]
          == [True, True, None, None, True], "who had something to decode", found)
    check(float(found[4]["queue_ms"]) > 0 and float(found[0]["queue_ms"]) == 0, "a large one waits for a worker", found[4])
    check([r.get("trace_id") for r in found] == [None, None, TRACE, None, None], "traces", found)


def check_streams(gradd):
    """A stream has a second line when it ends, which says how, and how much was sent."""
    s = Server(gradd)
    training = '{"graph":"x ** 2","variables":{"x":1},"optimizer":{"name":"SGD"},"steps":%s}'
    _, text = s.ask("POST", "/v1/minimize", training % 2, Accept="text/event-stream")
    s.connection.request("POST", "/v1/minimize", training.replace("x ** 2", "sin(x)") % 1000000, {"Accept": "text/event-stream"})
    answer = s.connection.getresponse()
    check(answer.readline() == b"event: progress\n", "a stream begins")
    answer.close()
    s.connection.close()
    end = time.monotonic() + 20 * PATIENCE
    while "client_left" not in os.pread(s.file.fileno(), 1 << 20, 0).decode() and time.monotonic() < end:
        time.sleep(0.01)
    lines = read_logfmt(s.end())
    found, streams = requests_of(lines), [line for line in lines if line["event"] == "stream"]
    check([r["id"] for r in found] == [r["id"] for r in streams], "each is told of twice", lines)
    check([r["ending"] for r in streams] == ["done", "client_left"], "how they ended", streams)
    check(int(streams[0]["bytes_out"]) == len(text) and int(streams[1]["bytes_out"]) > 0, "what was sent", streams)


def check_tenants(gradd):
    with tempfile.NamedTemporaryFile("w+", suffix=".tokens") as file:
        made = subprocess.run([gradd, "token", "shop", "compute"], capture_output=True, text=True, check=True)
        file.write(made.stdout)
        file.flush()
        token = re.search(r"gradd_[0-9a-f]+", made.stderr)[0]
        s = Server(gradd, "--tokens", file.name)
        s.ask("POST", "/v1/gradient", GRAPH, Authorization=f"Bearer {token}")
        s.ask("POST", "/v1/gradient", GRAPH, Authorization=f"Bearer {token}x")
        text = s.end()
        found = requests_of(read_logfmt(text))
        check(token not in text, "no token is told", text)
        check(found[0]["tenant"] == "shop" and found[1].get("tenant") in (None, "default"), "tenants", found)


def check_switches(gradd):
    for options, count in ((["--access-log", "off"], 0), (["--log-level", "warn"], 0), ([], 1)):
        s = Server(gradd, *options, "--server-timing", "off")
        answer, _ = s.ask("GET", "/healthz")
        check(answer.getheader("Server-Timing") is None, "Server-Timing is off")
        check(len(requests_of(read_logfmt(s.end()))) == count, f"lines with {options}")


def knock(port, text):
    """The status of what gradd answers to these bytes, None where it says nothing; it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60 * PATIENCE) as connection:
        connection.sendall(text)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while some := connection.recv(4096):
                answer += some
    return int(answer.split()[1]) if answer else None


def refusals_of(lines):
    return [(line["why"], int(line.get("status", 0)), line.get("remote")) for line in lines if line["event"] == "refused"]


def check_refusals(gradd):
    """What is no request, and who finds no place, has a line too."""
    s = Server(gradd)
    said = [knock(s.port, text) for text in REFUSED]
    check(said == [None, 505, 505, 400, 400, 431, 414, 400], "the library's own answers", said)
    found = refusals_of(read_logfmt(s.end()))
    wanted = [("no_request", status or 0, None if status else "127.0.0.1") for status in said]
    check(sorted(found, key=str) == sorted(wanted, key=str), "a line for each", found)

    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    s = Server(gradd, "--max-address-connections", "2")
    s.ask("GET", "/healthz")
    with socket.create_connection(("127.0.0.1", s.port), timeout=60 * PATIENCE) as second:
        second.sendall(head)
        first = second.recv(12)
        check(first == b"HTTP/1.1 200", "there are two places", first)
        check(knock(s.port, head) == 429, "and no third")
    found = refusals_of(read_logfmt(s.end()))
    check(found == [("max_address_connections", 0, "127.0.0.1")], "and for who found no place", found)

    s = Server(gradd, "--access-log", "off")
    check(knock(s.port, REFUSED[1]) == 505, "without a line")
    check(not refusals_of(read_logfmt(s.end())), "--access-log off")


def check_timing(gradd):
    """Its parts add up to no more than the client waited."""
    s = Server(gradd, "--log-level", "error")
    for body, parts in ((GRAPH, {"read", "decode", "run"}),
                        ('{"graph":"m = broadcast_to(1.0, [600, 600])\\nreduce_sum(m @ m)"}', {"read", "queue", "decode", "run"})):
        begun = time.monotonic()
        answer, _ = s.ask("POST", "/v1/evaluate", body)
        waited = 1000 * (time.monotonic() - begun)
        header = answer.getheader("Server-Timing")
        times = dict(re.findall(r"([a-z]+);dur=(\d+\.\d{3})", header))
        check(re.fullmatch(r"[a-z]+;dur=\d+\.\d{3}(, [a-z]+;dur=\d+\.\d{3})*", header) and set(times) == parts,
              "Server-Timing", header)
        check(0 < sum(map(float, times.values())) <= waited, "the parts of a request", f"{header}, and {waited} ms")
    s.end()


def check_traces(gradd):
    """W3C Trace Context, section 3.2: what is a traceparent, and what is to be ignored."""
    s = Server(gradd, "--log-level", "error")
    good = {PARENT: "01", f"00-{TRACE}-b7ad6b7169203331-00": "00", f"00-{TRACE}-b7ad6b7169203331-ff": "01",
            f"cc-{TRACE}-b7ad6b7169203331-01-more": "01", f"cc-{TRACE}-b7ad6b7169203331-01": "01"}
    bad = ["", "00", PARENT + "-more", PARENT[:-1], PARENT.upper(), PARENT.replace("-", "_"), "ff" + PARENT[2:], "0x" + PARENT[2:],
           f"cc-{TRACE}-b7ad6b7169203331-01more", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01",
           f"00-{TRACE[:-1]}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-0g"]
    spans = set()
    for parent, flags in good.items():
        answer, _ = s.ask("GET", "/healthz", None, traceparent=parent)
        match = re.fullmatch(f"00-{TRACE}-([0-9a-f]{{16}})-{flags}", answer.getheader("traceresponse") or "")
        check(match, f"traceparent {parent}", answer.getheader("traceresponse"))
        if match:
            spans.add(match[1])
    check(len(spans) == len(good) and "0" * 16 not in spans and "b7ad6b7169203331" not in spans, "spans", spans)
    for parent in bad:
        answer, _ = s.ask("GET", "/healthz", None, traceparent=parent)
        check((answer.status, answer.getheader("traceresponse")) == (200, None), f"traceparent {parent}",
              answer.getheader("traceresponse"))
    s.connection.putrequest("GET", "/healthz")
    for _ in range(2):
        s.connection.putheader("traceparent", PARENT)
    s.connection.endheaders()
    answer = s.connection.getresponse()
    answer.read()
    check(answer.getheader("traceresponse") is None, "two traceparents are none")
    s.end()


def dropped(s):
    return int(re.search(r"^gradd_log_lines_dropped_total (\d+)$", s.ask("GET", "/metrics")[1], re.M)[1])


def check_full_pipe(gradd):
    """Where nobody reads, requests are answered all the same; lines that are lost are counted, and none is broken."""
    reader, writer = os.pipe()
    s = Server(gradd, error=writer)
    os.close(writer)
    most = 3000 * (1 if PATIENCE == 1 else 2)
    agent = "x" * 118
    asked = 0
    while asked < 20 * most and (asked < most or not asked % most == 0 or dropped(s) == 0):
        answer, _ = s.ask("POST", "/v1/evaluate", GRAPH, User_Agent=agent)
        asked += 1
        if answer.status != 200:
            break
    check(answer.status == 200, "requests are answered", answer.status)
    lost = dropped(s)
    check(lost > 0, "lines are lost", f"none of {asked}")
    with os.fdopen(reader, closefd=True) as pipe:
        s.connection.close()
        s.child.send_signal(signal.SIGTERM)
        lines = read_logfmt(pipe.read())
    check(s.child.wait(60 * PATIENCE) == 0, "gradd's exit code", s.child.returncode)
    s.child.stdout.close()
    found = [r for r in requests_of(lines) if r["route"] == "/v1/evaluate"]
    scraped = sum(r["route"] == "/metrics" for r in requests_of(lines))
    check(0 <= len(found) + lost - asked <= 100, "each is told or counted", f"{len(found)} + {lost} of {asked}; {scraped} scrapes")


def check_no_reader(gradd):
    reader, writer = os.pipe()
    s = Server(gradd, error=writer)
    os.close(writer)
    os.close(reader)
    for _ in range(50):
        check(s.ask("POST", "/v1/gradient", GRAPH)[0].status == 200, "a log that nobody reads")
    s.end()


def check_prompt(gradd):
    """A line is there soon, though nothing follows it."""
    s = Server(gradd)
    s.ask("GET", "/healthz")
    end = time.monotonic() + 20 * PATIENCE
    text = ""
    while "route=/healthz" not in text and time.monotonic() < end:
        time.sleep(0.01)
        text = os.pread(s.file.fileno(), 1 << 20, 0).decode()
    check("route=/healthz" in text, "a line comes by itself", text)
    s.end()


def main(gradd):
    gradd = str(pathlib.Path(gradd).resolve())
    check_fields(gradd, [], read_logfmt)
    check_fields(gradd, ["--log-format", "json"], read_json)
    check_streams(gradd)
    check_tenants(gradd)
    check_switches(gradd)
    check_refusals(gradd)
    check_timing(gradd)
    check_traces(gradd)
    check_prompt(gradd)
    check_full_pipe(gradd)
    with contextlib.suppress(BrokenPipeError):
        check_no_reader(gradd)
    return conclude()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))

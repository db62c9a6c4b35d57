#!/usr/bin/python3 -B
"""Holds api/openapi.yaml against the transcript of the HTTP tests.

    check_openapi.py OPENAPI_YAML TRANSCRIPT

Every answer must have a documented status, content type and headers and be valid under its schema;
every request that was accepted must be valid under its schema too; every operation and every code
of a problem must be documented, and every operation exercised; every example of the document must
be a test that went just so; and what is served of the document must be all of it.
"""
import json
import math
import pathlib
import re
import sys
import urllib.parse

import jsonschema
import yaml
from checks import check, conclude

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# Headers of any answer, which the document does not repeat.
COMMON = {
    "date", "content-length", "content-type", "connection", "transfer-encoding", "x-content-type-options", "vary",
    "server-timing", "traceresponse",
    "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
    "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age",
}
# What any path may answer to a request that is not one of its operations.
STRAY = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


def strict_json(text):
    """JSON without NaN and without a member that is there twice."""

    def members(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ValueError(f"a member twice among {names}")
        return dict(pairs)

    def constant(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, object_pairs_hook=members, parse_constant=constant)


class Document:
    def __init__(self, path):
        self.root = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
        self.exercised = set()
        self.validators = {}

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.root
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def errors(self, schema, value):
        """The first place where the value is not what the schema asks for, or None."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            whole = {"components": self.root["components"], "allOf": [schema]}
            self.validators[key] = jsonschema.Draft202012Validator(whole)
        error = jsonschema.exceptions.best_match(self.validators[key].iter_errors(value))
        if error is None:
            return None
        return f"at /{'/'.join(map(str, error.absolute_path))}: {error.message[:400]}"

    def template(self, path):
        """The documented path that this one is an instance of: itself, or the one with fewest places."""
        if path in self.root["paths"]:
            return path
        parts = path.split("/")
        fits = [
            t for t in self.root["paths"]
            if len(t.split("/")) == len(parts)
            and all(a == b or a.startswith("{") and b for a, b in zip(t.split("/"), parts))
        ]
        return min(fits, key=lambda t: t.count("{"), default=path)

    def operation(self, path, method):
        return self.root["paths"].get(path, {}).get("get" if method == "HEAD" else method.lower())

    def operations(self):
        for path, item in self.root["paths"].items():
            for method, operation in item.items():
                if method in METHODS:
                    yield path, method, operation

    def allowed(self, path):
        """The methods that Allow must name."""
        methods = {m.upper() for p, m, _ in self.operations() if p == path}
        return methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())


def headers_of(line):
    last = line.get("headers", "").strip().split("\r\n\r\n")[-1]
    return {
        name.lower(): value.strip()
        for name, _, value in (h.partition(":") for h in last.split("\r\n")[1:])
    }


def check_headers(document, response, line):
    found = headers_of(line)
    for name, header in response.get("headers", {}).items():
        header = document.resolve(header)
        value = found.get(name.lower())
        if value is None:
            if header.get("required"):
                return f"header {name} is missing"
        elif document.errors(header["schema"], value):
            return f"header {name} is {value!r}"
    unknown = found.keys() - COMMON - {name.lower() for name in response.get("headers", {})}
    return f"headers {sorted(unknown)} are not documented" if unknown else None


def check_content(document, response, line):
    content = response.get("content", {})
    kind = line.get("content_type", "").split(";")[0]
    if line["method"] == "HEAD":
        return None if kind in content else f"content type {kind!r}"
    if not content:
        return "a body where none is documented" if line.get("body") else None
    if kind not in content:
        return f"content type {kind!r}, documented are {', '.join(content)}"
    if "body" not in line:  # too large for the transcript
        return None
    try:
        value = strict_json(line["body"]) if kind.endswith("json") else line["body"]
    except ValueError as error:
        return f"not JSON: {error}"
    return document.errors(content[kind]["schema"], value)


def check_stray(document, line):
    """An answer to what the document does not know: 401, 403, 404, 405, or OPTIONS."""
    path, method, status = line["path"], line["method"], line["status"]
    allow = {m.strip() for m in headers_of(line).get("allow", "").split(",")}
    known = path in document.root["paths"]
    if method == "OPTIONS" and status == 204 or status == 405:
        if not known or allow != document.allowed(path):
            return f"Allow is {sorted(allow)}, documented are {sorted(document.allowed(path))}"
        if status == 204:
            return None
    if status not in STRAY or known and status == 404:
        return f"{method} {path} is not documented, and the answer is {status}"
    schema = {"$ref": "#/components/schemas/Problem"}
    value = strict_json(line["body"])
    if value.get("code") != STRAY[status]:
        return f"code {value.get('code')!r}, expected {STRAY[status]!r}"
    return document.errors(schema, value)


def check_answer(document, line):
    operation = document.operation(line["path"], line["method"])
    if operation is None:
        return check_stray(document, line)
    document.exercised.add((line["path"], line["method"].lower(), str(line["status"])))
    response = operation["responses"].get(str(line["status"]))
    if response is None:
        return f"status {line['status']} is not documented"
    response = document.resolve(response)
    return check_headers(document, response, line) or check_content(document, response, line)


def check_query(document, operation, line):
    known = {}
    free = None
    for parameter in map(document.resolve, operation.get("parameters", [])):
        if parameter["in"] != "query":
            continue
        if parameter.get("explode"):
            free = parameter["schema"]
        else:
            known[parameter["name"]] = parameter
    pairs = urllib.parse.parse_qsl(line.get("query", ""), keep_blank_values=True)
    bindings = {name: value for name, value in pairs if name not in known}
    for name, value in pairs:
        if name not in known:
            continue
        parameter = known[name]
        schema = parameter.get("schema") or parameter["content"]["application/json"]["schema"]
        if document.resolve(schema).get("type") != "string" and "enum" not in document.resolve(schema):
            value = strict_json(value)
        error = document.errors(schema, value)
        if error:
            return f"query parameter {name}: {error}"
    if bindings and free is None:
        return f"query parameters {sorted(bindings)} are not documented"
    return document.errors(free, bindings) if bindings else None


def check_request(document, line):
    """Where gradd accepted a request, the document must."""
    operation = document.operation(line["path"], line["method"])
    if operation is None or line["status"] >= 400:
        return None
    error = check_query(document, operation, line)
    if error or "request" not in line:
        return error
    if "requestBody" not in operation:
        return "a body where none is documented"
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return document.errors(schema, strict_json(line["request"]))


def alike(found, said):
    """Whether two answers are the same but for the last digits of numbers, in which processors may differ."""
    if isinstance(said, dict):
        return isinstance(found, dict) and list(found) == list(said) and all(alike(found[k], said[k]) for k in said)
    if isinstance(said, list):
        return isinstance(found, list) and len(found) == len(said) and all(map(alike, found, said))
    if isinstance(said, float):
        return isinstance(found, float) and math.isclose(found, said, rel_tol=1e-5)
    return type(found) is type(said) and found == said


def check_examples(document, transcript):
    lines = {(line["path"], line["method"].lower(), line["name"]): line for line in transcript}
    for path, method, operation in document.operations():
        answers = {}
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                answers |= content.get("examples", {})
        body = operation.get("requestBody", {}).get("content", {})
        for kind in body.values():
            for key, example in kind.get("examples", {}).items():
                name = f"example {key} of {method.upper()} {path}"
                line = lines.get((path, method, example["summary"]))
                if not check(line is not None, name, f"no test is called {example['summary']!r}"):
                    continue
                asked, answered = strict_json(line["request"]), strict_json(line["body"])
                check(asked == example["value"], name, f"the test's request is {asked}")
                check(key in answers and alike(answered, answers[key]["value"]), name,
                      f"the test's answer is {answered}")


def check_shared_examples(document):
    for key, response in document.root["components"]["responses"].items():
        for content in response.get("content", {}).values():
            for name, example in content.get("examples", {}).items():
                error = document.errors(content["schema"], example["value"])
                check(error is None, f"example {name} of response {key}", error)


TYPED = {"type", "$ref", "enum", "const", "anyOf", "oneOf", "allOf"}


def check_closed(node, place=""):
    """Every object says what else it may hold and every member of what type it is, so that nothing undocumented passes."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            check(node.get("additionalProperties", True) is not True, f"schema {place}",
                  "additionalProperties is missing, or allows anything")
            for name, member in node.get("properties", {}).items():
                check(member is not True and TYPED & set(member), f"schema {place}/{name}", "it has no type")
        for key, value in node.items():
            check_closed(value, f"{place}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            check_closed(value, f"{place}/{i}")


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for way in node.get("security", []):
            yield from (f"#/components/securitySchemes/{name}" for name in way)
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def check_references(document):
    """What is referred to is there, and what is there is referred to."""
    used = {"/".join(ref.split("/")[:4]) for ref in references(document.root)}
    there = {
        f"#/components/{kind}/{name}"
        for kind, parts in document.root["components"].items()
        for name in parts
    }
    check(used == there, "references", f"on one side only: {sorted(used ^ there)}")


def check_codes(document, source):
    text = pathlib.Path(source).read_text(encoding="utf-8")
    codes = set(re.findall(r'X\([A-Z_]+, "([a-z_]+)"\)', text)) - {"none"}
    documented = set(document.root["components"]["schemas"]["ProblemCode"]["enum"])
    check(codes == documented, "the codes of problems",
          f"only in one of core/error.h and the document: {sorted(codes ^ documented)}")


def check_served(document, transcript):
    """What is served as /openapi.json is the document."""
    bodies = [line["body"] for line in transcript
              if (line["path"], line["method"], line["status"]) == ("/openapi.json", "GET", 200)]
    check(len(bodies) == 1 and strict_json(bodies[0]) == document.root, "/openapi.json",
          "it is not what api/openapi.yaml says")


def main(openapi, transcript_path):
    document = Document(openapi)
    with open(transcript_path, encoding="utf-8") as file:
        transcript = [json.loads(line) for line in file]
    for line in transcript:
        line["path"] = document.template(line["path"])
        what = f"{line['method']} {line['path']} {line['status']}: {line['name']}"
        error = check_answer(document, line)
        check(error is None, what, f"answer: {error}")
        error = check_request(document, line)
        check(error is None, what, f"request: {error}")
    for path, method, _ in document.operations():
        check(any(e[:2] == (path, method) for e in document.exercised),
              f"{method.upper()} {path}", "no test asks for it")
    check_examples(document, transcript)
    check_served(document, transcript)
    check_shared_examples(document)
    check_closed(document.root)
    check_references(document)
    check_codes(document, pathlib.Path(openapi).parent.parent / "core" / "error.h")
    return conclude()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))

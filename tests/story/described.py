# SPDX-License-Identifier: Apache-2.0
"""An Api that holds each answer against the server's own OpenAPI description: status, content type, and schema."""

import json
import re
import socket

from .api import Api
from .base import Story
from .process import Failure

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}


def is_type(value, name):
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


class Description:
    def __init__(self, text):
        self.all = json.loads(text)
        self.paths = []
        for path, methods in self.all["paths"].items():
            pattern = re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", path) + "$")
            self.paths.append((pattern, "{" in path, methods))
        self.paths.sort(key=lambda p: p[1])  # /v1/calls/events before /v1/calls/{id}

    @classmethod
    def of(cls, api):
        """What the server says of itself; a Failure with its words if it does not."""
        return cls(json.dumps(api.get("/openapi.json")))

    def resolve(self, node):
        while "$ref" in node:
            at = self.all
            for part in node["$ref"][2:].split("/"):
                at = at[part]
            node = at
        return node

    def faults(self, schema, value, where="body"):
        """What of value is not as the schema says."""
        schema = self.resolve(schema)
        if "oneOf" in schema:
            tries = [list(self.faults(s, value, where)) for s in schema["oneOf"]]
            if sum(not t for t in tries) != 1:
                yield f"{where}: fits not just one of {schema['oneOf']}"
            return
        types = schema.get("type")
        if types is not None and not any(is_type(value, t) for t in ([types] if isinstance(types, str) else types)):
            yield f"{where}: {value!r} is no {types}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is not in {schema['enum']}"
        if isinstance(value, str):
            yield from self._text_faults(schema, value, where)
        elif isinstance(value, int) and not isinstance(value, bool):
            if value < schema.get("minimum", value) or value > schema.get("maximum", value):
                yield f"{where}: {value} is out of range"
        elif isinstance(value, list):
            for i, one in enumerate(value):
                yield from self.faults(schema.get("items", {}), one, f"{where}[{i}]")
        elif isinstance(value, dict):
            yield from self._object_faults(schema, value, where)

    @staticmethod
    def _text_faults(schema, value, where):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} does not match {schema['pattern']}"
        if schema.get("format") == "uuid" and not UUID.match(value):
            yield f"{where}: {value!r} is no UUID"
        if schema.get("format") == "date-time" and not TIME.match(value):
            yield f"{where}: {value!r} is no RFC 3339 time in UTC with milliseconds"

    def _object_faults(self, schema, value, where):
        properties = schema.get("properties", {})
        # Clients must bear new fields; here each one has to be described. A node reports what it likes.
        more = schema.get("additionalProperties", True)
        if more is True and properties and schema is not self.all["components"]["schemas"]["Nodes"]:
            more = False
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, one in value.items():
            if name in properties:
                yield from self.faults(properties[name], one, f"{where}.{name}")
            elif isinstance(more, dict):
                yield from self.faults(more, one, f"{where}.{name}")
            elif not more:
                yield f"{where}.{name}: is not described"

    def check(self, method, target, status, kind, text):
        path = target.split("?")[0]
        found = next((m for pattern, _, m in self.paths if pattern.match(path)), None)
        if found is None:
            if status < 400:
                raise Failure(f"{method} {path}: {status}, but no such path is described")
            return  # what does not exist is not described
        if method.lower() not in found and (method != "HEAD" or "get" not in found):
            if status not in (400, 401, 405, 429, 503):
                raise Failure(f"{method} {path}: {status} to a method that is not described")
            return
        answers = found["get" if method == "HEAD" else method.lower()]["responses"]
        if str(status) not in answers:
            raise Failure(f"{method} {path}: {status} is not described")
        content = self.resolve(answers[str(status)]).get("content")
        if not content:
            if text:
                raise Failure(f"{method} {path}: {status} with a body: {text!r}")
            return
        kind = kind.split(";")[0]
        if kind not in content:
            raise Failure(f"{method} {path}: {status} of type {kind}, not {list(content)}")
        if kind.endswith("json") and method != "HEAD":  # whose answers have no body
            wrong = list(self.faults(content[kind]["schema"], json.loads(text)))
            if wrong:
                raise Failure(f"{method} {path}: {status} is not as described: " + "; ".join(wrong[:5]) + f"\n{text[:1000]}")


class DescribedApi(Api):
    description = None

    def call(self, method, path, body=None, headers=None, raw=None, kind="application/json", limit=30):
        status, text = super().call(method, path, body, headers, raw, kind, limit)
        if self.description is not None and text is not None:
            self.description.check(method, path, status, self.last_headers.get("Content-Type", ""), text)
        return status, text

    def refused(self, status, method, path, body=None, **more):
        """The call must end with this status; the problem."""
        has, text = self.call(method, path, body, **more)
        if has != status:
            raise Failure(f"{method} {path} {body}: {has} instead of {status}: {text[:500]}")
        return json.loads(text)

    def wrong_fields(self, method, path, body, status=422):
        """{field: message} of a refusal."""
        return {e["field"]: e["message"] for e in self.refused(status, method, path, body).get("errors", [])}

    def with_key(self, key):
        other = DescribedApi(self.base, key)
        other.description = self.description
        return other


class Wire:
    """A bare connection to an API, for what no client library would send."""

    def __init__(self, api):
        host, port = api.base.split("//")[1].split(":")
        self.socket = socket.create_connection((host, int(port)), 40)

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def answer(self):
        """(status, headers, body) of one answer; None when the server closed."""
        found = self.answer_bytes()
        return found and (*found[:2], found[2].decode())

    def answer_bytes(self):
        """The same with the body as bytes."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                return None
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += self.socket.recv(65536)
        return int(lines[0].split()[1]), headers, body

    def closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class ApiStory(Story):
    """A story without a switch; `api` checks each answer by the description."""

    stack_options = {"nodes": 0}

    @classmethod
    def provision(cls, stack):
        plain = stack.api
        cls.api = DescribedApi(plain.base, plain.key)
        cls.api.description = Description.of(plain)
        stack.api = cls.api
        cls.furnish(stack)

    @classmethod
    def furnish(cls, stack):
        """Carriers, decks, trunks: what the stories of this class stand on."""

"""Requests as bytes, and a good one for each operation of an OpenAPI document."""

import itertools
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self
from urllib.parse import quote, urlencode

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PASSWORD = "correct horse battery"  # noqa: S105 of nobody
JSON_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
PLACEHOLDER = "\u0001placeholder\u0001"
TEXTS = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "kit@example.com",
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "uri": "https://example.com/",
}
# What a schema cannot tell.
KNOWN_FIELDS = {
    "grant_type": "password",
    "username": TEXTS["email"],
    **dict.fromkeys(("password", "current_password", "new_password"), PASSWORD),
}
# Fields that are never shown again.
SECRET_FIELDS = frozenset({"password", "current_password", "new_password", "refresh_token"})
# Fields that the service takes only once: each good body has a new value.
UNIQUE_FIELDS = {"sku": "KIT-{}", "email": "kit-{}@example.com"}
numbers = itertools.count()

Schema = dict[str, Any]
Path = tuple[str | int, ...]
# Gives headers of a good request, and values of its body if that has the fields.
Show = Callable[[Collection[str]], tuple[dict[str, bytes], dict[str, Any]]]


@dataclass(frozen=True)
class Request:
    """An HTTP/1.1 request whose bytes nobody tidies; `length` adds a true Content-Length."""

    method: str = "GET"
    target: bytes = b"/"
    headers: tuple[tuple[str, bytes], ...] = (("Host", b"localhost"), ("Connection", b"close"))
    body: bytes | None = None
    length: bool = True

    def drop(self, name: str) -> Self:
        """Return it without a header."""
        kept = tuple(item for item in self.headers if item[0].lower() != name.lower())
        return replace(self, headers=kept)

    def add(self, name: str, *values: bytes) -> Self:
        """Return it with a header once for each value, besides those there are."""
        return replace(self, headers=self.headers + tuple((name, value) for value in values))

    def put(self, name: str, *values: bytes) -> Self:
        """Return it with a header once for each value, in place of those there are."""
        return self.drop(name).add(name, *values)

    def encode(self) -> bytes:
        """Return the bytes to send."""
        headers = self.headers
        if self.body is not None and self.length:
            headers += (("Content-Length", str(len(self.body)).encode()),)
        lines = [self.method.encode() + b" " + self.target + b" HTTP/1.1"]
        lines += [name.encode() + b": " + value for name, value in headers]
        return b"\r\n".join([*lines, b"", self.body or b""])

    def encode_chunked(self, body: bytes, chunk: int = 65536) -> bytes:
        """Return the bytes to send with a body in chunks."""
        head = replace(self.put("Transfer-Encoding", b"chunked"), body=None).encode()
        pieces = [body[start : start + chunk] for start in range(0, len(body), chunk)]
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        return b"".join([head, *chunks, b"0\r\n\r\n"])


@dataclass(frozen=True, eq=False)
class Route:
    """One operation; `show` gives the credentials of each of its requests.

    `find_ids`, once there is one, gives path parameters that name something which exists.
    """

    method: str
    path: str
    operation: Schema
    document: Schema
    show: Show = lambda _: ({}, {})
    find_ids: list[Callable[[], dict[str, bytes]]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_probe(self) -> bool:
        """Whether it is asked by machines, under whatever host name and as often as they like."""
        return self.path.endswith(("/health", "/ready"))

    @property
    def takes_body(self) -> bool:
        """Whether it reads a body."""
        return "requestBody" in self.operation

    @property
    def takes_json(self) -> bool:
        """Whether that body is JSON."""
        return JSON in self.operation.get("requestBody", {}).get("content", {})

    @property
    def takes_form(self) -> bool:
        """Whether that body is a form."""
        return FORM in self.operation.get("requestBody", {}).get("content", {})

    @property
    def body_schema(self) -> Schema:
        """The schema of the body, which there must be."""
        content = self.operation["requestBody"]["content"]
        return self.resolve(next(iter(content.values()))["schema"])

    @property
    def good_body(self) -> Any:  # noqa: ANN401 JSON has no type
        """A body that the schema allows, made of its examples; new where it must be."""
        body = self._example_body
        body = body | {name: KNOWN_FIELDS[name] for name in KNOWN_FIELDS if name in body}
        new = {name: UNIQUE_FIELDS[name] for name in UNIQUE_FIELDS if name in body}
        return body | {name: text.format(next(numbers)) for name, text in new.items()}

    @cached_property
    def _example_body(self) -> Any:  # noqa: ANN401 JSON has no type
        return self.example(self.body_schema)

    def parameters(self, place: str) -> list[Schema]:
        """Return the parameters in `path`, `query` or `header`."""
        every = map(self.resolve, self.operation.get("parameters", []))
        return [parameter for parameter in every if parameter["in"] == place]

    def target(self, query: bytes = b"", **values: bytes) -> bytes:
        """Return the request target; `values` of path parameters are percent-encoded already."""
        path = self.path.encode()
        names = {parameter["name"] for parameter in self.parameters("path")}
        for find in self.find_ids if names - values.keys() else []:
            values = find() | values
        for parameter in self.parameters("path"):
            name = parameter["name"]
            value = values.get(name, quote(str(self.example(parameter)), safe="").encode())
            path = path.replace(b"{%b}" % name.encode(), value)
        if not query:
            needed = [item for item in self.parameters("query") if item.get("required")]
            query = urlencode({item["name"]: self.example(item) for item in needed}).encode()
        return path + (b"?" + query if query else b"")

    def good_request(self) -> Request:
        """Return a request that the document allows."""
        request = Request(self.method, self.target())
        for parameter in self.parameters("header"):
            if parameter.get("required"):
                request = request.put(parameter["name"], str(self.example(parameter)).encode())
        body = self.good_body if self.takes_body else {}
        headers, values = self.show(body)
        for name, value in headers.items():
            request = request.put(name, value)
        if not self.takes_body:
            return request
        if self.takes_json:
            return self.with_json(request, json.dumps(body | values).encode())
        return self.with_form(request, urlencode(body | values).encode())

    def with_json(self, request: Request, body: bytes) -> Request:
        """Return the request with another body, sent as JSON."""
        return replace(request.put("Content-Type", JSON.encode()), body=body)

    def with_form(self, request: Request, body: bytes) -> Request:
        """Return the request with another body, sent as a form."""
        return replace(request.put("Content-Type", FORM.encode()), body=body)

    def with_field(self, place: Path, value: bytes) -> Request:
        """Return the good request but for one field, whose JSON is `value` as it stands."""
        good = self.good_request()
        text = json.dumps(put(json.loads(good.body or b""), place, PLACEHOLDER)).encode()
        body = text.replace(json.dumps(PLACEHOLDER).encode(), value)
        return self.with_json(good, body)

    def fields(
        self, schema: Schema | None = None, place: Path = ()
    ) -> Iterator[tuple[Path, Schema]]:
        """Yield place and schema of each field of the body, those of objects inside it included."""
        resolved = self.pick(self.body_schema if schema is None else schema)
        if place:
            yield place, schema or {}
        for name, inner in resolved.get("properties", {}).items():
            yield from self.fields(inner, (*place, name))
        if "items" in resolved:
            yield from self.fields(resolved["items"], (*place, 0))

    def types(self, schema: Schema) -> frozenset[str]:
        """Return the JSON types a schema allows; `integer` is among those of `number`."""
        schema = self.resolve(schema)
        if branches := schema.get("anyOf") or schema.get("oneOf"):
            return frozenset().union(*map(self.types, branches))
        allowed = schema.get("type", [])
        allowed = frozenset([allowed] if isinstance(allowed, str) else allowed)
        if not allowed and not schema.keys() & {"const", "enum", "allOf"}:
            return JSON_TYPES
        return allowed | ({"integer"} if "number" in allowed else set())

    def resolve(self, schema: Schema) -> Schema:
        """Return what a `$ref` means."""
        while "$ref" in schema:
            found: Any = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def pick(self, schema: Schema) -> Schema:
        """Return the first of the alternatives that is not null."""
        schema = self.resolve(schema)
        branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
        useful = (branch for branch in branches if branch.get("type") != "null")
        return self.pick(next(useful)) if branches else schema

    def example(self, schema: Schema) -> Any:  # noqa: ANN401 JSON has no type
        """Return a value that a schema or parameter allows, by preference one of its examples."""
        for candidate in (self.resolve(schema), self.resolve(schema.get("schema", schema))):
            for name in ("examples", "enum"):
                if isinstance(values := candidate.get(name), list):
                    return values[0]
            for name in ("example", "const", "default"):
                if candidate.get(name) is not None:
                    return candidate[name]
        schema = self.pick(schema.get("schema", schema))
        if "examples" in schema:
            return schema["examples"][0]
        if "properties" in schema:
            return {name: self.example(inner) for name, inner in schema["properties"].items()}
        text = TEXTS.get(schema.get("format", ""), "a" * max(1, schema.get("minLength", 1)))
        number = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return {
            "array": [self.example(schema["items"])] if "items" in schema else [],
            "object": {},
            "boolean": True,
            "integer": int(number),  # FastAPI writes bounds as fractions
            "number": number,
        }.get(schema.get("type", ""), text)


def has_alphabet(schema: Schema) -> bool:
    """Return whether a text takes only certain characters, and not merely no control characters."""
    return not schema.get("pattern", "^[^").startswith("^[^")


def put(document: Any, place: Path, value: Any) -> Any:  # noqa: ANN401 JSON has no type
    """Return the JSON document with the value at one place replaced."""
    if not place:
        return value
    copy = document.copy()
    copy[place[0]] = put(document[place[0]], place[1:], value)
    return copy


def find_routes(document: Schema, show: Show = Route.show) -> list[Route]:
    """Return the operations of an OpenAPI document."""
    return [
        Route(method.upper(), path, operation, document, show)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in {"get", "put", "post", "delete", "patch"}
    ]

"""The attack kit: no input whatever gives a 5xx.

Each table below is an input class. A new route is attacked as soon as the OpenAPI document has it;
a new input is a new line in a table. An id such as A-88 or VAL-03 is the row of the requirements
that asks for it.
"""

import functools
import gzip
import itertools
import json
import re
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from answers import JWK_SET, Answer, check_answer, read_answers
from routes import FORM, JSON, JSON_TYPES, SECRET_FIELDS, Request, Route, Schema
from servers import each_database
from service_process import GOOD_ORIGIN, HEALTH, Launch, Record, Service, is_access_record
from users import LOGOUT, ME, SIGN_UP, read_routes

pytestmark = pytest.mark.slow

# What may come of an input: a status, or one of these.
AS_USUAL = -1  # the status of the route's good request
PARSER = -2  # 400 by the server, which never got as far as the application
SILENCE = -3  # no answer while the connection is open, or a connection closed without one
REFUSED = frozenset(range(400, 500))
ANSWERED = frozenset(range(200, 500))
BROKEN = REFUSED | {PARSER}

MOMENT = 2  # seconds in which any answer comes, also beside other tests
MEGABYTE = 1024 * 1024
DEEP = 100_000
CANARY = b"kit-canary-value"
# They hash passwords, also for a good request; one that does, the form, is enough.
COSTLY = {SIGN_UP, LOGOUT, f"{ME}/password"}
GOOD = GOOD_ORIGIN.encode()

Expected = Collection[int] | Callable[[Route], Collection[int]]


@dataclass(frozen=True)
class Attack:
    """A change of a good request, and what may come of it."""

    change: Callable[[Request], Request | bytes]
    expected: Expected = ANSWERED
    timeout: float = 5
    closes: bool = False  # whether the service must close the connection


class Attacker:
    """Sends an input, judges the answers, and sees that the service is none the worse."""

    def __init__(self, service: Service) -> None:
        self.service, self.routes = service, read_routes(service)
        self._numbers = itertools.count()
        self._read: dict[str, bytes] = {}
        for route in self.routes:
            folder = route.path.rpartition("/{")[0]
            for maker in self.routes:
                if (maker.method, maker.path) == ("POST", folder):
                    route.find_ids.append(functools.partial(self.find_id, route, maker))
        self.first = {route: self.send_good_request(route) for route in self.routes}
        # The second try: what makes something may refuse to make it twice.
        self.usual = {route: self.send_good_request(route) for route in self.routes}

    @property
    def kinds_of_route(self) -> list[Route]:
        """Those which do not do costly work that the parser and the middleware do not see."""
        return [route for route in self.routes if route.path not in COSTLY]

    def ask(self, request: Request) -> Answer:
        """Return the answer, whose shape is right."""
        (answer,) = read_answers(self.service.raw(request.encode()), request.method)
        check_answer(answer)
        return answer

    def make(self, maker: Route, **values: object) -> Any:  # noqa: ANN401 JSON has no type
        """Return what a route that makes something answers; `values` replace those of examples."""
        body = json.dumps(maker.good_body | values).encode()
        answer = self.ask(maker.with_json(maker.good_request(), body))
        assert answer.status == 201, answer.body
        return answer.json()

    def find_id(self, route: Route, maker: Route) -> dict[str, bytes]:
        """Return the last parameter of the path, for something there is: new unless only read."""
        name = route.path.rpartition("/{")[2].rstrip("}")
        known = self._read if route.method == "GET" else {}
        if maker.path not in known:
            known[maker.path] = str(self.make(maker)["id"]).encode()
        return {name: known[maker.path]}

    def send_good_request(self, route: Route) -> int:
        """Return the status of the answer, once its record is in the log."""
        name = f"kit-{next(self._numbers)}"
        seen = len(self.service.lines())
        request = route.good_request().put("X-Request-ID", name.encode())
        # It may wait for the hashes of many passwords.
        (answer,) = read_answers(self.service.raw(request.encode(), timeout=30), route.method)
        check_answer(answer)
        self.service.wait_for_record(
            lambda record: record.get("request_id") == name and is_access_record(record), seen
        )
        return answer.status

    def attack(
        self,
        route: Route,
        data: Request | bytes,
        expected: Collection[int] = ANSWERED,
        *,
        timeout: float = 5,
        closes: bool = False,
    ) -> tuple[list[Answer], list[Record]]:
        """Return the answers to an input and the records it caused; both are judged."""
        seen = len(self.service.lines())
        method = data.method if isinstance(data, Request) else data[:4].decode("latin-1").strip()
        data = data.encode() if isinstance(data, Request) else data
        exchange = self.service.exchange(data, timeout)
        answers = read_answers(exchange.received, method)
        outcomes = [self.judge(route, answer) for answer in answers] or [{SILENCE}]
        for outcome in outcomes:
            assert outcome & set(expected), (exchange.received[:2000], data[:500])
        assert exchange.closed or not closes, "the connection stays open"
        assert self.send_good_request(route) == self.usual[route], "the next good request"
        records = self.service.log(seen)
        check_records(records)
        return answers, records

    def judge(self, route: Route, answer: Answer) -> set[int]:
        """Return what to call the answer, whose shape is right."""
        if answer.is_of_the_server:
            return {PARSER}
        check_answer(answer)
        text = str(answer.headers).encode() + answer.body
        assert b"evil" not in text
        assert answer.status < 400 or CANARY not in text
        return {answer.status} | ({AS_USUAL} if answer.status == self.usual[route] else set())


def check_records(records: list[Record]) -> None:
    """Assert that nothing went wrong within, and that the log keeps what it was told to itself."""
    for record in records:
        text = str(record)
        assert record["level"] in {"debug", "info", "warning"}, text
        assert "Traceback" not in text
        assert CANARY.decode() not in text


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


# The parser, the middleware and the router know nothing of the database.
OF_HTTP = pytest.mark.parametrize("database", each_database(but={"sqlite", "mysql"}), indirect=True)


@pytest.fixture(scope="module")
def attacker(service: Service) -> Attacker:
    return Attacker(service)


def expect(expected: Expected, route: Route) -> Collection[int]:
    return expected(route) if callable(expected) else expected


def test_each_route_serves_the_request_made_of_its_examples(attacker: Attacker) -> None:
    assert attacker.routes
    for route in attacker.routes:
        # An example of an identifier names nothing that is there.
        nowhere = route.parameters("path") and not route.find_ids
        served = {200, 201, 202, 204} | ({404} if nowhere else set())
        assert attacker.first[route] in served, route


# --- Bodies

BODIES: dict[str, tuple[Callable[[bytes], bytes], Collection[int]]] = {
    "A-88 an open brace": (lambda _: b"{", {422}),
    "A-88 empty": (lambda _: b"", {422}),
    "A-88 null": (lambda _: b"null", {422}),
    "A-88 a list": (lambda _: b"[]", {422}),
    "A-88 a number": (lambda _: b"1", {422}),
    "A-88 a text": (lambda _: b'"' + CANARY + b'"', {422}),
    "A-88 a trailing comma": (lambda body: body[:-1] + b",}", {422}),
    "A-88 a comment": (lambda body: body + b" // comment", {422}),
    "A-88 single quotes": (lambda body: body.replace(b'"', b"'"), {422}),
    "A-88 two documents": (lambda body: body + body, {422}),
    "A-88 text after the end": (lambda body: body + CANARY, {422}),
    "A-88 a form": (lambda _: b"a=1&b=2", {422}),
    "A-88 a NUL after the end": (lambda body: body + b"\0", {422}),
    "A-88 cut off": (lambda body: body[:-2], {422}),
    "A-88 latin-1": (lambda body: body[:-1] + b',"\xe9":"' + CANARY + b'\xe9"}', REFUSED),
    "A-88 a byte order mark": (lambda body: b"\xef\xbb\xbf" + body, ANSWERED),
    "A-88 UTF-16": (lambda body: body.decode().encode("utf-16"), ANSWERED),
    "A-88 UTF-16 without mark": (lambda body: body.decode().encode("utf-16-le"), ANSWERED),
    "A-88 UTF-32": (lambda body: body.decode().encode("utf-32"), ANSWERED),
    "A-88 UTF-7": (lambda body: body.decode().encode("utf-7"), ANSWERED),
    "A-89 NaN": (lambda _: b"NaN", REFUSED),
    "A-89 1e999": (lambda _: b"1e999", REFUSED),
    "A-90 deep lists": (lambda _: b"[" * DEEP + b"]" * DEEP, REFUSED),
    "A-90 open deep lists": (lambda _: b"[" * DEEP, REFUSED),
    "A-90 deep objects": (lambda _: b'{"a":' * DEEP + b"1" + b"}" * DEEP, REFUSED),
    "A-90 5000 digits": (lambda _: b"9" * 5000, REFUSED),
    "VAL-08 an unknown field": (lambda body: body[:-1] + b',"is_superuser":true}', REFUSED),
    "VAL-08 10000 unknown fields": (
        lambda body: body[:-1] + b"".join(b',"x%d":1' % n for n in range(10_000)) + b"}",
        REFUSED,
    ),
    "VAL-08 a name of 100 kB": (lambda body: body[:-1] + b',"%b":1}' % (b"a" * 100_000), REFUSED),
    "A-91 half a pair as name": (lambda body: body[:-1] + b',"\\ud800":1}', REFUSED),
    "VAL-03 bytes of half a pair": (lambda body: body[:-1] + b',"\xed\xa0\x80":1}', REFUSED),
    "VAL-04 NUL in a name": (lambda body: body[:-1] + b',"a\\u0000b":1}', REFUSED),
    "VAL-08 __proto__": (lambda body: body[:-1] + b',"__proto__":{"a":1}}', REFUSED),
    "VAL-08 an empty name": (lambda body: body[:-1] + b',"":1}', REFUSED),
    "VAL-10 each name twice": (lambda body: body[:-1] + b"," + body[1:], ANSWERED),
}


@pytest.mark.parametrize("name", BODIES)
def test_no_body_breaks_a_route(attacker: Attacker, subtests: pytest.Subtests, name: str) -> None:
    change, expected = BODIES[name]
    for route in attacker.routes:
        with subtests.test(route=str(route)):
            good = route.good_request()
            body = change(good.body if route.takes_json and good.body else b'{"a": "b"}')
            allowed = expected if route.takes_json else ANSWERED
            attacker.attack(route, route.with_json(good, body), allowed, timeout=MOMENT)


Value = tuple[bytes, Collection[str]]

# A field must refuse the value unless it may be one of these JSON types.
NEVER: frozenset[str] = frozenset()
VALUES: dict[str, Value] = {
    "A-89 NaN": (b"NaN", NEVER),
    "A-89 Infinity": (b"Infinity", NEVER),
    "A-89 -Infinity": (b"-Infinity", NEVER),
    "A-89 1e999": (b"1e999", NEVER),
    "A-89 -1e999": (b"-1e999", NEVER),
    "A-89 NaN in an object": (b'{"a": NaN}', NEVER),
    "A-90 deep lists": (b"[" * DEEP + b"]" * DEEP, NEVER),
    "A-90 5000 digits": (b"9" * 5000, NEVER),
    "A-90 5000 digits in quotes": (b'"%b"' % (b"9" * 5000), NEVER),
    "A-91 half a pair": (b'"kit-canary-value\\ud800"', NEVER),
    "A-91 the other half": (b'"kit-canary-value\\udc00\\ud800"', NEVER),
    "A-91 bytes of half a pair": (b'"kit-canary-value\xed\xa0\x80"', NEVER),
    "A-91 half a pair in a list": (b'["kit-canary-value\\ud800"]', NEVER),
    "A-91 half a pair in an object": (b'{"\\ud800": "kit-canary-value\\ud800"}', NEVER),
    "VAL-04 NUL": (b'"kit-canary-value\\u0000"', NEVER),
    "VAL-04 only NUL": (b'"\\u0000"', NEVER),
    "VAL-06 2^31": (b"2147483648", JSON_TYPES),
    "VAL-06 2^63": (b"9223372036854775808", {"number"}),
    "VAL-06 below -2^63": (b"-9223372036854775809", {"number"}),
    "VAL-06 a million zeros": (b"1e-1000000", JSON_TYPES),
    "VAL-06 1e308": (b"1e308", {"number"}),
    "VAL-07 a text of 200 kB": (b'"%b"' % (b"a" * 200_000), NEVER),
    "VAL-07 a list of 50000": (b"[%b1]" % (b"1," * 50_000), NEVER),
    "VAL-12 null": (b"null", {"null"}),
    "VAL-12 a list": (b"[]", {"array"}),
    "VAL-12 an object": (b"{}", {"object"}),
    "VAL-12 a text": (b'"kit-canary-value"', {"string"}),
    "VAL-12 a mongo query": (b'{"$ne": "kit-canary-value"}', {"object"}),
    "VAL-12 true": (b"true", JSON_TYPES),
    "VAL-12 a number in quotes": (b'"12"', JSON_TYPES),
    "VAL-12 a fraction": (b"1.5", JSON_TYPES),
    "VAL-12 minus zero": (b"-0.0", JSON_TYPES),
    "VAL-12 minus one": (b"-1", JSON_TYPES),
    "VAL-12 1_000": (b'"1_000"', JSON_TYPES),
    "VAL-12 Arabic digits": ('"١٢"'.encode(), JSON_TYPES),
    "VAL-15 an escape sequence": (b'"kit-canary-value\\u001b[31m"', JSON_TYPES),
    "VAL-15 CR LF": (b'"kit-canary-value\\r\\nX: y"', JSON_TYPES),
    "VAL-15 a raw line end": (b'"kit-canary-value\n"', NEVER),
    "VAL-15 U+2028": (b'"kit-canary-value\\u2028"', JSON_TYPES),
    "VAL-15 right to left": (b'"kit-canary-value\\u202e"', JSON_TYPES),
    "VAL-15 beyond the BMP": ('"👩‍👩‍👧 \U0010ffff"'.encode(), JSON_TYPES),
    "VAL-15 a noncharacter": (b'"\\uffff\\ufdd0"', JSON_TYPES),
    "VAL-15 empty": (b'""', JSON_TYPES),
    "VAL-15 only spaces": (b'"   "', JSON_TYPES),
    "VAL-15 50 combining marks": (b'"a%b"' % (b"\\u0301" * 50), JSON_TYPES),
    "VAL-15 invalid UTF-8": (b'"kit-canary-value\xff"', NEVER),
    "VAL-15 overlong UTF-8": (b'"kit-canary-value\xc0\x80"', NEVER),
    "VAL-15 a bad escape": (b'"kit-canary-value\\x41"', NEVER),
    "VAL-13 no day": (b'"2026-02-30T25:61:61Z"', JSON_TYPES),
    "VAL-13 the year 10000": (b'"10000-01-01T00:00:00Z"', JSON_TYPES),
    "VAL-13 no UUID": (b'"00000000-0000-0000-0000-00000000000g"', JSON_TYPES),
    "VAL-15 SQL": (b'"\' OR 1=1; --"', JSON_TYPES),
    "VAL-15 a template": (b'"{{7*7}}${jndi:ldap://x}%s%n{0}"', JSON_TYPES),
    "VAL-15 a path": (b'"../../../etc/passwd"', JSON_TYPES),
}


@pytest.mark.parametrize("name", VALUES)
def test_no_field_value_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    value, fitting = VALUES[name]
    for route in attacker.routes:
        for place, schema in route.fields() if route.takes_json else ():
            expected = ANSWERED if route.types(schema) & set(fitting) else REFUSED
            with subtests.test(route=str(route), field=place):
                attacker.attack(route, route.with_field(place, value), expected)


CONTENT_TYPES: dict[str, tuple[list[bytes], Collection[int]]] = {
    "A-94 none": ([], REFUSED),
    "A-94 empty": ([b""], REFUSED),
    "A-94 text/plain": ([b"text/plain"], REFUSED),
    "A-94 a form": ([b"application/x-www-form-urlencoded"], REFUSED),
    "A-94 XML": ([b"application/xml"], REFUSED),
    "A-94 multipart": ([b"multipart/form-data; boundary=x"], REFUSED),
    "A-94 multipart without boundary": ([b"multipart/form-data"], REFUSED),
    "A-94 a backslash": ([rb"application/json\;x"], REFUSED),
    "A-94 no subtype": ([b"application"], REFUSED),
    "A-94 octets": ([b"application/octet-stream"], REFUSED),
    "A-94 a parameter without value": ([b"application/json;x"], ANSWERED),
    "A-94 another JSON": ([b"application/merge-patch+json"], ANSWERED),
    "A-94 UTF-16": ([b"application/json; charset=utf-16"], ANSWERED),
    "A-94 no charset": ([b"application/json; charset=\xff\xfe"], ANSWERED),
    "A-94 two": ([b"application/json", b"text/plain"], ANSWERED),
    "A-94 10 kB": ([b"application/json; x=" + b"a" * 10_000], ANSWERED),
    "HTTP-07 capitals": ([b"APPLICATION/JSON; charset=utf-8"], {AS_USUAL}),
    "HTTP-07 spaces": ([b"application/json ; charset=UTF-8"], {AS_USUAL}),
}


@OF_HTTP
@pytest.mark.parametrize("name", CONTENT_TYPES)
def test_no_content_type_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    values, expected = CONTENT_TYPES[name]
    for route in attacker.kinds_of_route:
        good = route.good_request()
        body = good.body or b"{}"
        with subtests.test(route=str(route)):
            request = replace(good.put("Content-Type", *values), body=body)
            attacker.attack(route, request, expected if route.takes_json else ANSWERED)


FIELDS_OF_FORMS = {
    "A-52 1 MB": b"a" * MEGABYTE,
    "A-52 500 kB": b"a" * 500_000,
    # Sorting them takes the square of their number.
    "A-52 200000 combining marks": "\u0301\u0316".encode() * 100_000,
    "A-53 NUL": b"kit%00canary",
    "A-54 half a pair": b"%ed%a0%80",
    "A-54 invalid UTF-8": b"%ff%fe",
    "A-57 empty": b"",
    "A-59 a line end": b"a%40example.com%0d%0aBcc:%20b%40example.com",
    "A-59 a tag": b"%3cscript%3e%40example.com",
    "A-61 an accent": "àdmin%40example.com".encode(),
    "A-68 SQL": b"'%20OR%20'1'='1'--",
    "A-68 SQL with a quote": b"%22;%20DROP%20TABLE%20users;--",
    "A-68 an escape sequence": b"%1b%5b31m",
    "A-68 U+2028": b"%e2%80%a8",
    "A-68 a template": b"{{7*7}}${jndi:ldap://x}%25s",
    "A-68 a bad escape": b"%zz%",
}


@pytest.mark.parametrize("name", FIELDS_OF_FORMS)
def test_no_field_of_a_form_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    value = FIELDS_OF_FORMS[name]
    for route in attacker.routes:
        for (field,), _schema in route.fields() if route.takes_form else ():
            good = route.good_request()
            others = urlencode({k: v for k, v in route.good_body.items() if k != field}).encode()
            with subtests.test(route=str(route), field=field):
                body = others + b"&%b=%b" % (str(field).encode(), value)
                expected = REFUSED if field in {"username", "password"} else ANSWERED
                attacker.attack(route, route.with_form(good, body), expected, timeout=MOMENT)


def multipart(request: Request, charset: bytes, part: bytes = b"") -> Request:
    """Return the request with its form in parts; `part` is the username of the last one."""
    fields = dict(parse_qsl((request.body or b"").decode())) | ({"username": ""} if part else {})
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (name.encode(), value.encode() if value else part)
        for name, value in fields.items()
    ]
    body = b"".join(parts) + b"--x--\r\n"
    content_type = b"multipart/form-data; boundary=x; charset=" + charset
    return replace(request.put("Content-Type", content_type), body=body)


FORMS: dict[str, Attack] = {
    **{
        f"A-65 {name}": Attack(
            lambda good, body=body: replace(good.put("Content-Type", FORM.encode()), body=body),
            expected,
        )
        for name, body, expected in (
            ("empty", b"", {422}),
            ("no fields", b"&&&", {422}),
            ("one field", b"username=a", {422}),
            ("a text", CANARY, {422}),
            ("JSON", b'{"username": "a", "password": "b"}', {422}),
            ("NULs", bytes(1000), {422}),
            ("bytes", bytes(range(128, 256)) * 100, REFUSED),
            ("a bad escape", b"%=%&%z=%zz", REFUSED),
            ("5000 fields", b"&".join(b"a%d=1" % number for number in range(5000)), REFUSED),
            ("5000 usernames", b"username=a&" * 5000 + b"password=b", REFUSED),
            ("brackets", b"username[]=a&password[]=b", {422}),
        )
    },
    "A-65 JSON said to be JSON": Attack(
        lambda good: replace(good.put("Content-Type", b"application/json"), body=b"{}"), {415, 422}
    ),
    "A-65 text": Attack(
        lambda good: replace(good.put("Content-Type", b"text/plain"), body=b"a"), {415, 422}
    ),
    "A-65 parts": Attack(lambda good: multipart(good, b"utf-8"), {AS_USUAL, 415, 422}),
    **{
        f"A-65 parts in {charset[:20].decode('latin-1')}": Attack(
            lambda good, charset=charset, part=part: multipart(good, charset, part), REFUSED
        )
        for charset, part in (
            (b"utf-7", b"+2AA-"),
            (b"unicode_escape", rb"\ud800"),
            (b"utf-16", b"\x00\xd8"),
            (b"idna", b"xn--a-\xff." * 10),
            (b"punycode", b"\xff-\xff"),
            (b"rot13", b"a"),
            (b"hex", b"zz"),
            (b"zlib", b"a"),
            (b"undefined", b"a"),
            (b"none-at-all", b"a"),
            (b"\xff", b"a"),
            (b"a" * 1000, b"a"),
        )
    },
    "A-65 a file as field": Attack(
        lambda good: replace(
            good.put("Content-Type", b"multipart/form-data; boundary=x"),
            body=b'--x\r\nContent-Disposition: form-data; name="username"; filename="a"\r\n\r\n'
            b'a\r\n--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nb\r\n--x--\r\n',
        ),
        REFUSED,
    ),
    **{
        f"A-65 broken parts {number}": Attack(
            lambda good, body=body: replace(
                good.put("Content-Type", b"multipart/form-data; boundary=x"), body=body
            ),
            REFUSED,
        )
        for number, body in enumerate(
            (
                b"",
                b"--x",
                b"--x--",
                b"--y\r\n\r\n",
                b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
                b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\na\r\n--x--',
                b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n--x--",
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 5000,
            )
        )
    },
    **{
        f"A-66 grant_type {value.decode()}": Attack(
            lambda good, value=value: replace(
                good, body=(good.body or b"").replace(b"=password", b"=" + value, 1)
            ),
            expected,
        )
        for value, expected in (
            (b"client_credentials", {422}),
            (b"Password", {422}),
            (b"password%0a", {422}),
            (b"", ANSWERED),
        )
    },
}


@pytest.mark.parametrize("name", FORMS)
def test_no_form_breaks_a_route(attacker: Attacker, subtests: pytest.Subtests, name: str) -> None:
    attack = FORMS[name]
    for route in attacker.routes:
        if route.takes_form:
            with subtests.test(route=str(route)):
                request = attack.change(route.good_request())
                attacker.attack(route, request, expect(attack.expected, route))


XXE = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    b"<weight_grams>&e;</weight_grams>"
)
CODED: dict[str, tuple[dict[str, bytes], bytes]] = {
    "A-94 XXE": ({"Content-Type": b"application/xml"}, XXE),
    "A-94 XXE said to be JSON": ({}, XXE),
    "A-95 gzip": ({"Content-Encoding": b"gzip"}, gzip.compress(b"{}")),
    "A-95 deflate": ({"Content-Encoding": b"deflate"}, zlib.compress(b"{}")),
    "A-95 br": ({"Content-Encoding": b"br"}, b"\x0b\x00\x80{}\x03"),
    "A-95 gzip twice": ({"Content-Encoding": b"gzip, gzip"}, gzip.compress(gzip.compress(b"{}"))),
    "A-95 no gzip": ({"Content-Encoding": b"gzip"}, b"\x1f\x8b" + CANARY),
    "A-95 an unknown coding": ({"Content-Encoding": b"kit"}, b"\x00" + CANARY),
}


@OF_HTTP
@pytest.mark.parametrize("name", CODED)
def test_no_coded_body_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    headers, body = CODED[name]
    for route in attacker.kinds_of_route:
        request = route.with_json(route.good_request(), body)
        for header, value in headers.items():
            request = request.put(header, value)
        with subtests.test(route=str(route)):
            attacker.attack(route, request, REFUSED if route.takes_json else ANSWERED)


def large_bodies(request: Request) -> Iterator[tuple[str, bytes, Collection[int]]]:
    """Yield name, bytes and what a route that reads bodies says to them."""
    many = b'{"a": "' + b"a" * (20 * MEGABYTE) + b'"}'
    one_too_many = b"[" + b" " * MEGABYTE
    bomb = gzip.compress(bytes(100 * MEGABYTE), 6)
    declared = request.put("Content-Length", str(len(many)).encode())
    yield "A-93 20 MB declared", replace(request, body=many).encode(), {413}
    yield "A-93 20 MB declared, none sent", declared.encode(), {413}
    yield "A-93 20 MB in chunks", request.encode_chunked(many), {413}
    yield "A-93 20 MB in one chunk", request.encode_chunked(many, len(many)), {413}
    yield "A-93 200000 chunks of a byte", request.encode_chunked(many[:200_000], 1), REFUSED
    yield "HTTP-08 a byte over the limit", request.encode_chunked(one_too_many), {413}
    unpacked = request.put("Content-Encoding", b"gzip")
    yield "A-95 a zip bomb", replace(unpacked, body=bomb).encode(), REFUSED
    yield "A-95 a zip bomb in chunks", unpacked.encode_chunked(bomb), REFUSED


@OF_HTTP
def test_a_large_body_takes_no_memory(attacker: Attacker, subtests: pytest.Subtests) -> None:
    service = attacker.service
    for route in attacker.kinds_of_route:
        content_type = FORM if route.takes_form else JSON
        good = route.good_request().put("Content-Type", content_type.encode())
        for name, data, expected in large_bodies(replace(good, body=None)):
            with subtests.test(name, route=str(route)):
                service.forget_peak_rss()
                before = service.peak_rss
                reads = route.takes_body
                attacker.attack(route, data, expected if reads else ANSWERED | {SILENCE, PARSER})
                assert service.peak_rss - before < 8 * MEGABYTE


# --- One request, changed: headers and framing (A-93, A-96, A-99 … A-109)


def served_unless_body(route: Route) -> Collection[int]:
    return BROKEN | {SILENCE} if route.takes_body else ANSWERED | {SILENCE, PARSER}


def foreign_host(route: Route) -> Collection[int]:
    return ANSWERED if route.is_probe else {400}


def with_length(value: bytes) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        body = request.body or b'{"a": 1}'
        return replace(request.put("Content-Length", value), body=body, length=False)

    return change


def with_header(name: str, *values: bytes) -> Callable[[Request], Request]:
    return lambda request: request.put(name, *values)


def with_line(line: bytes) -> Callable[[Request], bytes]:
    """Add a header line as it stands; the connection may stay open."""
    return lambda request: (
        request.drop("Connection").encode().replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)
    )


def with_framing(*lines: bytes) -> Callable[[Request], bytes]:
    """Send the body in one chunk, framed as `lines` say, and a second request after it."""

    def change(request: Request) -> bytes:
        body = request.body or b'{"a": 1}'
        head = replace(request.drop("Connection"), body=None).encode()[:-2]
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        length = str(len(body)).encode()
        framing = b"".join(line.replace(b"LENGTH", length) + b"\r\n" for line in lines)
        return (
            head + framing + b"\r\n" + chunk + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )

    return change


SMUGGLED: dict[str, tuple[bytes, ...]] = {
    "A-102 CL and TE": (b"Content-Length: LENGTH", b"Transfer-Encoding: chunked"),
    "A-102 TE and CL": (b"Transfer-Encoding: chunked", b"Content-Length: LENGTH"),
    "A-102 TE and CL 0": (b"Transfer-Encoding: chunked", b"Content-Length: 0"),
    "A-102 two TE": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "A-102 TE twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "A-102 two equal CL": (b"Content-Length: LENGTH", b"Content-Length: LENGTH"),
    "A-102 two CL": (b"Content-Length: LENGTH", b"Content-Length: 5"),
    "A-102 a list of CL": (b"Content-Length: LENGTH, LENGTH",),
    "A-102 xchunked": (b"Transfer-Encoding: xchunked",),
    "A-102 chunked and more": (b"Transfer-Encoding: chunked, identity",),
    "A-102 chunked twice": (b"Transfer-Encoding: chunked, chunked",),
    "A-102 chunked after a tab": (b"Transfer-Encoding:\x0bchunked",),
    "A-102 chunked in quotes": (b'Transfer-Encoding: "chunked"',),
    "A-102 chunked with a parameter": (b"Transfer-Encoding: chunked;x=1",),
    "A-102 TE with a space": (b"Transfer-Encoding : chunked",),
    "A-102 folded TE": (b"Transfer-Encoding:\r\n chunked",),
    "A-102 TE after a bare CR": (b"X: a\rTransfer-Encoding: chunked",),
    "A-102 TE after a bare LF": (b"X: a\nTransfer-Encoding: chunked",),
}
LENGTHS = {
    "minus": b"-1",
    "exponent": b"1e3",
    "plus": b"+5",
    "hexadecimal": b"0x10",
    "empty": b"",
    "list": b"5, 6",
    "2^64": b"18446744073709551616",
    "5000 digits": b"9" * 5000,
}
HOSTS: dict[str, tuple[bytes, ...]] = {
    "foreign": (b"evil.example",),
    "with a port": (b"evil.example:80",),
    "missing": (),
    "empty": (b"",),
    "two": (b"localhost", b"evil.example"),
    "the same twice": (b"localhost", b"localhost"),
    "list": (b"localhost, evil.example",),
    "user": (b"localhost:80@evil.example",),
    "our name as user": (b"evil.example:80@localhost",),
    "slash": (b"localhost/evil",),
    "question mark": (b"localhost?evil",),
    "hash": (b"localhost#evil",),
    "backslash": (b"localhost\\evil",),
    "quote": (b'localhost"evil',),
    "space": (b"localhost evil",),
    "tag": (b"<script>evil</script>",),
    "suffix": (b"localhost.evil.example",),
    "prefix": (b"evil-localhost",),
    "trailing comma": (b"localhost,",),
    "port no number": (b"localhost:evil",),
    "port too long": (b"localhost:8000000",),
    "not ASCII": (b"localhost\xff\xfe",),
    "10 kB": (b"evil" * 2500,),
    "open bracket": (b"[::1",),
}
ORIGINS: dict[str, tuple[bytes, ...]] = {
    "foreign": (b"https://evil.example",),
    "null": (b"null",),
    "ours as prefix": (b"https://good.example.evil.example",),
    "ours as suffix": (b"https://evilgood.example",),
    "downgrade": (b"http://good.example",),
    "capitals": (b"https://GOOD.example",),
    "port": (b"https://good.example:444",),
    "slash": (b"https://good.example/",),
    "user": (b"https://good.example@evil.example",),
    "star": (b"*",),
    "empty": (b"",),
    "two": (b"https://good.example", b"https://evil.example"),
    "list": (b"https://good.example, https://evil.example",),
    "not ASCII": (b"https://good.example\xff",),
    "10 kB": (b"https://" + b"evil" * 2500,),
}
ACCEPTS = {
    "HTML": b"text/html",
    "XML": b"application/xml",
    "nothing": b"*/*;q=0",
    "garbage": b"\xff;;q=x,,/;",
    "empty": b"",
    "image": b"image/*",
    "traversal": b"../../../etc/passwd{{",
    "10 kB": b"a/b," * 2500,
}
ID = b"0af7651916cd43dd8448eb211c80319c"
SPAN = b"b7ad6b7169203331"
NO_TRACE = "no trace"
TRACEPARENTS: dict[str, tuple[bytes, ...]] = {
    "version ff": (b"ff-%b-%b-01" % (ID, SPAN),),
    "zero trace": (b"00-%b-%b-01" % (b"0" * 32, SPAN),),
    "zero parent": (b"00-%b-%b-01" % (ID, b"0" * 16),),
    "capitals": (b"00-%b-%b-01" % (ID.upper(), SPAN),),
    "54 characters": (b"00-%b-%b-0" % (ID, SPAN),),
    "56 characters": (b"00-%b-%b-011" % (ID, SPAN),),
    "no hexadecimal": (b"00-%b-%b-01" % (ID.replace(b"a", b"g"), SPAN),),
    "other separators": (b"00_%b_%b_01" % (ID, SPAN),),
    "missing flags": (b"00-%b-%b" % (ID, SPAN),),
    "more members": (b"00-%b-%b-01-evil" % (ID, SPAN),),
    "empty": (b"",),
    "not ASCII": (b"00-%b-%b-\xff\xff" % (ID, SPAN),),
    "two": (b"00-%b-%b-01" % (ID, SPAN), b"00-%b-%b-01" % (ID[::-1], SPAN)),
}
SPOOFED = {
    "X-Forwarded-Host": b"evil.example",
    "X-Forwarded-Proto": b"https",
    "X-Forwarded-For": b"203.0.113.9",
    "X-Forwarded-Port": b"443",
    "X-Forwarded-Prefix": b"/evil",
    "X-Forwarded-Server": b"evil.example",
    "X-Real-IP": b"203.0.113.9",
    "X-Client-IP": b"203.0.113.9",
    "X-Original-URL": b"/evil",
    "X-Rewrite-URL": b"/evil",
    "Forwarded": b"for=203.0.113.9;host=evil.example;proto=https",
    "X-HTTP-Method-Override": b"DELETE",
    "X-HTTP-Method": b"DELETE",
    "X-Method-Override": b"TRACE",
}
WEBSOCKET = {
    "Connection": b"Upgrade",
    "Upgrade": b"websocket",
    "Sec-WebSocket-Version": b"13",
    "Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


def upgraded(request: Request) -> Request:
    for name, value in WEBSOCKET.items():
        request = request.put(name, value)
    return request


CHANGES: dict[str, Attack] = {
    **{
        f"A-93 length {name}": Attack(with_length(value), {PARSER}, closes=True)
        for name, value in LENGTHS.items()
    },
    "A-93 length too short": Attack(with_length(b"5"), served_unless_body),
    "A-93 length too long": Attack(
        lambda request: with_length(b"%d" % (len(request.body or b"") + 50))(request),
        served_unless_body,
        timeout=0.3,
    ),
    **{
        f"A-96 method {method}": Attack(
            lambda request, method=method: replace(request, method=method), {400, 405, 501, PARSER}
        )
        for method in ("TRACE", "CONNECT", "PROPFIND", "PURGE", "FOO", "get", "G ET", "A" * 5000)
    },
    **{
        f"A-99 host {name}": Attack(with_header("Host", *values), foreign_host)
        for name, values in HOSTS.items()
    },
    "A-99 absolute target": Attack(
        lambda request: replace(request, target=b"http://evil.example" + request.target)
    ),
    "A-99 absolute target and host": Attack(
        lambda request: replace(
            request.put("Host", b"evil.example"), target=b"http://localhost" + request.target
        ),
        foreign_host,
    ),
    "A-101 a slash at the end and a foreign host": Attack(
        lambda request: replace(
            request.put("Host", b"evil.example"), target=request.target.split(b"?")[0] + b"/"
        ),
        {400, 404},
    ),
    "A-101 a slash at the end": Attack(
        lambda request: replace(request, target=request.target.split(b"?")[0] + b"/"), {404}
    ),
    **{
        name: Attack(with_framing(*lines), {PARSER}, timeout=1, closes=True)
        for name, lines in SMUGGLED.items()
    },
    "A-102 gzip, chunked": Attack(
        with_framing(b"Transfer-Encoding: gzip, chunked"), ANSWERED | {501, PARSER}, timeout=1
    ),
    "A-102 a bare LF ends lines": Attack(
        lambda request: request.drop("Connection").encode().replace(b"\r\n", b"\n"),
        {PARSER},
        closes=True,
    ),
    **{
        f"A-102 {name}": Attack(with_line(line), {PARSER}, closes=True)
        for name, line in {
            "NUL in a header": b"X-A: a\0b",
            "NUL in a name": b"X\0A: b",
            "a folded header": b"X-A: a\r\n b",
            "a name with a space": b"X A: b",
            "a space before the colon": b"X-A : b",
            "no colon": b"X-A",
            "an empty name": b": b",
            "a bare CR": b"X-A: a\rb",
        }.items()
    },
    "A-102 a NUL in the target": Attack(
        lambda request: replace(request, target=request.target + b"\0"), {PARSER}
    ),
    "A-102 a space in the target": Attack(
        lambda request: replace(request, target=request.target + b" x"), {PARSER}
    ),
    "A-102 bytes over 127 in the target": Attack(
        lambda request: replace(request, target=request.target + b"\xff\xc3\xa9"), BROKEN
    ),
    "A-102 no chunk size": Attack(
        lambda request: (
            replace(request, body=None).put("Transfer-Encoding", b"chunked").encode() + b"evil\r\n"
        ),
        ANSWERED | {PARSER},
    ),
    "A-102 a huge chunk size": Attack(
        lambda request: (
            replace(request, body=None).put("Transfer-Encoding", b"chunked").encode()
            + b"f" * 17
            + b"\r\n{}"
        ),
        ANSWERED | {PARSER},
    ),
    **{
        f"A-104 traceparent {name}": Attack(with_header("traceparent", *values), {AS_USUAL})
        for name, values in TRACEPARENTS.items()
    },
    "A-104 tracestate of 1 MB": Attack(with_header("tracestate", b"a=b," * (MEGABYTE // 4))),
    **{
        f"A-105 origin {name}": Attack(with_header("Origin", *values), {AS_USUAL})
        for name, values in ORIGINS.items()
    },
    "A-105 a foreign origin with cookies": Attack(
        lambda request: request.put("Origin", b"https://evil.example").put("Cookie", b"a=b"),
        {AS_USUAL},
    ),
    **{
        f"A-108 accept {name}": Attack(with_header("Accept", value), {AS_USUAL, 406})
        for name, value in ACCEPTS.items()
    },
    **{
        f"A-109 {name}: {value.decode('latin-1')[:30]}": Attack(
            with_header(name, value), {AS_USUAL, 304, 400, 412, 416, 417, PARSER}
        )
        for name, value in (
            ("Range", b"bytes=0-0"),
            ("Range", b"bytes=" + b"0-1," * 2000),
            ("Range", b"lines=\xff"),
            ("If-Modified-Since", b"yesterday"),
            ("If-Modified-Since", b"Sat, 31 Dec 99999 25:61:61 GMT"),
            ("If-None-Match", b"*, W/"),
            ("If-Match", b"\xff"),
            ("Expect", b"100-continue"),
            ("Expect", b"foo"),
            ("Connection", b"close, Host, X-Request-ID"),
            ("Accept-Encoding", b"gzip;q=x, *;q=2, ,\xff"),
            ("Accept-Language", b"../../etc/passwd"),
            ("User-Agent", b"() { :; }; \xff\x1b[31m" + b"a" * 10_000),
            ("Cookie", b"=;;\xff=\x01; a=" + b"b" * 10_000),
            ("If-Match", b"a" * 10_000),
            ("Idempotency-Key", b"\xff" * 1000),
        )
    },
    **{
        f"A-109 credentials {value[:30].decode('latin-1')}": Attack(
            with_header("Authorization", value), {AS_USUAL, 401}
        )
        for value in (
            *(b"Bearer \xff", b"Basic !", b"", b"Bearer", b"\xff\xfe", b"Bearer " + b"a" * 60_000),
            *(b"Bearer " + b"a.b." * 3000, b"Bearer " + "\u2028".encode(), b"Digest a=b, c=d"),
        )
    },
    "A-109 a web socket": Attack(upgraded, REFUSED | {AS_USUAL}, timeout=0.5),
    "A-109 h2c": Attack(
        lambda request: request.put("Upgrade", b"h2c").put("HTTP2-Settings", b"AAMAAABkAAQAAP__"),
        {AS_USUAL, 400},
    ),
    "HTTP-09 a target of 100 kB": Attack(
        lambda request: replace(request, target=request.target + b"?a=" + b"a" * 100_000),
        ANSWERED | {PARSER},
    ),
    "HTTP-09 a header of 200 kB": Attack(with_header("X-Kit", b"a" * 200_000), ANSWERED | {PARSER}),
    "HTTP-09 5000 headers": Attack(
        lambda request: request.add("X-Kit", *[b"a"] * 5000), ANSWERED | {PARSER}
    ),
    "HTTP-13 HTTP/3.0": Attack(
        lambda request: request.encode().replace(b" HTTP/1.1", b" HTTP/3.0", 1), BROKEN | {505}
    ),
    "HTTP-13 HTTP/1.0": Attack(
        lambda request: request.encode().replace(b" HTTP/1.1", b" HTTP/1.0", 1), {AS_USUAL}
    ),
}
CHANGES |= {
    f"A-100 {name}": Attack(with_header(name, value), {AS_USUAL}) for name, value in SPOOFED.items()
} | {
    "A-100 all": Attack(
        lambda request: replace(request, headers=(*request.headers, *SPOOFED.items())), {AS_USUAL}
    )
}


@OF_HTTP
@pytest.mark.parametrize("name", CHANGES)
def test_no_change_of_a_request_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    attack = CHANGES[name]
    for route in attacker.kinds_of_route:
        with subtests.test(route=str(route)):
            changed = attack.change(route.good_request())
            answers, records = attacker.attack(
                route,
                changed,
                expect(attack.expected, route),
                timeout=attack.timeout,
                closes=attack.closes,
            )
            sent = (changed.encode() if isinstance(changed, Request) else changed).decode("latin-1")
            for answer in answers:
                check_nothing_was_believed(answer)
            for record in filter(is_access_record, records):
                assert record["client_ip"] == "127.0.0.1"
                assert record.get("trace_id", NO_TRACE) not in sent.lower()
                assert "evil" not in record["path"] or "host" in name


def check_nothing_was_believed(answer: Answer) -> None:
    """Assert that the answer follows no claim about host, scheme or origin."""
    for header in ("Strict-Transport-Security", "Link"):
        assert header not in answer.headers
    # What is made is named by its path alone, and nothing else is named.
    assert answer.status == 201 or "Location" not in answer.headers
    assert re.fullmatch(r"(/[A-Za-z0-9-]+)*", answer.headers.get("Location", ""))
    for header in ("Allow-Credentials", "Allow-Private-Network"):
        assert f"Access-Control-{header}" not in answer.headers
    is_for_all = answer.headers.get_content_type() == JWK_SET
    assert answer.headers["Access-Control-Allow-Origin"] == ("*" if is_for_all else None)
    assert ID not in str(answer.headers).encode().lower()
    assert answer.headers.get_content_subtype() in {
        *("json", "problem+json", "jwk-set+json", "plain")
    }


FROM_A_PROXY: dict[str, tuple[str, bytes]] = {
    "text": ("X-Forwarded-For", b"kit"),
    "empty": ("X-Forwarded-For", b""),
    "commas": ("X-Forwarded-For", b", ,,"),
    "not ASCII": ("X-Forwarded-For", b"\xff\xfe"),
    "a port": ("X-Forwarded-For", b"203.0.113.9:99999"),
    "IPv6": ("X-Forwarded-For", b"[2001:db8::1%eth0]:x"),
    "10 kB": ("X-Forwarded-For", b"203.0.113.9," * 900),
    "no scheme": ("X-Forwarded-Proto", b"javascript"),
    "schemes": ("X-Forwarded-Proto", b"https, http"),
    "bytes": ("X-Forwarded-Proto", b"\xff"),
    "web socket": ("X-Forwarded-Proto", b"wss"),
}


@OF_HTTP
def test_only_a_trusted_proxy_is_believed_and_none_breaks_the_service(
    launch: Launch, subtests: pytest.Subtests
) -> None:
    with launch(FORWARDED_ALLOW_IPS="127.0.0.1", RATE_LIMIT_PER_MINUTE="1000") as service:
        good = Request(target=b"/nowhere").put("X-Forwarded-For", b"203.0.113.9")
        (answer,) = read_answers(service.raw(good.put("X-Forwarded-Proto", b"https").encode()))
        check_answer(answer)
        policy = answer.headers["Strict-Transport-Security"]
        assert int(re.fullmatch(r"max-age=(\d+); includeSubDomains", policy)[1]) >= 31_536_000
        record = service.wait_for_record(lambda record: record.get("path") == "/nowhere")
        assert record["client_ip"] == "203.0.113.9"
        for name, (header, value) in FROM_A_PROXY.items():
            with subtests.test(name):
                (answer,) = read_answers(service.raw(good.put(header, value).encode()))
                check_answer(answer)
                assert answer.status == 404
                check_records(service.log())


@OF_HTTP
def test_a_valid_traceparent_is_logged(attacker: Attacker) -> None:
    for route in attacker.kinds_of_route:
        request = route.good_request().put("traceparent", b"00-%b-%b-01" % (ID, SPAN))
        _answers, records = attacker.attack(route, request, {AS_USUAL})
        access = filter(is_access_record, records)
        assert [record.get("trace_id") for record in access].count(ID.decode()) == 1


@OF_HTTP
def test_an_allowed_origin_may_read_answers_and_errors(attacker: Attacker) -> None:
    for route in attacker.kinds_of_route:
        good = route.good_request().put("Origin", GOOD)
        for request, expected in (
            (good, {AS_USUAL}),
            (replace(good, target=b"/nowhere"), {404}),
            (replace(good, method="PUT", body=None), {405}),
        ):
            ((answer,), _records) = attacker.attack(route, request, expected)
            assert answer.headers.get_all("Access-Control-Allow-Origin") == [GOOD_ORIGIN]
            exposed = answer.headers["Access-Control-Expose-Headers"].lower()
            assert {"x-request-id", "retry-after"} <= set(re.split(r",\s*", exposed))
            assert "origin" in answer.headers["Vary"].lower()


PREFLIGHTS: dict[str, dict[str, tuple[bytes, ...]]] = {
    **{f"A-105 origin {name}": {"Origin": values} for name, values in ORIGINS.items() if name},
    "A-106 method TRACE": {"Access-Control-Request-Method": (b"TRACE",)},
    "A-106 method FOO": {"Access-Control-Request-Method": (b"FOO",)},
    "A-106 method of 10 kB": {"Access-Control-Request-Method": (b"A" * 10_000,)},
    "A-106 header x-evil": {"Access-Control-Request-Headers": (b"x-evil",)},
    "A-106 one header of two": {"Access-Control-Request-Headers": (b"content-type, x-evil",)},
    "A-106 10000 headers": {"Access-Control-Request-Headers": (b"x-evil," * 10_000,)},
    "A-106 no header": {"Access-Control-Request-Headers": (b"\xff\xfe{}",)},
    "A-106 private network": {"Access-Control-Request-Private-Network": (b"true",)},
}


def preflight(route: Route) -> Request:
    request = Request("OPTIONS", route.target()).put("Origin", GOOD)
    return request.put("Access-Control-Request-Method", route.method.encode())


@OF_HTTP
@pytest.mark.parametrize("name", PREFLIGHTS)
def test_a_preflight_for_too_much_is_refused(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    for route in attacker.kinds_of_route:
        request = preflight(route)
        for header, values in PREFLIGHTS[name].items():
            request = request.put(header, *values)
        with subtests.test(route=str(route)):
            answers, _records = attacker.attack(route, request, {400, 403, 405})
            for answer in answers:
                assert "Access-Control-Allow-Credentials" not in answer.headers
                assert "Access-Control-Allow-Private-Network" not in answer.headers
                if "origin" in name:
                    assert not [header for header in answer.headers if "-allow-" in header.lower()]


@OF_HTTP
def test_a_preflight_for_what_is_allowed_is_answered(attacker: Attacker) -> None:
    for route in attacker.kinds_of_route:
        request = preflight(route).put("Access-Control-Request-Headers", b"content-type")
        ((answer,), _records) = attacker.attack(route, request, {200, 204})
        allowed = {name: answer.headers[f"Access-Control-{name}"] for name in (
            "Allow-Origin", "Allow-Methods", "Allow-Headers", "Max-Age",
        )}  # fmt: skip
        assert allowed["Allow-Origin"] == GOOD_ORIGIN
        assert route.method in re.split(r",\s*", allowed["Allow-Methods"])
        assert "*" not in allowed["Allow-Methods"] + allowed["Allow-Headers"]
        assert int(allowed["Max-Age"]) <= 7200


# --- Methods and paths (A-96, A-98, HTTP-01 … HTTP-03, HTTP-21, HTTP-22)


@OF_HTTP
def test_a_method_a_path_does_not_have_is_405_with_those_it_has(attacker: Attacker) -> None:
    for route in attacker.kinds_of_route:
        has = {other.method for other in attacker.routes if other.path == route.path}
        has |= {"HEAD"} if "GET" in has else set()
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - has:
            request = replace(route.good_request(), method=method, body=None)
            ((answer,), _records) = attacker.attack(route, request, {405})
            assert set(re.split(r",\s*", answer.headers["Allow"])) - {"OPTIONS"} == has


@OF_HTTP
def test_head_is_get_without_a_body(attacker: Attacker) -> None:
    for route in attacker.kinds_of_route:
        if route.method == "GET":
            request = replace(route.good_request(), method="HEAD")
            ((answer,), _records) = attacker.attack(route, request, {AS_USUAL})
            ((full,), _records) = attacker.attack(route, route.good_request(), {AS_USUAL})
            assert answer.headers["Content-Length"] == str(len(full.body))


FILES = [
    "/.git/config", "/.git/HEAD", "/.env", "/.env.production", "/pyproject.toml", "/uv.lock",
    "/app/main.py", "/app/../pyproject.toml", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc/passwd", "/..%5c..%5cwindows/win.ini", "/..;/actuator", "/static/",
    "/static/../app/main.py", "/static/%2e%2e/%2e%2e/etc/passwd", "/favicon.ico", "/robots.txt",
    "/metrics", "/debug", "/admin", "/server-status", "/actuator/env", "/wp-login.php",
    "/.well-known/security.txt", "/.well-known/jwks.json/..", "/openapi.json/", "/%2fetc/passwd",
    "/%", "/%zz", "/%00", "/a%00.json", "/%c0%af", "/%ed%a0%80", "/%f0%9f%9a%80", "/%0d%0aX:%20y",
    "/%1b%5b31m", "/%e2%80%a8", "//", "///x", "/%25252e", "/\\", "/;", "/?", "/??", "/#",
    "/" + "a/" * 3000, "/" + "a" * 20_000, "/" + "%41" * 3000,
]  # fmt: skip


@OF_HTTP
@pytest.mark.parametrize("path", FILES, ids=[path[:40] for path in FILES])
def test_no_file_and_no_strange_path_is_served(attacker: Attacker, path: str) -> None:
    expected = {404, PARSER} if len(path) < 10_000 else {404, 414, PARSER}
    attacker.attack(attacker.routes[0], Request(target=path.encode()), expected)


@OF_HTTP
@pytest.mark.parametrize("accept", ACCEPTS)
def test_an_error_is_json_whatever_is_accepted(attacker: Attacker, accept: str) -> None:
    request = Request(target=b"/nowhere").put("Accept", ACCEPTS[accept])
    attacker.attack(attacker.routes[0], request, {404, 406})


DETOURS: dict[str, Callable[[bytes], bytes]] = {
    "a parameter": lambda path: path + b";x=1",
    "an encoded slash": lambda path: path + b"%2f",
    "an encoded slash inside": lambda path: path[:4] + path[4:].replace(b"/", b"%2f"),
    "a NUL": lambda path: path + b"%00",
    "a line end": lambda path: path + b"%0d%0a",
    "an encoded question mark": lambda path: path + b"%3fx",
    "a suffix": lambda path: path + b".json",
    "a space": lambda path: path + b"%20",
    "double slashes": lambda path: path.replace(b"/", b"//"),
    "a double slash first": lambda path: b"/" + path,
    "dots that lead back": lambda path: b"/x/.." + path,
    "encoded dots that lead back": lambda path: b"/x/%2e%2e" + path,
    "a dot": lambda path: b"/." + path,
    "capitals": lambda path: path.upper(),
    "encoded twice": lambda path: path.replace(b"/api", b"/%2561pi"),
    "a backslash": lambda path: path.replace(b"/", b"\\"),
    "half a pair": lambda path: path + b"%ed%a0%80",
}


@OF_HTTP
@pytest.mark.parametrize("name", DETOURS)
def test_no_detour_leads_to_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    for route in attacker.kinds_of_route:
        good = route.good_request()
        with subtests.test(route=str(route)):
            path = good.target.split(b"?")[0]
            if DETOURS[name](path) != path:
                attacker.attack(route, replace(good, target=DETOURS[name](path)), BROKEN)


TEXTS = {
    "A-91 half a pair": b"%ed%a0%80",
    "A-91 invalid UTF-8": b"%ff%fe",
    "VAL-04 NUL": b"%00",
    "VAL-04 NUL after text": b"a%00b",
    "VAL-06 5000 digits": b"9" * 5000,
    "VAL-06 2^31": b"2147483648",
    "VAL-06 2^63": b"9223372036854775808",
    "VAL-06 minus one": b"-1",
    "VAL-06 NaN": b"NaN",
    "VAL-06 1e999": b"1e999",
    "VAL-12 1_000": b"1_000",
    "VAL-12 Arabic digits": b"%d9%a1%d9%a2",
    "VAL-13 no UUID": b"00000000-0000-0000-0000-00000000000g",
    "VAL-15 CR LF": b"a%0d%0aX:%20evil",
    "VAL-15 an escape sequence": b"%1b%5b31m",
    "VAL-15 U+2028": b"%e2%80%a8",
    "VAL-15 SQL": b"'%20OR%201=1;--",
    "VAL-15 a template": b"%7b%7b7*7%7d%7d",
    "VAL-15 a bad escape": b"%zz%",
    "VAL-07 8 kB": b"kit" * 2700,
    "HTTP-22 dots": b"..",
    "HTTP-22 encoded dots": b"%2e%2e",
    "HTTP-22 an encoded slash": b"a%2fb",
    "HTTP-22 a parameter": b"a;b=c",
}
ALWAYS_BAD = ("A-91", "VAL-04")


@pytest.mark.parametrize("name", TEXTS)
def test_no_parameter_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    for route in attacker.routes:
        good = route.good_request()
        for parameter in route.parameters("path"):
            with subtests.test(route=str(route), path=parameter["name"]):
                target = route.target(**{parameter["name"]: TEXTS[name]})
                attacker.attack(route, replace(good, target=target), ANSWERED)
        for parameter in route.parameters("query"):
            query = f"{parameter['name']}=".encode() + TEXTS[name]
            expected = REFUSED if name.startswith(ALWAYS_BAD) else ANSWERED
            with subtests.test(route=str(route), query=parameter["name"]):
                attacker.attack(route, replace(good, target=route.target(query)), expected)


QUERIES = {
    "an unknown name": b"kit=1",
    "half a pair as name": b"%ed%a0%80=%ed%a0%80",
    "only separators": b"&&&===;;;",
    "no value": b"a&b&c",
    "10000 names": b"a=1&" * 5000,
    "brackets": b"a[b][c]=d&a[]=e",
    "a bad escape": b"%zz=%",
    "a second query": b"a=1?b=2",
    "a NUL": b"%00=%00",
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_breaks_a_route(attacker: Attacker, subtests: pytest.Subtests, name: str) -> None:
    for route in attacker.routes:
        good = route.good_request()
        twice = b"&".join(
            b"%b=1&%b=2" % ((item["name"].encode(),) * 2) for item in route.parameters("query")
        )
        with subtests.test(route=str(route)):
            for query in (QUERIES[name], twice + b"&" + QUERIES[name]):
                attacker.attack(route, replace(good, target=route.target(query)), ANSWERED)


# --- What exists, and lists of it (6.5; VAL-13, API-02, API-05, API-06)

ID_IN_PATH: dict[str, tuple[Callable[[str], str], Collection[int]]] = {
    "A-79 of something else": (lambda _: str(uuid.uuid4()), {404}),
    "A-79 the nil UUID": (lambda _: str(uuid.UUID(int=0)), {404}),
    "A-79 all ones": (lambda _: "f" * 32, {404, 422}),
    "A-79 something below it": (lambda known: f"{known}/{known}", {404}),
    "A-79 something below another": (lambda known: f"{uuid.uuid4()}/items/{known}", {404}),
    "VAL-13 a number": (lambda _: "1", {422}),
    "VAL-13 zero": (lambda _: "0", {422}),
    "VAL-13 minus one": (lambda _: "-1", {422}),
    "VAL-13 2^31": (lambda _: str(1 << 31), {422}),
    "VAL-13 2^63": (lambda _: str(1 << 63), {422}),
    "VAL-13 2^128": (lambda _: str(1 << 128), {422}),
    "VAL-13 40 digits": (lambda _: "9" * 40, {422}),
    "VAL-13 a word": (lambda _: "kit", {422}),
    "VAL-13 null": (lambda _: "null", {422}),
    "VAL-13 undefined": (lambda _: "undefined", {422}),
    "VAL-13 NaN": (lambda _: "NaN", {422}),
    "VAL-13 a digit too few": (lambda known: known[:-1], {422}),
    "VAL-13 a digit too many": (lambda known: known + "0", {422}),
    "VAL-13 no hexadecimal": (lambda known: known[:-1] + "g", {422}),
    "VAL-13 a NUL": (lambda known: known + "\0", {422}),
    "VAL-13 half a pair": (lambda known: known + "\ud800", {422}),
    "VAL-13 a line end": (lambda known: known + "\n", {422}),
    "VAL-13 a wildcard": (lambda known: known[:-1] + "%", {422}),
    "VAL-13 two": (lambda known: f"{known},{known}", {422}),
    "VAL-13 SQL": (lambda known: f"{known}' OR '1'='1", {422}),
    "VAL-13 fullwidth digits": (lambda known: "\uff10" + known[1:], {422}),
    "VAL-13 a space before": (lambda known: " " + known, {422}),
    # Other spellings of the same: known or not.
    "VAL-13 capitals": (lambda known: known.upper(), ANSWERED),
    "VAL-13 no hyphens": (lambda known: known.replace("-", ""), ANSWERED),
    "VAL-13 braces": (lambda known: f"{{{known}}}", ANSWERED),
    "VAL-13 a URN": (lambda known: f"urn:uuid:{known}", ANSWERED),
}  # fmt: skip


def percent_encoded(text: str) -> bytes:
    """Return the text as part of a path; a slash stays one."""
    return quote(text, errors="surrogatepass").encode()


@pytest.mark.parametrize("name", ID_IN_PATH)
def test_no_id_in_a_path_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    change, expected = ID_IN_PATH[name]
    for route in attacker.routes:
        for find in route.find_ids:
            ((parameter, known),) = find().items()
            target = route.target(**{parameter: percent_encoded(change(known.decode()))})
            with subtests.test(route=str(route)):
                attacker.attack(route, replace(route.good_request(), target=target), expected)


def test_what_is_deleted_is_answered_as_what_never_was(attacker: Attacker) -> None:
    for route in attacker.routes:
        if route.method == "DELETE" and route.find_ids:
            gone = route.good_request()
            assert attacker.ask(gone).status == 204
            siblings = [other for other in attacker.routes if other.path == route.path]
            for sibling in siblings:
                target = route.path.rpartition("/{")[0] + f"/{uuid.uuid4()}"
                answers = [
                    attacker.attack(sibling, replace(sibling.good_request(), target=path), {404})
                    for path in (gone.target, target.encode())
                ]
                ((before,), _records), ((never,), _records) = answers
                assert told_by(before) == told_by(never)


def told_by(answer: Answer) -> dict[str, object]:
    """Return the problem but for what is different in each."""
    return {k: v for k, v in answer.json().items() if k not in {"request_id", "timestamp"}}


def lists(attacker: Attacker) -> list[Route]:
    """Return the routes that give a page of something."""
    return [route for route in attacker.routes if "limit" in names_of(route)]


def names_of(route: Route) -> list[str]:
    return [parameter["name"] for parameter in route.parameters("query")]


Kind = Callable[[Route, Schema], bool]


def is_whole(route: Route, schema: Schema) -> bool:
    return route.types(schema) == {"integer"}


def is_choice(_route: Route, schema: Schema) -> bool:
    return "enum" in schema


def is_text(route: Route, schema: Schema) -> bool:
    return "string" in route.types(schema) and "enum" not in schema


def is_search(route: Route, schema: Schema) -> bool:
    return is_text(route, schema) and "pattern" not in route.pick(schema)


# Which query parameters, their value percent-encoded, and what comes of it within a moment.
PARAMETERS: dict[str, tuple[Kind, bytes | Callable[[Schema], bytes], Collection[int]]] = {
    **{
        f"A-81 {name}": (is_whole, value, {422})
        for name, value in {
            "minus one": b"-1",
            "minus zero": b"-0",
            "below -2^63": b"-9223372036854775809",
            "2^31": b"2147483648",
            "2^63": b"9223372036854775808",
            "2^64": b"18446744073709551616",
            "5000 digits": b"9" * 5000,
            "NaN": b"NaN",
            "infinity": b"inf",
            "1_000": b"1_000",
            "an Arabic digit": b"%d9%a3",
            "a fullwidth digit": b"%ef%bc%93",
            "a superscript": b"%c2%b2",
            "1e3": b"1e3",
            "a fraction": b"1.5",
            "1.0": b"1.0",
            "a plus": b"%2b1",
            "hexadecimal": b"0x10",
            "a space": b"%201",
            "a line end": b"1%0a",
            "empty": b"",
            "true": b"true",
            "null": b"null",
            "a list": b"1,2",
            "a NUL": b"1%00",
            "SQL": b"1;select%20pg_sleep(5)",
            "half a pair": b"%ed%a0%80",
        }.items()
    },
    "A-81 one too many": (is_whole, lambda schema: b"%d" % (schema["maximum"] + 1), {422}),
    "A-81 one too few": (is_whole, lambda schema: b"%d" % (schema["minimum"] - 1), {422}),
    "A-81 the most": (is_whole, lambda schema: b"%d" % schema["maximum"], {200}),
    "A-81 the least": (is_whole, lambda schema: b"%d" % schema["minimum"], {200}),
    "A-81 zeros before": (is_whole, lambda schema: b"00%d" % schema["minimum"], ANSWERED),
    **{
        f"A-82 {value[:40].decode()}": (is_choice, quote(value).encode(), {422})
        for value in (
            b"hashed_password",
            b"id",
            b"sku",
            b"is_active",
            b"id;select pg_sleep(5)",
            b"name;select pg_sleep(5)",
            b"(case when (1=1) then name else price end)",
            b"name desc",
            b"name,price",
            b"name,(select sleep(5))",
            b"-id," * 1000,
            b"--name",
            b"-",
            b"+name",
            b"NAME",
            b" name",
            b"name\0",
            b"name\n",
            b"__class__",
            b"user.password",
            b"tags.name",
            b"1",
            b"random()",
            b"",
        )
    },
    **{
        f"A-82 {name} in a text": (is_text, value, {422})
        for name, value in {
            "NUL": b"a%00b",
            "half a pair": b"a%ed%a0%80",
            "an escape sequence": b"a%1b%5b31m",
            "DEL": b"%7f",
            "next line": b"%c2%85",
            "10 kB": b"a" * 10_000,
        }.items()
    },
    "API-06 one too long": (
        is_text,
        lambda schema: b"a" * (schema["maxLength"] + 1),
        {422},
    ),
    "API-06 as long as may be": (is_text, lambda schema: b"a" * schema["maxLength"], {200}),
    "API-06 as long, in four bytes each": (
        is_search,
        lambda schema: b"%f0%9f%98%80" * schema["maxLength"],
        {200},
    ),
    "API-06 only wildcards": (is_search, lambda schema: b"%25" * schema["maxLength"], {200}),
    "API-06 only escapes": (is_search, lambda schema: b"%5c" * schema["maxLength"], {200}),
    **{
        f"API-06 {value.encode('unicode_escape').decode()}": (
            is_search,
            quote(value).encode(),
            {200},
        )
        for value in (
            *("%", "_", "\\", "/", "[a]", "^", "'", '"', "'' OR 1=1 --", "`", ":name", "%s"),
            *("$1", "?", "{0}", "\\%", "a\\", "%a%b%" * 10, "*", "\u0130", "\u00df", "e\u0301"),
            *("\U0010ffff", "\uffff", "\u202e", "\u2028", " ", "\t", "\r\n", "(a+)+$"),
        )
    },
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_parameter_breaks_a_list(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    fits, value, expected = PARAMETERS[name]
    for route in lists(attacker):
        for parameter in route.parameters("query"):
            schema = parameter["schema"]
            if not fits(route, schema):
                continue
            text = value(route.pick(schema)) if callable(value) else value
            query = parameter["name"].encode() + b"=" + text
            with subtests.test(route=str(route), query=parameter["name"]):
                request = replace(route.good_request(), target=route.target(query))
                ((answer,), _records) = attacker.attack(route, request, expected, timeout=MOMENT)
                if answer.status == 422:
                    (error,) = answer.json()["errors"]
                    assert error["loc"] == ["query", parameter["name"]]
                    if error["type"] == "literal_error":  # API-05: it names what is allowed
                        assert all(choice in error["message"] for choice in schema["enum"])


LIST_QUERIES: dict[str, tuple[bytes, Collection[int]]] = {
    "A-81 far past the end": (b"skip=10000&limit=100", {200}),
    "A-84 an unknown name": (b"foo=1", {422}),
    "A-84 a name in capitals": (b"LIMIT=1", {422}),
    "A-84 a name of ours": (b"is_active=false", {422}),
    "A-84 __class__": (b"__class__=1", {422}),
    "A-84 a filter with an operator": (b"price[gt]=1", {422}),
    "A-84 a name in brackets": (b"limit[]=1", {422}),
    "A-84 an empty name": (b"=1", {422}),
    "A-84 a NUL as name": (b"%00=1", {422}),
    "A-84 half a pair as name": (b"%ed%a0%80=1", {422}),
    "A-84 twice": (b"limit=1&limit=2", ANSWERED),
    "A-84 1000 times": (b"limit=1&" * 1000, ANSWERED),
    "A-84 a good and a bad one": (b"limit=x&limit=2", ANSWERED),
    "A-84 all at once": (
        b"skip=1&limit=1&tag=kitchen&search=%25_%5c&sort=-price",
        {200},
    ),
}


@pytest.mark.parametrize("name", LIST_QUERIES)
def test_no_query_breaks_a_list(attacker: Attacker, subtests: pytest.Subtests, name: str) -> None:
    query, expected = LIST_QUERIES[name]
    for route in lists(attacker):
        if "all at once" in name and not {"tag", "search", "sort"} <= set(names_of(route)):
            continue
        with subtests.test(route=str(route)):
            request = replace(route.good_request(), target=route.target(query))
            ((answer,), _records) = attacker.attack(route, request, expected)
            if "past the end" in name:
                assert answer.json()["items"] == []
                assert answer.json()["total"] >= 0


def makers(attacker: Attacker) -> Iterator[tuple[Route, Route]]:
    """Yield each route that makes something, and the list of it."""
    for listing in lists(attacker):
        for maker in attacker.routes:
            if (maker.method, maker.path) == ("POST", listing.path):
                yield maker, listing


@pytest.mark.parametrize("text", ["%", "_", "\\", "\\%", "100%", "a_b", "'", "[a-z]", "*", "😀"])
def test_a_search_finds_what_has_the_text_itself(attacker: Attacker, text: str) -> None:
    for maker, listing in makers(attacker):
        if "search" not in names_of(listing):
            continue
        made = attacker.make(maker, name=f"before {text} after")
        attacker.make(maker, name="before x after, 100x, axb")
        query = urlencode({"search": text, "limit": 100}).encode()
        request = replace(listing.good_request(), target=listing.target(query))
        ((answer,), _records) = attacker.attack(listing, request, {200})
        found = answer.json()["items"]
        assert made["id"] in [item["id"] for item in found]
        assert all(text.lower() in item["name"].lower() for item in found)


def test_what_the_service_decides_is_not_taken_from_a_client(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    for route in attacker.routes:
        if not (route.method == "PATCH" and route.find_ids):
            continue
        (reader,) = (
            other for other in attacker.routes if (other.method, other.path) == ("GET", route.path)
        )
        read = reader.good_request()
        before = attacker.ask(read).json()
        theirs = {place[0] for place, _schema in route.fields()}
        ours = before.keys() - theirs | {"is_active", "owner_id", "user_id", "deleted_at"}
        assert {"id", "created_at"} <= ours
        for name in sorted(ours):
            for value in (before.get(name), str(uuid.UUID(int=1)), "2020-01-01T00:00:00Z", None):
                with subtests.test(route=str(route), field=name, value=value):
                    body = json.dumps({name: value}).encode()
                    request = route.with_json(replace(read, method="PATCH"), body)
                    assert attacker.ask(request).status == 422
                    body = json.dumps(route.good_body | {name: value}).encode()
                    assert attacker.ask(route.with_json(request, body)).status == 422
        assert attacker.ask(read).json() == before


WIDE = "\U0001f600"


def test_texts_are_bounded_and_kept_as_they_were_sent(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    for route in attacker.routes:
        for place, schema in route.fields() if route.takes_json else ():
            schema = route.pick(schema)  # noqa: PLW2901
            if schema.get("type") != "string" or {"enum", "format"} & schema.keys():
                continue
            with subtests.test(route=str(route), field=place):
                most = schema["maxLength"]
                letter = WIDE if "pattern" not in schema else str(route.example(schema))[0]
                send = functools.partial(send_text, attacker, route, place)
                send(letter * (most + 1), {422})
                if place[0] in SECRET_FIELDS:
                    send("a" * most, REFUSED)  # it is no password for bcrypt, and no token
                    continue
                if "pattern" in schema:
                    send(f"{route.example(schema)}\n", {422})
                    send(letter * most, ANSWERED)
                    continue
                for text in (letter * most, "a" * most, "\u00e0\u0301 \ufb01 \uffff", "trailing  "):
                    sent = send(text, {200, 201})
                    assert sent == text, "another text came back"


def send_text(
    attacker: Attacker, route: Route, place: tuple[str | int, ...], text: str, expected: set[int]
) -> Any:  # noqa: ANN401 JSON has no type
    """Return what the answer says is in the field."""
    request = route.with_field(place, json.dumps(text).encode())
    ((answer,), _records) = attacker.attack(route, request, expected)
    found = answer.json()
    for step in place if answer.status < 300 else ():
        found = found[step]
    return found


OUT_OF_RANGE = {
    "price": [
        *("10000000000", "10000000000.00", "99999999999999999999", "-1", "-0.01", "1.001", "1e5"),
        *("NaN", "Infinity", "-Infinity", "sNaN", "", " 1", "1 ", "+1", "1,00", "0x1", "1_0"),
        *("\u0661", "\uff11", ".5", "1.", "1\n", "1\0", "\ud800"),
    ],
    "tags": [
        ["a"] * 21, [""], ["a" * 51], ["A"], ["a b"], ["a\n"], ["a\0"], ["\ud800"], ["\u00e4"],
        [None], [1], [["a"]], [{}], {"0": "a"}, "a",
    ],
    "sku": ["a", "", "A" * 51, "A\n", "A B", "\u0391", "A\0", "\ud800", "A_", "A%"],
    "name": ["", "a" * 201, "a\0", "\ud800", "\x7f"],
    "description": ["a" * 2001, "\0", "\ud800", 1, []],
}  # fmt: skip
JUST_IN_RANGE = {
    "price": ["0", "0.00", "0000000001", "9999999999.99", "0.01"],
    "tags": [[], ["a"] * 20, ["a", "b", "a"], ["-"], [f"t{number}" for number in range(20)]],
    "sku": ["-"],
    "name": [" ", "\t", "'", "%"],
    "description": [None, "", "\r\n"],
}


@pytest.mark.parametrize("field", OUT_OF_RANGE)
def test_a_value_just_out_of_range_is_refused_and_one_just_in_range_is_not(
    attacker: Attacker, subtests: pytest.Subtests, field: str
) -> None:
    for route in attacker.routes:
        if not route.takes_json or (field,) not in dict(route.fields()):
            continue
        # 400: by a rule of the business, a price may at most double.
        fitting = {200, 400} if route.method == "PATCH" else {201}
        for table, expected in ((OUT_OF_RANGE, {422}), (JUST_IN_RANGE, fitting)):
            for value in table[field]:
                with subtests.test(route=str(route), value=value):
                    request = route.with_field((field,), json.dumps(value).encode())
                    attacker.attack(route, request, expected)


def test_each_value_of_a_request_has_a_bound_in_the_document(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    """VAL-07 and D-12, which let clients know before they ask."""
    bounds = {
        "string": {"maxLength", "enum", "format", "const"},
        "array": {"maxItems"},
        "integer": {"maximum", "exclusiveMaximum"},
        "number": {"maximum", "exclusiveMaximum"},
    }
    for route in attacker.routes:
        fields = dict(route.fields()) if route.takes_json else {}
        fields |= {(item["name"],): item["schema"] for item in route.parameters("query")}
        for place, schema in fields.items():
            with subtests.test(route=str(route), field=place):
                found = route.pick(schema)
                assert found.keys() & bounds.get(found.get("type", ""), found.keys()), found


@OF_HTTP
def test_production_serves_no_documentation_unless_told_to(launch: Launch) -> None:
    with launch() as service:
        for path in (b"/docs", b"/redoc", b"/openapi.json", b"/docs/oauth2-redirect", b"/docs/"):
            (answer,) = read_answers(service.raw(Request(target=path).encode()))
            check_answer(answer)
            assert answer.status == 404


# --- Other protocols, and connections that misbehave (A-102, A-109 … A-111)

NOT_HTTP = {
    "A-109 the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0",
    "A-109 the hello of TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "A-109 SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "A-109 a line of SMTP": b"EHLO evil.example\r\n",
    "A-109 a PROXY header": b"PROXY TCP4 203.0.113.9 203.0.113.9 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    "A-109 random": bytes(range(256)) * 40,
    "A-109 NULs": bytes(1000),
    "A-109 line ends": b"\r\n" * 1000,
    "A-109 a method without end": b"G" * 100_000,
    "A-109 no target": b"GET\r\n\r\n",
    "A-109 half a request": b"GET /api HTTP/1.1\r\nHost: loc",
    "A-109 nothing": b"",
}


@OF_HTTP
@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_harms_nobody(attacker: Attacker, name: str) -> None:
    attacker.attack(attacker.routes[0], NOT_HTTP[name], {PARSER, SILENCE}, timeout=0.3)


@OF_HTTP
def test_pipelined_requests_are_answered_in_order(attacker: Attacker) -> None:
    names = [f"pipelined-{number}".encode() for number in range(50)]
    good = Request(target=HEALTH.encode()).drop("Connection")
    requests = b"".join(good.put("X-Request-ID", name).encode() for name in names)
    answers, _records = attacker.attack(attacker.routes[0], requests, {200}, timeout=0.5)
    assert [answer.headers["X-Request-ID"].encode() for answer in answers] == names


POOL = 15 * 3  # connections to a database, with SQLite three files each
IDLE, SLOW, SLOW_SECONDS = 200, 50, 3


@OF_HTTP
def test_health_answers_beside_idle_and_slow_clients(attacker: Attacker) -> None:
    service = attacker.service
    before, memory = service.open_files() + POOL, service.rss
    slow_request = attacker.routes[-1].good_request().encode()
    with ExitStack() as connections:
        for _ in range(IDLE):
            connections.enter_context(service.connect())
        slow = [connections.enter_context(service.connect()) for _ in range(SLOW)]
        for sent, end in enumerate(range(1, 1 + SLOW_SECONDS * 10)):
            for connection in slow:
                connection.sendall(slow_request[sent:end])
            started = time.monotonic()
            assert service.raw(Request(target=HEALTH.encode()).encode()).startswith(b"HTTP/1.1 200")
            assert time.monotonic() - started < 1
            time.sleep(0.1)
    check_it_let_go(service, before)
    assert service.rss - memory < 16 * MEGABYTE


@OF_HTTP
def test_a_client_that_never_reads_takes_little_memory(attacker: Attacker) -> None:
    service = attacker.service
    before, memory = service.open_files() + POOL, service.rss
    # Some 10 MB of answers. uvicorn queues what is pipelined without a limit of its own.
    requests = Request(target=b"/openapi.json").drop("Connection").encode() * 1500
    with service.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(requests)
        for _ in range(10):
            assert attacker.send_good_request(attacker.routes[0]) == 200
            time.sleep(0.1)
        assert service.rss - memory < 32 * MEGABYTE
    check_it_let_go(service, before)
    # Not judged: uvicorn, writing a queued answer to the closed connection, may log an error.
    attacker.send_good_request(attacker.routes[0])


DISCONNECTS = 100


def test_clients_that_leave_in_the_middle_are_no_error(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    service = attacker.service
    for route in attacker.routes:
        good = route.good_request()
        body = good.body or b"{}"
        half = replace(
            good.put("Content-Length", b"%d" % (len(body) + 10)), body=body, length=False
        )
        chunks = replace(good, body=None).encode_chunked(body).removesuffix(b"0\r\n\r\n")
        for name, data in {
            "in the head": good.encode()[:40],
            "in the body": half.encode(),
            "in a chunk": chunks,
            "in the answer": good.encode(),
        }.items():
            with subtests.test(name, route=str(route)):
                seen, before = len(service.lines()), service.open_files() + POOL
                for _ in range(DISCONNECTS // 5):
                    service.abandon(data)
                check_it_let_go(service, before)
                check_it_serves_again(attacker, route)
                check_records(service.log(seen))


def test_clients_that_leave_many_requests_behind_do_no_harm(launch: Launch) -> None:
    with launch(DOCS_ENABLED="true") as service:
        attacker = Attacker(service)
        for route in attacker.routes:
            before = service.open_files() + POOL
            for _ in range(DISCONNECTS // 10):
                service.abandon(route.good_request().drop("Connection").encode() * 20)
            check_it_let_go(service, before)
            # The log is not judged: uvicorn still runs what was pipelined, and cannot answer it.
            check_it_serves_again(attacker, route)


def check_it_serves_again(attacker: Attacker, route: Route) -> None:
    """Assert that it does, once no change that was left behind gets in the way."""
    end = time.monotonic() + 30
    while (status := attacker.send_good_request(route)) != attacker.usual[route]:
        assert (status, time.monotonic() < end) == (409, True)


def check_it_let_go(service: Service, before: int) -> None:
    """Assert that the connections of clients that are gone are closed soon."""
    end = time.monotonic() + 3
    while (now := service.clients()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not now, "connections stay open"
    assert service.open_files() <= before, "descriptors stay open"


# --- Storm


@OF_HTTP
def test_a_storm_meets_429_and_spares_health(launch: Launch) -> None:
    limit, requests, clients = 50, 1000, 10
    with launch(RATE_LIMIT_PER_MINUTE=str(limit)) as service:
        before = service.rss
        received: list[bytes] = []
        request = Request(target=b"/nowhere").drop("Connection").encode()
        last = Request(target=HEALTH.encode()).encode()
        burst = request * (requests // clients) + last
        threads = [
            threading.Thread(target=lambda: received.append(service.raw(burst)))
            for _ in range(clients)
        ]
        started = time.time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        answers: list[Answer] = [answer for one in received for answer in read_answers(one)]
        for answer in answers:
            check_answer(answer)
        statuses = [answer.status for answer in answers]
        windows = 1 + (time.time() // 60 > started // 60)  # a minute may have ended meanwhile
        assert statuses.count(200) == clients
        assert limit <= statuses.count(404) <= limit * windows
        assert statuses.count(404) + statuses.count(429) == requests
        for answer in answers:
            if answer.status == 429:
                assert answer.json()["code"] == "RATE_LIMITED"
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert service.rss - before < 16 * MEGABYTE
        check_records(service.log())


@OF_HTTP
def test_spoofed_addresses_do_not_escape_the_limit(launch: Launch) -> None:
    with launch(RATE_LIMIT_PER_MINUTE="5") as service:
        statuses = []
        for number in range(20):
            address = f"203.0.113.{number}".encode()
            request = Request(target=b"/nowhere").put("X-Forwarded-For", address)
            for name in ("X-Real-IP", "Forwarded", "X-Client-IP"):
                request = request.put(name, address)
            (answer,) = read_answers(service.raw(request.encode()))
            statuses.append(answer.status)
    assert statuses.count(429) >= 10

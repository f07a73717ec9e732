"""The attack kit: Forms, coded bodies and large bodies (A-52, A-92 … A-95). See `attacks.py`."""

import gzip
import zlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from attacks import (
    ANSWERED,
    AS_USUAL,
    CANARY,
    MEGABYTE,
    MOMENT,
    OF_HTTP,
    PARSER,
    REFUSED,
    SILENCE,
    Attack,
    Attacker,
    expect,
)
from routes import FORM, JSON, Request
from servers import each_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


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

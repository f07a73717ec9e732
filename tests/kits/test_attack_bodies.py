"""The attack kit: JSON bodies and their fields (A-88 … A-95). See `attacks.py`."""

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest
from attacks import ANSWERED, AS_USUAL, CANARY, DEEP, MOMENT, OF_HTTP, REFUSED, Attacker
from routes import JSON_TYPES
from servers import each_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


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

"""The attack kit: Headers and framing (A-93, A-96, A-99 … A-109). See `attacks.py`."""

import re
from collections.abc import Callable, Collection
from dataclasses import replace

import pytest
from answers import JWK_SET, Answer
from attacks import (
    ACCEPTS,
    ANSWERED,
    AS_USUAL,
    BROKEN,
    ID,
    MEGABYTE,
    OF_HTTP,
    ORIGINS,
    PARSER,
    REFUSED,
    SPAN,
    Attack,
    Attacker,
    expect,
    served_unless_body,
    with_header,
)
from routes import Request, Route
from servers import each_database
from service_process import is_access_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


def foreign_host(route: Route) -> Collection[int]:
    return ANSWERED if route.is_probe else {400}


def with_length(value: bytes) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        body = request.body or b'{"a": 1}'
        return replace(request.put("Content-Length", value), body=body, length=False)

    return change


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
    "A-104 tracestate of 1 MB": Attack(
        with_header("tracestate", b"a=b," * (MEGABYTE // 4)), {PARSER}
    ),
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
            with_header(name, value), {AS_USUAL, 400, 412, 416, 417, PARSER}
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
    "HTTP-09 a header of 200 kB": Attack(with_header("X-Kit", b"a" * 200_000), {PARSER}),
    "HTTP-09 a header of 50 kB": Attack(with_header("X-Kit", b"a" * 50_000)),
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

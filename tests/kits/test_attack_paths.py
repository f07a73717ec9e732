"""The attack kit: Methods, paths and queries (A-96, A-98, HTTP-01 … HTTP-22). See `attacks.py`."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from attacks import ACCEPTS, ANSWERED, AS_USUAL, BROKEN, OF_HTTP, PARSER, REFUSED, Attacker
from routes import Request
from servers import each_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


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
    if path in {"/?", "/??", "/#"}:  # the root, which redirects to the documentation
        expected = {307}
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
    "a newline": lambda path: path + b"%0a",
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

"""The attack kit: Proxies, traces and origins (A-99 … A-104, CORS). See `attacks.py`."""

import re
from dataclasses import replace

import pytest
from answers import check_answer, read_answers
from attacks import AS_USUAL, GOOD, ID, OF_HTTP, ORIGINS, SPAN, Attacker, check_records
from routes import Request, Route
from servers import each_database
from service_process import GOOD_ORIGIN, Launch, is_access_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


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
    logged = [route for route in attacker.kinds_of_route if not route.is_probe]
    for route in logged:
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

"""The log kit: secrets are neither logged nor sent back (MID-03, A-113, ERR-05, CFG-07)."""

import re
from dataclasses import replace

import pytest
from answers import read_answers
from log_records import CRASH, NOWHERE, records_of
from routes import Request
from service_process import Launch, Service
from users import read_routes

pytestmark = pytest.mark.slow

DSN_SECRET = "dsn-canary-value"  # noqa: S105 no password of anything
CLIENT_SECRET = b"client-canary-value"
PROBES = (b"/api/v1/health", b"/api/v1/ready")  # not logged if they succeed
SECRETS = rf"{DSN_SECRET}|{CLIENT_SECRET.decode()}"


def secret_requests(service: Service) -> dict[str, Request]:
    """Return requests with the canary wherever a client may have a secret; paths are no place."""
    canary = CLIENT_SECRET
    routes = read_routes(service)
    requests = {
        "absolute target": replace(NOWHERE, target=b"http://kit:%b@localhost/nowhere" % canary),
        "fragment": replace(NOWHERE, target=b"/nowhere#access_token=" + canary),
        "crash": replace(
            CRASH, target=CRASH.target + b"?token=" + canary, method="POST", body=canary
        ),
    }
    for header, prefix in {
        "Authorization": b"Bearer ",
        "Proxy-Authorization": b"Basic ",
        "Cookie": b"session=",
        "X-API-Key": b"",
        "X-CSRF-Token": b"",
        "Referer": b"https://localhost/?token=",
        "User-Agent": b"",
        "X-Forwarded-For": b"",
        "traceparent": b"",
        "tracestate": b"a=",
        "Content-Type": b"application/",
        "Origin": b"https://",
        "X-Request-ID": b"!",
    }.items():
        requests[f"{header} of a crash"] = CRASH.put(header, prefix + canary)
        requests[header] = NOWHERE.put(header, prefix + canary)
    text = b'"%b"' % canary
    for route in routes:
        good = route.good_request()
        requests[f"query of {route}"] = replace(good, target=route.target(b"token=" + canary))
        for parameter in route.parameters("query"):
            query = parameter["name"].encode() + b"=" + canary
            requests[f"{parameter['name']} of {route}"] = replace(good, target=route.target(query))
        if route.takes_form:
            for (field,), _schema in route.fields():
                form = route.with_form(good, (good.body or b"") + b"&%b=" % field.encode() + canary)
                requests[f"{field} in the form of {route}"] = form
        if not route.takes_json:
            continue
        for name, body in {
            "text": text,
            "list": b"[%b]" % text,
            "broken": b'{"password": %b' % text,
            "after the end": (good.body or b"") + canary,
            "no quotes": b'{"password": %b}' % canary,
            "unknown field": b'{"password": %b}' % text,
            "form": b"password=" + canary,
        }.items():
            requests[f"{name} to {route}"] = route.with_json(good, body)
        requests[f"real form to {route}"] = route.with_form(good, b"password=" + canary)
        for place, _schema in route.fields():
            for value in (text, b"[%b]" % text, b'{"a": %b}' % text, b'"%b\\u0000"' % canary):
                requests[f"{place} {value!r} of {route}"] = route.with_field(place, value)
    return requests


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_secrets_are_neither_logged_nor_sent_back(
    launch: Launch, subtests: pytest.Subtests, level: str
) -> None:
    # Nobody listens there: failing to connect must not tell the password either.
    redis = f"redis://kit:{DSN_SECRET}@127.0.0.1:1/0"
    settings = {"REDIS_URL": redis, "RATE_LIMIT_PER_MINUTE": "9999", "LOG_LEVEL": level}
    with launch(faulty=True, DOCS_ENABLED="true", **settings) as service:
        for name, request in secret_requests(service).items():
            with subtests.test(name):
                seen = len(service.lines())
                for answer in read_answers(service.raw(request.encode()), request.method):
                    # What is accepted may be shown to who sent it.
                    assert answer.status < 400 or not leaked(str(answer.headers), answer.body)
                    if not answer.is_of_the_server and not request.target.startswith(PROBES):
                        records_of(service, answer.headers["X-Request-ID"])
                assert not leaked(*service.lines()[seen:])
        service.stop()
    assert len(service.log()) > 50
    assert "rate_limit" in str(service.log())
    assert not leaked(*service.lines())


def leaked(*texts: str | bytes) -> list[str]:
    """Return the texts that hold a canary."""
    decoded = [text.decode() if isinstance(text, bytes) else text for text in texts]
    return [text for text in decoded if re.search(SECRETS, text, re.IGNORECASE)]

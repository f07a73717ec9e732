"""HTTP answers as they came over the wire, and what each must be like."""

import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage, HTTPResponse
from typing import Any

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# The public keys are for everybody, and good for a while.
JWK_SET = "application/jwk-set+json"
JWK_SET_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
REQUIRED_HEADER = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
# What is wrong with the credentials (RFC 6750 section 3); `error_description` may come after it.
CHALLENGES = {
    "NOT_AUTHENTICATED": 'Bearer realm="api"',
    "INVALID_CREDENTIALS": 'Bearer realm="api"',
    "INVALID_TOKEN": 'Bearer realm="api", error="invalid_token"',
    "REFRESH_SUPERSEDED": 'Bearer realm="api", error="invalid_token"',
    "INVALID_REQUEST": 'Bearer realm="api", error="invalid_request"',
    "INSUFFICIENT_SCOPE": 'Bearer realm="api", error="insufficient_scope", scope',
}
INTERNALS = re.compile(
    r"""Traceback|File\ "|\.py\b|site-packages|0x[0-9a-f]{6,}|\b[A-Z]\w*[a-z](Error|Exception)\b
    |(?i:\b(starlette|fastapi|pydantic|uvicorn|httptools|sqlalchemy|asyncpg|sqlite|mysql|redis))
    |\b(SELECT\b.*\bFROM|INSERT\ INTO)\b|\w+://[^\s"]*@""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 JSON has no type
        """Return the body's JSON, which is UTF-8."""
        return json.loads(self.body.decode())

    @property
    def is_of_the_server(self) -> bool:
        """Whether the HTTP parser sent it, which knows no application (ERR-12)."""
        own = {(400, b"Invalid HTTP request received."), (431, b"")}
        return (self.status, self.body) in own


class _Connection(io.BytesIO):
    """As much of a socket as http.client reads from."""

    def makefile(self, _mode: str) -> io.BytesIO:
        return self

    def close(self) -> None:
        """Stay open for the next answer."""


def read_answers(received: bytes, method: str = "GET") -> list[Answer]:
    """Return the answers to requests of one method, interim ones (100) left out."""
    connection = _Connection(received)
    answers = []
    while connection.tell() < len(received):
        response = HTTPResponse(connection, method=method)  # type: ignore[arg-type]
        response.begin()
        answers.append(Answer(response.status, response.headers, response.read()))
    return answers


def check_answer(answer: Answer) -> None:
    """Assert what holds for each answer of the application, whatever was asked."""
    is_jwk_set = answer.headers.get_content_type() == JWK_SET
    expected = SECURITY_HEADERS | (JWK_SET_HEADERS if is_jwk_set else {})
    for name, value in expected.items():
        assert answer.headers.get_all(name) == [value], name
    for name in ("Server", "X-Powered-By"):
        assert name not in answer.headers
    assert len(answer.headers.get_all("X-Request-ID", [])) == 1
    if name := REQUIRED_HEADER.get(answer.status):
        assert answer.headers[name], name
        assert name != "Retry-After" or answer.headers[name].isdecimal()
    if answer.status >= 400:
        check_problem(answer)
    elif answer.body and answer.headers.get_content_type() == "application/json":
        answer.json()


def check_problem(answer: Answer) -> None:
    """Assert the error shape E() of an answer; that to a HEAD has no body to judge."""
    assert answer.headers.get_content_type() == "application/problem+json"
    assert answer.headers.get_content_charset("utf-8") == "utf-8"
    if not answer.body:
        assert int(answer.headers["Content-Length"]) > 0, "no body"
        return
    assert not (found := INTERNALS.search(answer.body.decode())), found
    problem = answer.json()
    assert problem["status"] == answer.status
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", problem["code"])
    assert problem.get("message") or problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    timestamp = datetime.fromisoformat(problem["timestamp"])
    assert timestamp.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - timestamp) < timedelta(seconds=5)
    if challenge := CHALLENGES.get(problem["code"]):
        (said,) = answer.headers.get_all("WWW-Authenticate", [])
        said = re.sub(', error_description="[ -~]+"$', "", said)
        assert re.sub('scope="(superuser|items)"$', "scope", said) == challenge
    else:
        assert "WWW-Authenticate" not in answer.headers
    if problem["code"] == "VALIDATION_ERROR":
        assert problem["errors"]
    for error in problem.get("errors", []):
        assert error.keys() - {"loc", "field"} == {"type", "message"}

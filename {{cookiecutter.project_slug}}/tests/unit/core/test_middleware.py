import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.core.middleware import Envelope, Gate, describe_request
from app.settings import Settings
from tests.conftest import ORIGIN

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def make_scope(*headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": "/",
        "scheme": "http",
        "client": None,
        "headers": [(b"host", b"localhost"), *headers],
    }


@pytest.mark.parametrize("proposed", [b"a", b"A-b_c.9", b"x" * 128])
def test_a_clean_request_id_is_kept(proposed: bytes) -> None:
    assert describe_request(make_scope((b"x-request-id", proposed))) == {
        "request_id": proposed.decode()
    }


@pytest.mark.parametrize(
    "proposed", [[b""], [b"x" * 129], [b"a b"], [b"a\n"], [b"\xc3\xa9"], [b"a", b"b"]]
)
def test_any_other_request_id_is_replaced(proposed: list[bytes]) -> None:
    fields = describe_request(make_scope(*((b"x-request-id", value) for value in proposed)))
    assert len(fields["request_id"]) == 36


def test_the_trace_is_that_of_a_valid_traceparent() -> None:
    fields = describe_request(make_scope((b"traceparent", PARENT.encode())))
    assert fields["trace_id"] == TRACE


@pytest.mark.parametrize(
    "parents",
    [
        [PARENT.upper()],
        [PARENT[:-1]],
        [PARENT + "0"],
        ["ff" + PARENT[2:]],
        [PARENT.replace(TRACE, "0" * 32)],
        [PARENT.replace("00f067aa0ba902b7", "0" * 16)],
        [PARENT, PARENT],
        ["garbage"],
    ],
)
def test_an_invalid_traceparent_is_ignored(parents: list[str]) -> None:
    headers = [(b"traceparent", parent.encode()) for parent in parents]
    assert "trace_id" not in describe_request(make_scope(*headers))


def test_the_trace_of_opentelemetry_wins() -> None:
    context = trace.SpanContext(trace_id=1, span_id=2, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(context)):
        fields = describe_request(make_scope((b"traceparent", PARENT.encode())))
    assert fields["trace_id"] == f"{1:032x}"


async def test_a_crash_of_the_middleware_itself_is_answered(make_settings: Any) -> None:
    class Broken:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError("outside of FastAPI")

    sent = await call(Envelope(Broken(), make_settings()))
    assert sent[0]["status"] == 500
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]


async def test_a_client_that_left_is_no_error(make_settings: Any, log_lines: Any) -> None:
    async def read_body(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ClientDisconnect

    assert await call(Envelope(read_body, make_settings())) == []
    assert [(line["event"], line["status"]) for line in log_lines()] == [("request", 499)]


async def test_a_request_that_is_cut_off_at_shutdown_is_told(make_settings: Any) -> None:
    async def be_cancelled(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise asyncio.CancelledError

    sent: list[Message] = []
    with pytest.raises(asyncio.CancelledError):
        await call(Envelope(be_cancelled, make_settings()), (b"origin", ORIGIN.encode()), sent=sent)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"retry-after"]) == (503, b"5")
    assert headers[b"access-control-allow-origin"] == ORIGIN.encode()


async def call(
    app: Envelope, *headers: tuple[bytes, bytes], sent: list[Message] | None = None
) -> list[Message]:
    sent = [] if sent is None else sent

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(make_scope(*headers), receive, send)
    return sent


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (b"api.example.com", True),
        (b"API.example.com:8443", True),
        (b"a.b.example.org", True),
        (b"[::1]:80", True),
        (b"example.org", False),
        (b"evil-example.org", False),
        (b"evil.example:80@api.example.com", False),
        (b"api.example.com/", False),
        (b"api.example.com\n", False),
        (b"", False),
    ],
)
def test_only_our_hosts_are_known(header: bytes, known: bool) -> None:
    hosts = ["api.example.com", "*.example.org", "[::1]"]
    gate = Gate(None, Settings(_env_file=None, allowed_hosts=hosts))  # type: ignore[arg-type]
    assert gate.knows_host(header) is known

"""Middleware, all pure ASGI: Envelope(CORS(Compression(Gate(FastAPI)))).

They wrap FastAPI's whole stack, so that a 500 or 413 which the framework makes outside of all user
middleware gets request id, security headers and CORS headers like any other answer.
"""

import re
import uuid
from asyncio import CancelledError
from functools import partial
from time import perf_counter

from limits import RateLimitItemPerMinute
from opentelemetry.trace import format_trace_id, get_current_span
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger
from structlog.typing import FilteringBoundLogger

from app.core.compression import Compression, get_header
from app.core.errors import (
    AppError,
    InvalidHostError,
    NotFoundError,
    handle_error,
    problem_response,
)
from app.core.health import PROBE_PATHS
from app.core.logging import log_context
from app.core.settings import CoreSettings

NOT_ANSWERED = 499  # nginx's status for a client that did not wait
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
HOST = re.compile(rb"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.IGNORECASE)

# OWASP REST Security Cheat Sheet, "Security Headers".
SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
# {% if cookiecutter.auth == "api_key" %}
CORS_HEADERS = ("Authorization", "X-API-Key", "X-Request-ID", "If-Match", "Idempotency-Key")
# {% else %}
CORS_HEADERS = ("Authorization", "X-Request-ID", "If-Match", "Idempotency-Key")
# {% endif %}
# What Starlette's texts say of themselves, and a refused preflight of what it would have allowed.
DROPPED = re.compile(rb"content-.*|access-control-(allow-(methods|headers)|max-age)")


def is_plain_text(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the body is a text, as those are that Starlette writes by itself."""
    return any(
        name == b"content-type" and value.startswith(b"text/plain") for name, value in headers
    )


class Answer:
    """A response on its way out; texts that Starlette wrote without us become problems."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.scope, self.send, self.request_id = scope, send, request_id.encode()
        self.status = NOT_ANSWERED
        self.started = perf_counter()
        self.ended = 0.0

    async def __call__(self, message: Message) -> None:
        """Pass a message of the response on."""
        if message["type"] == "http.response.start":
            await self.start(message)
        elif not self.ended:
            self.ended = 0.0 if message.get("more_body") else perf_counter()
            await self.send(message)
        elif message.get("more_body"):
            raise ClientDisconnect  # nobody reads the stream after a HEAD

    async def start(self, message: Message) -> None:
        """Send the headers completed, and the body where the application's is not wanted."""
        self.status = message["status"]
        headers = list(message["headers"])
        body: bytes | None = None
        if self.status >= 400 and is_plain_text(headers):
            problem = problem_response(self.status)
            headers = [item for item in headers if not DROPPED.fullmatch(item[0])]
            headers, body = headers + problem.raw_headers, bytes(problem.body)
        body = b"" if self.scope["method"] == "HEAD" else body
        present = {name for name, _ in headers}
        headers += [item for item in SECURITY_HEADERS if item[0] not in present]
        headers += [HSTS] if self.scope["scheme"] == "https" else []
        headers += [] if get_header(self.scope, b"origin") else [(b"vary", b"Origin")]
        headers += [(b"x-request-id", self.request_id)]
        try:
            await self.send({**message, "headers": headers})
        except RuntimeError as error:  # uvloop's word for a connection that is gone
            raise ClientDisconnect from error
        if body is not None:
            self.ended = perf_counter()
            await self.send({"type": "http.response.body", "body": body})

    def log_to(self, log: FilteringBoundLogger) -> None:
        """Write the access record; the time of background tasks is not the client's."""
        duration = (self.ended or perf_counter()) - self.started
        log.info(
            "request",
            method=self.scope["method"],
            path=self.scope["path"][:1024],
            status=self.status,
            duration_ms=round(duration * 1000, 2),
            client_ip=(self.scope["client"] or [None])[0],
            probe=self.scope["path"] in PROBE_PATHS,
        )


class Envelope:
    """Outermost: request id, access record, headers of every answer, HEAD, the shape of errors."""

    def __init__(self, app: ASGIApp, settings: CoreSettings) -> None:
        self.fastapi = app
        self.log = get_logger("app.access").bind()
        self.cors = CORSMiddleware(
            Compression(Gate(app, settings)),
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=CORS_HEADERS,
            expose_headers=("X-Request-ID", "Retry-After", "Location", "ETag"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and write its record; the server sees no exception."""
        if scope["type"] != "http":
            return await self.fastapi(scope, receive, send)
        context = describe_request(scope)
        token = log_context.set(context)
        answer = Answer(scope, send, context["request_id"])
        app = self.cors if get_header(scope, b"origin") else self.cors.app
        try:
            await app(as_get(scope), receive, answer)
        except ClientDisconnect:
            pass
        except CancelledError:  # at shutdown, when the time to finish is over
            await self.fail(503, scope, receive, answer)
            raise
        except Exception:
            self.log.exception("unhandled_exception")
            await self.fail(500, scope, receive, answer)
        finally:
            answer.log_to(self.log)
            log_context.reset(token)

    async def fail(self, status: int, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Answer with a problem, CORS headers included, if nothing was answered yet."""
        if answer.status == NOT_ANSWERED:
            send: Send = answer
            if get_header(scope, b"origin"):
                send = partial(self.cors.send, send=answer, request_headers=Headers(scope=scope))
            await problem_response(status)(scope, receive, send)


def describe_request(scope: Scope) -> dict[str, str]:
    """Return the fields of every log line of the request: `request_id`, and `trace_id` if any.

    The trace is OpenTelemetry's, when that is off the caller's (W3C Trace Context section 3.2).
    """
    accepted = REQUEST_ID.fullmatch(get_header(scope, b"x-request-id"))
    fields = {"request_id": accepted[0].decode() if accepted else str(uuid.uuid4())}
    span = get_current_span().get_span_context()
    if span.is_valid:
        fields["trace_id"] = format_trace_id(span.trace_id)
    elif parent := TRACEPARENT.fullmatch(get_header(scope, b"traceparent")):
        fields["trace_id"] = parent[1].decode()
    return fields


def as_get(scope: Scope) -> Scope:
    """Return the scope of the GET that a HEAD stands for (RFC 9110 section 9.3.2)."""
    if scope["method"] != "HEAD":
        return scope
    headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
    return {**scope, "method": "GET", "headers": headers}


class Gate:
    """Innermost: turns away foreign hosts and clients over the general limit, never a probe."""

    def __init__(self, app: ASGIApp, settings: CoreSettings) -> None:
        self.app = app
        self.hosts = [pattern.lower() for pattern in settings.allowed_hosts]
        per_minute = settings.rate_limit_per_minute
        self.limit = RateLimitItemPerMinute(per_minute) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer why not."""
        app = self.app
        try:
            # Decoded, this slash would be another path than the one a proxy has judged.
            if b"%2f" in (scope.get("raw_path") or b"").lower():
                raise NotFoundError
            if scope["path"] not in PROBE_PATHS:
                await self.inspect(scope)
        except AppError as error:
            app = await handle_error(Request(scope), error)
        await app(scope, receive, send)

    async def inspect(self, scope: Scope) -> None:
        """Raise InvalidHostError or RateLimitedError for a request that may not pass."""
        if not self.knows_host(get_header(scope, b"host")):
            raise InvalidHostError("This is not our host.")
        if self.limit:
            client_ip = (scope["client"] or [None])[0]
            await scope["app"].state.rate_limiter.hit(f"client:{client_ip}", self.limit)

    def knows_host(self, header: bytes) -> bool:
        """Whether the host, on any port, is ours; `*.example.com` is each of its subdomains."""
        match = HOST.fullmatch(header)
        host = match[1].decode().lower() if match else ""
        return any(
            host == pattern or (pattern[:1] == "*" and host.endswith(pattern[1:]))
            for pattern in self.hosts
        )

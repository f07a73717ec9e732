"""Middleware for every request: request id, access record, common headers and request checks."""

import re
import uuid
from asyncio import CancelledError
from time import perf_counter

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger
from structlog.contextvars import bind_contextvars, clear_contextvars

from app.core.errors import (
    AppError,
    InvalidHostError,
    NotFoundError,
    handle_app_error,
    problem_response,
)
from app.core.health import is_probe
from app.core.settings import CoreSettings

NO_RESPONSE = 499  # nginx's status for a client that did not wait
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.IGNORECASE)
# {% if cookiecutter.auth == "api_key" %}
CORS_HEADERS = ("Authorization", "X-API-Key", "X-Request-ID")
# {% else %}
CORS_HEADERS = ("Authorization", "X-Request-ID")
# {% endif %}

# OWASP REST Security Cheat Sheet, "Security Headers".
SECURITY_HEADERS = {
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
# Not for HTML: a page of an administration interface or a frontend loads scripts and styles.
DATA_HEADERS = SECURITY_HEADERS | {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'"
}
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


def wrap(app: ASGIApp, settings: CoreSettings) -> ASGIApp:
    """Wrap the application in middleware that also sees its error responses.

    The framework sends some errors outside of the middleware that `add_middleware` adds, and they
    need the same headers.
    """
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=CORS_HEADERS,
            expose_headers=("X-Request-ID", "Retry-After", "Location"),
        )
    return RequestMiddleware(app, settings.allowed_hosts)


class RequestMiddleware:
    """Checks and logs every request, and adds the common headers to its response."""

    def __init__(self, app: ASGIApp, allowed_hosts: list[str]) -> None:
        self.app = app
        self.allowed_hosts = [pattern.lower() for pattern in allowed_hosts]
        self.log = get_logger("app.access").bind()  # assembled once and not per request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. Unhandled exceptions are logged and not re-raised."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        clear_contextvars()
        response = ResponseSender(scope, send, bind_request_id(scope))
        try:
            self.check(scope)
            await self.app(as_get(scope), receive, response)
        except AppError as error:
            rejection = await handle_app_error(HTTPConnection(scope), error)
            await rejection(scope, receive, response)
        except ClientDisconnect:
            pass  # nobody waits for a response
        except CancelledError:  # the time for a graceful shutdown is over
            if response.status == NO_RESPONSE:
                await problem_response(503)(scope, receive, response)
            raise
        except Exception:
            self.log.exception("unhandled_exception")
        finally:
            if response.status >= 400 or not is_probe(scope):
                self.log.info("request", **response.describe())

    def check(self, scope: Scope) -> None:
        """Reject ambiguous paths and unknown hosts.

        Raises:
            NotFoundError: A proxy and the router would read the path differently, because the
                router decodes `%2F` to a slash and ignores a newline at the end.
            InvalidHostError: The host is not allowed.
        """
        if "\n" in scope["path"] or b"%2f" in (scope.get("raw_path") or b"").lower():
            raise NotFoundError("Not Found")
        if not is_probe(scope) and not self.is_allowed(find_header(scope["headers"], b"host")):
            raise InvalidHostError("The Host header is not allowed.")

    def is_allowed(self, header: bytes) -> bool:
        """Return whether the host is allowed on any port; `*.example.com` allows subdomains."""
        match = HOST.fullmatch(header.decode("latin-1"))
        host = match[1].lower() if match else ""
        return any(
            host == pattern or (pattern[:1] == "*" and host.endswith(pattern[1:]))
            for pattern in self.allowed_hosts
        )


def find_header(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the value of a header that was sent exactly once, or nothing."""
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else b""


def bind_request_id(scope: Scope) -> bytes:
    """Return the request id, and bind it to every log line of the request.

    It is the client's `X-Request-ID` if that is valid. A new id replaces the header, so that error
    trackers find it there.
    """
    request_id = find_header(scope["headers"], b"x-request-id")
    if not REQUEST_ID.fullmatch(request_id):
        request_id = str(uuid.uuid4()).encode()
        headers = [header for header in scope["headers"] if header[0] != b"x-request-id"]
        scope["headers"] = [*headers, (b"x-request-id", request_id)]
    bind_contextvars(request_id=request_id.decode())
    return request_id


def as_get(scope: Scope) -> Scope:
    """Return the scope of the GET request that corresponds to a HEAD (RFC 9110 section 9.3.2)."""
    if scope.get("method") != "HEAD":
        return scope
    headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
    return {**scope, "method": "GET", "headers": headers}


class ResponseSender:
    """Sends one response with the common headers."""

    def __init__(self, scope: Scope, send: Send, request_id: bytes) -> None:
        self.scope, self.send, self.request_id = scope, send, request_id
        self.method = scope.get("method", "WEBSOCKET")
        self.status = NO_RESPONSE
        self.started = perf_counter()
        self.ended = 0.0

    async def __call__(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"].endswith(("response.start", ".accept")):
            await self.start(message)
        elif not self.ended:
            if message["type"].endswith("response.body") and not message.get("more_body"):
                self.ended = perf_counter()
            await self.send(message)
        elif message.get("more_body"):
            raise ClientDisconnect  # the response to a HEAD request is complete

    async def start(self, message: Message) -> None:
        """Send the headers, and the body where the application's body is replaced."""
        self.status = message.get("status", 101)
        headers, body = replace_plain_text(self.status, list(message.get("headers", ())))
        present = dict(headers)
        is_html = present.get(b"content-type", b"").startswith(b"text/html")
        common = SECURITY_HEADERS if is_html else DATA_HEADERS
        headers += [header for header in common.items() if header[0] not in present]
        headers.append((b"x-request-id", self.request_id))
        if self.scope["scheme"] == "https":
            headers.append(HSTS)
        try:
            await self.send({**message, "headers": headers})
        except RuntimeError as error:  # uvloop: the connection is closed
            raise ClientDisconnect from error
        if self.method == "HEAD":
            body = b""
        if body is not None:
            self.ended = perf_counter()
            await self.send({"type": "http.response.body", "body": body})

    def describe(self) -> dict[str, object]:
        """Return the access record. Background tasks do not count towards its duration."""
        scope = self.scope
        return {
            "method": self.method,
            "path": scope["path"][:1024],
            "status": self.status,
            "duration_ms": round(((self.ended or perf_counter()) - self.started) * 1000, 2),
            "client_ip": scope["client"][0] if scope["client"] else None,
        }


def replace_plain_text(
    status: int, headers: list[tuple[bytes, bytes]]
) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    """Replace an error that the framework sends as plain text by a problem document.

    These are a rejected CORS preflight and a body that is too large.
    """
    if status < 400 or not dict(headers).get(b"content-type", b"").startswith(b"text/plain"):
        return headers, None
    problem = problem_response(status)
    kept = [item for item in headers if item[0] in (b"vary", b"access-control-allow-origin")]
    return kept + problem.raw_headers, bytes(problem.body)

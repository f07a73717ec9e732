"""The outermost middleware: request id, access record and common headers."""

import re
import uuid
from contextlib import suppress
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger
from structlog.contextvars import bind_contextvars, clear_contextvars

from app.core.errors import problem_response
from app.core.health import is_probe

NO_RESPONSE = 499  # nginx's status for a client that did not wait
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# Headers of the framework's plain-text errors that do not fit the problem document.
REPLACED = re.compile(rb"content-.*|access-control-(allow-(methods|headers)|max-age)")

# OWASP REST Security Cheat Sheet, "Security Headers".
SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
# Not for HTML: a page of an administration interface or a frontend loads scripts and styles.
STRICT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class RequestMiddleware:
    """Adds the request id, the access record and the common headers to every request.

    It wraps the application and is not added with `add_middleware`, because the framework sends
    some errors outside of added middleware, and those need the same headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = get_logger("app.access").bind()  # assembled once and not per request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log it. Exceptions end here, after they passed the application."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        clear_contextvars()
        request_id = bind_request(scope)
        if scope["type"] == "websocket":
            return await self.serve_websocket(scope, receive, send, request_id)
        response = ResponseSender(scope, send, request_id)
        try:
            await self.app(as_get(scope), receive, response)
        except ClientDisconnect:
            pass
        except Exception:
            self.log.exception("unhandled_exception")
        finally:
            self.log.info("request", **response.describe())

    async def serve_websocket(
        self, scope: Scope, receive: Receive, send: Send, request_id: bytes
    ) -> None:
        """Serve a WebSocket, and close it if its route fails."""

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                headers = [*message.get("headers", ()), (b"x-request-id", request_id)]
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            self.log.exception("unhandled_exception")
            with suppress(RuntimeError):  # closed already
                await send({"type": "websocket.close", "code": 1011})


def bind_request(scope: Scope) -> bytes:
    """Return the request id, and bind it to every log line of the request.

    The client's `X-Request-ID` is used if it is valid. The id replaces the header, so that error
    trackers find it there. The trace id comes from the client until a span of our own has started
    (W3C Trace Context section 3.2).
    """
    headers = scope["headers"]
    match = REQUEST_ID.fullmatch(get_header(headers, b"x-request-id"))
    request_id = match[0] if match else str(uuid.uuid4()).encode()
    scope["headers"] = [item for item in headers if item[0] not in (b"x-request-id", b"origin")]
    scope["headers"].append((b"x-request-id", request_id))
    if origin := get_header(headers, b"origin"):  # a repeated one is ignored
        scope["headers"].append((b"origin", origin))
    bind_contextvars(request_id=request_id.decode())
    if trace := TRACEPARENT.fullmatch(get_header(headers, b"traceparent")):
        bind_contextvars(trace_id=trace[1].decode())
    return request_id


def get_header(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the value of a header that was sent exactly once, or nothing."""
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else b""


def as_get(scope: Scope) -> Scope:
    """Return the scope of the GET request that corresponds to a HEAD (RFC 9110 section 9.3.2)."""
    if scope["method"] != "HEAD":
        return scope
    headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
    return {**scope, "method": "GET", "headers": headers}


class ResponseSender:
    """Sends one response with the common headers."""

    def __init__(self, scope: Scope, send: Send, request_id: bytes) -> None:
        self.scope, self.send, self.request_id = scope, send, request_id
        self.status = NO_RESPONSE
        self.started = perf_counter()
        self.ended = 0.0

    async def __call__(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"] == "http.response.start":
            await self.start(message)
        elif not self.ended:
            self.ended = 0.0 if message.get("more_body") else perf_counter()
            await self.send(message)
        elif message.get("more_body"):
            raise ClientDisconnect  # the response to a HEAD request is complete

    async def start(self, message: Message) -> None:
        """Send the headers, and the body where the application's body is replaced."""
        self.status = message["status"]
        headers, body = replace_plain_text(self.status, list(message["headers"]))
        present = dict(headers)
        headers += [header for header in SECURITY_HEADERS if header[0] not in present]
        is_html = present.get(b"content-type", b"").startswith(b"text/html")
        if not is_html and STRICT_POLICY[0] not in present:
            headers.append(STRICT_POLICY)
        if self.scope["scheme"] == "https":
            headers.append(HSTS)
        if not get_header(self.scope["headers"], b"origin"):
            headers.append((b"vary", b"Origin"))  # otherwise CORSMiddleware has added it
        headers.append((b"x-request-id", self.request_id))
        try:
            await self.send({**message, "headers": headers})
        except RuntimeError as error:  # uvloop: the connection is closed
            raise ClientDisconnect from error
        if self.scope["method"] == "HEAD":
            body = b""
        if body is not None:
            self.ended = perf_counter()
            await self.send({"type": "http.response.body", "body": body})

    def describe(self) -> dict[str, object]:
        """Return the access record. Background tasks do not count towards its duration."""
        scope = self.scope
        return {
            "method": scope["method"],
            "path": scope["path"][:1024],
            "status": self.status,
            "duration_ms": round(((self.ended or perf_counter()) - self.started) * 1000, 2),
            "client_ip": scope["client"][0] if scope["client"] else None,
            "probe": is_probe(scope),
        }


def replace_plain_text(
    status: int, headers: list[tuple[bytes, bytes]]
) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    """Replace an error that the framework sends as plain text by a problem document."""
    if status < 400 or not get_header(headers, b"content-type").startswith(b"text/plain"):
        return headers, None
    problem = problem_response(status)
    kept = [header for header in headers if not REPLACED.fullmatch(header[0])]
    return kept + problem.raw_headers, bytes(problem.body)

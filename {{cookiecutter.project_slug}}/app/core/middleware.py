"""The middleware of the application, inside of `RequestMiddleware`."""

import re
from asyncio import CancelledError
from traceback import format_exc

from opentelemetry.trace import format_trace_id, get_current_span
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from app.core.compression import CompressionMiddleware
from app.core.errors import (
    AppError,
    InvalidHostError,
    NotFoundError,
    handle_error,
    problem_response,
)
from app.core.health import is_probe
from app.core.rate_limit import RateLimitMiddleware
from app.core.request_middleware import get_header
from app.core.settings import CoreSettings

HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.IGNORECASE)
# {% if cookiecutter.auth == "api_key" %}
CORS_HEADERS = ("Authorization", "X-API-Key", "X-Request-ID", "If-Match", "Idempotency-Key")
# {% else %}
CORS_HEADERS = ("Authorization", "X-Request-ID", "If-Match", "Idempotency-Key")
# {% endif %}


def list_middleware(settings: CoreSettings) -> list[Middleware]:
    """Return the middleware of the application, the outermost first."""
    middleware = [
        Middleware(ErrorMiddleware),
        Middleware(CompressionMiddleware),
        Middleware(RequestFilterMiddleware, settings=settings),
    ]
    if settings.cors_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=CORS_HEADERS,
            expose_headers=("X-Request-ID", "Retry-After", "Location", "ETag"),
        )
        middleware.insert(0, cors)
    if limit := settings.rate_limit_per_minute:
        middleware.append(Middleware(RateLimitMiddleware, per_minute=limit))
    return middleware


class ErrorMiddleware:
    """Sends the response to an exception, and lets unhandled ones pass.

    The framework would send it outside of the CORS middleware. Sentry and OpenTelemetry, which
    wrap the application, see the exception and the request id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        describe_span(scope)
        has_started = False

        async def observe(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive, observe)
        except AppError as error:  # of another middleware
            response = await handle_error(HTTPConnection(scope), error)
            await response(scope, receive, send)
        except (Exception, CancelledError) as error:
            get_current_span().record_exception(error)
            if not has_started and scope["type"] == "http":
                await respond_to(error, scope)(scope, receive, send)
            raise


def respond_to(error: BaseException, scope: Scope) -> Response:
    """Return the response to an unhandled exception."""
    if isinstance(error, CancelledError):  # the time for a graceful shutdown is over
        return problem_response(503)
    return problem_response(500, format_exc() if scope["app"].debug else "")


def describe_span(scope: Scope) -> None:
    """Write the request id to the trace, and the trace id to the log."""
    span = get_current_span()
    if span.is_recording():
        request_id = get_header(scope["headers"], b"x-request-id").decode()
        span.set_attribute("http.request.header.x-request-id", [request_id])
        bind_contextvars(trace_id=format_trace_id(span.get_span_context().trace_id))


class RequestFilterMiddleware:
    """Rejects unknown hosts (RFC 9110 section 7.2), ambiguous paths and large bodies."""

    def __init__(self, app: ASGIApp, settings: CoreSettings) -> None:
        self.app = app
        self.limited_app = RequestBodyLimitMiddleware(app, settings.max_body_bytes)
        self.allowed_hosts = [pattern.lower() for pattern in settings.allowed_hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request.

        Raises:
            NotFoundError: The path is ambiguous.
            InvalidHostError: The host is not allowed.
        """
        if scope["type"] != "lifespan":
            self.check(scope)
        app = self.limited_app if may_have_body(scope) else self.app
        await app(scope, receive, send)

    def check(self, scope: Scope) -> None:
        """Raise an error if the request must be rejected."""
        if is_ambiguous(scope):
            raise NotFoundError("Not Found")
        if not is_probe(scope) and not self.is_allowed(get_header(scope["headers"], b"host")):
            raise InvalidHostError("The Host header is not allowed.")

    def is_allowed(self, header: bytes) -> bool:
        """Return whether the host is allowed on any port; `*.example.com` allows subdomains."""
        match = HOST.fullmatch(header.decode("latin-1"))
        host = match[1].lower() if match else ""
        return any(
            host == pattern or (pattern[:1] == "*" and host.endswith(pattern[1:]))
            for pattern in self.allowed_hosts
        )


def is_ambiguous(scope: Scope) -> bool:
    """Return whether a proxy and the router would read the path differently.

    The router decodes `%2F` to a slash, and ignores a newline at the end of the path.
    """
    return "\n" in scope["path"] or b"%2f" in (scope.get("raw_path") or b"").lower()


def may_have_body(scope: Scope) -> bool:
    """Return whether the request can have a body (RFC 9112 section 6.3, RFC 9113 section 8.1)."""
    return scope.get("http_version") not in ("1.0", "1.1") or any(
        name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]
    )

"""Middleware for every request: request id, checks, access record."""

import re
import uuid
from asyncio import CancelledError

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
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
from app.core.responses import NO_RESPONSE, ResponseSender
from app.core.settings import CoreSettings

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.IGNORECASE)
# {% if cookiecutter.auth == "api_key" %}
CORS_HEADERS = ("Authorization", "X-API-Key", "X-Request-ID")
# {% else %}
CORS_HEADERS = ("Authorization", "X-Request-ID")
# {% endif %}


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
        except CancelledError:  # the server stops without waiting any longer
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

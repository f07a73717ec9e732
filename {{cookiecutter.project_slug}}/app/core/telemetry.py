"""OpenTelemetry, which FastAPI exports if `OTEL_EXPORTER_OTLP_ENDPOINT` is set."""

import os
import re

from opentelemetry.trace import format_trace_id, get_current_span
from pydantic_settings import DotEnvSettingsSource
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from app.core.middleware import find_header
from app.core.settings import SERVICE_NAME, CoreSettings

TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def load_telemetry_variables() -> None:
    """Copy the `OTEL_*` variables of `.env` to the environment, where OpenTelemetry reads them.

    The service is named after the project unless `OTEL_SERVICE_NAME` is set.
    """
    for name, value in DotEnvSettingsSource(CoreSettings).env_vars.items():
        if name.startswith("otel_") and value:
            os.environ.setdefault(name.upper(), value)
    os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE_NAME)


class TelemetryMiddleware:
    """Logs the trace id, and records the request id and unhandled exceptions in the trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. Without a trace of our own, log the id of the client's trace."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers, span = scope["headers"], get_current_span()
        if not span.is_recording():
            # W3C Trace Context section 3.2
            if trace := TRACEPARENT.fullmatch(find_header(headers, b"traceparent")):
                bind_contextvars(trace_id=trace[1].decode())
            return await self.app(scope, receive, send)
        bind_contextvars(trace_id=format_trace_id(span.get_span_context().trace_id))
        request_id = find_header(headers, b"x-request-id").decode()
        span.set_attribute("http.request.header.x-request-id", [request_id])
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            # FastAPI's own instrumentation does not record it, that of OpenTelemetry does.
            if getattr(scope.get("fastapi.telemetry"), "span", None) is span:
                span.record_exception(error)
            raise

"""Logging: JSON lines on stdout, or readable lines for a developer at a terminal.

The service logs through structlog. Records of other packages, warnings and uncaught exceptions
arrive through the standard library and go to the same renderer. Fields bound with
`structlog.contextvars.bind_contextvars` appear in every line of the request.
"""

import json
import logging
import re
import sys
import threading
from typing import Any, TextIO

import orjson
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.typing import EventDict

# Characters that JSON allows, but that terminals interpret and tools split lines at.
UNPRINTABLE = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
STANDARD_FIELDS = frozenset(
    {*vars(logging.makeLogRecord({})), "asctime", "color_message", "message", "taskName"}
)


def render_json(event: EventDict, **_options: object) -> bytes:
    """Return the event as one line of JSON, whatever values it contains."""
    try:
        line = orjson.dumps(event, default=render_value)
    except TypeError:  # a lone surrogate, a huge integer, a circular value, a key that is no string
        fields = {str(key): render_value(value) for key, value in event.items()}
        line = json.dumps(fields).encode()
    return UNPRINTABLE.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), line)


def render_value(value: object) -> str:
    """Return a string for any value, even one whose `repr` fails."""
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 an unprintable value must not break logging
        return f"<{type(value).__name__}>"


def summarize_request(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Turn an access record into `GET /path 200 12 ms`, followed by the remaining fields."""
    if event["logger"] == "app.access" and event["event"] == "request":
        del event["level"]
        event["time"] = event.pop("timestamp")  # ConsoleRenderer would put both first
        names = ("method", "path", "status", "duration_ms")
        method, path, status, duration = (event.pop(name) for name in names)
        path = CONTROL_CHARACTERS.sub(lambda match: repr(match[0])[1:-1], path)
        event["event"] = f"{method} {path} {status} {duration:.0f} ms"
    return event


def encode_line(_logger: object, _method: str, line: str) -> bytes:
    """Encode a line for the terminal."""
    return line.encode(errors="backslashreplace")


class StructlogHandler(logging.Handler):
    """Passes records of the standard library to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record with its `extra` fields."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 arguments that do not fit must not fail the request
            message = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        extra = {key: vars(record)[key] for key in vars(record).keys() - STANDARD_FIELDS}
        logger = structlog.get_logger(record.name).bind(**extra)
        logger.log(level, message, exc_info=record.exc_info)


def configure_logging(
    level: str = "INFO", *, local: bool = True, stream: TextIO | None = None
) -> None:
    """Send all log output of the process to the stream, by default stdout.

    Args:
        level: The lowest level that is logged.
        local: Write readable lines instead of JSON if the stream is a terminal.
        stream: A text stream with a binary buffer.
    """
    stream = stream or sys.stdout
    renderers: list[Any] = [format_exc_info, JSONRenderer(serializer=render_json)]
    if local and stream.isatty():
        console = ConsoleRenderer(exception_formatter=plain_traceback, pad_event_to=0)
        renderers = [summarize_request, console, encode_line]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream.buffer),
    )
    logging.basicConfig(level=level, handlers=[StructlogHandler()], force=True)
    logging.captureWarnings(True)
    log = structlog.get_logger("app")
    sys.excepthook = lambda *error: log.critical("uncaught_exception", exc_info=error)
    threading.excepthook = lambda hook: log.critical("uncaught_exception", exc_info=hook[:3])

"""Logs: one JSON object a line on stdout; coloured lines for a developer at a terminal.

Our own lines take structlog's fast path. Those of other packages, warnings and uncaught exceptions
come through the standard library and are handed to the same renderer.
"""

import json
import logging
import re
import sys
import threading
from contextvars import ContextVar
from typing import Any, TextIO

import orjson
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.typing import EventDict

# One dict a request: what is added deep inside, also in a thread, is in the access record too.
log_context: ContextVar[dict[str, Any] | None] = ContextVar("log_context", default=None)

# Legal in JSON, but terminals obey these characters and tools split lines at them.
UNPRINTABLE = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def add_context(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Return the event with the fields of its request."""
    return {**context, **event} if (context := log_context.get()) else event


def to_json(event: EventDict, **_options: object) -> bytes:
    """Return the event as one line of JSON, whatever it holds."""
    try:
        line = orjson.dumps(event, default=show)
    except TypeError:  # half a surrogate pair, a huge integer, a circle, a key that is no text
        line = json.dumps({str(key): show(value) for key, value in event.items()}).encode()
    return UNPRINTABLE.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), line)


def show(value: object) -> str:
    """Return a text for the value, even if it cannot say what it is."""
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 the same
        return f"<{type(value).__name__}>"


class StructlogHandler(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record, even one whose arguments do not fit its message."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 a poor line is better than a failing request
            message = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger(record.name).log(level, message, exc_info=record.exc_info)


def configure_logging(
    level: str = "INFO", *, local: bool = True, stream: TextIO | None = None
) -> None:
    """Take over every log line of the process: to stdout unless said, coloured at a terminal."""
    stream = stream or sys.stdout
    renderers: list[Any] = [format_exc_info, JSONRenderer(serializer=to_json)]
    if local and stream.isatty():
        console = ConsoleRenderer(exception_formatter=plain_traceback)
        renderers = [console, lambda _log, _method, line: line.encode(errors="backslashreplace")]
    structlog.configure(
        processors=[
            add_context,
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

"""The log of a test."""

import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from app.core.logging import configure_logging

LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[LogLines]:
    """Log as production does; the returned function parses the lines written so far."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    stream = io.TextIOWrapper(io.BytesIO())
    configure_logging(stream=stream)
    logging.getLogger("httpx2").setLevel(logging.WARNING)

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in stream.buffer.getvalue().decode().splitlines()]

    yield read
    logging.captureWarnings(False)
    structlog.reset_defaults()
    sys.excepthook, threading.excepthook = hooks
    root.handlers, root.level = handlers, level

import io
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from app.core.logging import StructlogHandler, configure_logging

LogLines = Callable[[], list[dict[str, Any]]]


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError


CIRCLE: dict[str, object] = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.parametrize(
    "value",
    ["\ud800", 2**70, 10**5000, {1: "x"}, object(), "a\nb\x1b[1m\u2028\x85\x7f", CIRCLE, Mute()],
    ids=range(8),
)
def test_any_value_becomes_one_line(log_lines: LogLines, value: object) -> None:
    structlog.get_logger("app").info("odd", value=value)
    (line,) = log_lines()
    assert line["event"] == "odd"
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"]) == ("info", "app")


def test_lines_of_other_packages_are_the_same(log_lines: LogLines) -> None:
    logging.getLogger("uvicorn.error").warning("to %s", "port")
    StructlogHandler().emit(logging.LogRecord("odd", 40, "", 1, "%d", ("not a number",), None))
    logging.getLogger("odd").log(35, "between the levels")
    assert [(line["logger"], line["level"], line["event"]) for line in log_lines()] == [
        ("uvicorn.error", "warning", "to port"),
        ("odd", "error", "%d"),
        ("odd", "warning", "between the levels"),
    ]


def test_warnings_and_uncaught_exceptions_are_logged(log_lines: LogLines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", UserWarning, stacklevel=1)
    try:
        raise ValueError("nobody caught me")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    warning, uncaught, in_thread = log_lines()
    assert "UserWarning: old" in warning["event"]
    assert uncaught["exception"].endswith("ValueError: nobody caught me")
    assert "ZeroDivisionError" in in_thread["exception"]


def test_lines_carry_the_fields_of_their_request(log_lines: LogLines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("other").info("inside", extra={"order_id": 7})
    logging.getLogger("other").info("outside")
    inside, outside = log_lines()
    assert (inside["request_id"], inside["order_id"]) == ("r1", 7)
    assert "request_id" not in outside


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_access_record_at_a_terminal_begins_with_the_request(log_lines: LogLines) -> None:
    buffer = io.BytesIO()
    terminal = Terminal(buffer)
    configure_logging(stream=terminal)
    request = {"method": "GET", "path": "/api/v1/health", "status": 200, "duration_ms": 12.34}
    structlog.get_logger("app.access").info("request", **request, client_ip="203.0.113.7")
    line = re.sub(r"\x1b\[\d*m", "", buffer.getvalue().decode())
    assert line.startswith("GET /api/v1/health 200 12 ms ")
    assert "client_ip=203.0.113.7" in line


@pytest.mark.parametrize("local", [True, False])
def test_only_a_developer_at_a_terminal_gets_colours(log_lines: LogLines, local: bool) -> None:
    buffer = io.BytesIO()
    terminal = Terminal(buffer)
    configure_logging(local=local, stream=terminal)
    structlog.get_logger("app").info("hello", odd="\ud800")
    structlog.get_logger("app").debug("too quiet")
    text = buffer.getvalue().decode()
    assert ("\x1b[" in text) is local
    assert "hello" in text
    assert "too quiet" not in text

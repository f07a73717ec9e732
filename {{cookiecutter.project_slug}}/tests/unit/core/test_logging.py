"""Tests of the log format."""

import io
import logging
import re
import sys
import threading
import warnings

import pytest
import structlog

from app.core.logging import StructlogHandler, configure_logging
from tests.logs import LogLines


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


CIRCLE: dict[str, object] = {}
CIRCLE["self"] = CIRCLE


class TestJson:
    def test_any_value_becomes_one_line(self, log_lines: LogLines) -> None:
        values = ["\ud800", 10**5000, {1: "x"}, "a\nb\x1b[1m\u2028\x85\x7f", CIRCLE, Unprintable()]

        for number, value in enumerate(values):
            structlog.get_logger("app").info("odd", number=number, value=value)

        lines = log_lines()
        assert [str(line["number"]) for line in lines] == [*map(str, range(len(values)))]
        for line in lines:
            assert (line["event"], line["level"], line["logger"]) == ("odd", "info", "app")
            assert line["timestamp"].endswith("Z")

    def test_lines_of_other_packages_have_the_same_fields(self, log_lines: LogLines) -> None:
        logging.getLogger("uvicorn.error").warning("to %s", "port")
        StructlogHandler().emit(logging.LogRecord("odd", 40, "", 1, "%d", ("not a number",), None))
        logging.getLogger("odd").log(35, "between the levels")

        assert [(line["logger"], line["level"], line["event"]) for line in log_lines()] == [
            ("uvicorn.error", "warning", "to port"),
            ("odd", "error", "%d"),
            ("odd", "warning", "between the levels"),
        ]

    def test_warnings_and_uncaught_exceptions_are_logged(self, log_lines: LogLines) -> None:
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

    def test_lines_contain_the_fields_of_their_request(self, log_lines: LogLines) -> None:
        with structlog.contextvars.bound_contextvars(request_id="r1"):
            logging.getLogger("other").info("inside", extra={"order_id": 7})
        logging.getLogger("other").info("outside")

        inside, outside = log_lines()
        assert (inside["request_id"], inside["order_id"]) == ("r1", 7)
        assert "request_id" not in outside


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True

    def read_text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@pytest.fixture
def terminal(log_lines: object) -> Terminal:
    return Terminal(io.BytesIO())


class TestTerminal:
    def test_access_record_begins_with_the_request(self, terminal: Terminal) -> None:
        configure_logging(stream=terminal)
        request = {"method": "GET", "path": "/x\x1b[2J\n", "status": 404, "duration_ms": 12.34}

        structlog.get_logger("app.access").info("request", **request, client_ip="203.0.113.7")
        logging.getLogger("other").info("request")

        line = re.sub(r"\x1b\[\d*m", "", terminal.read_text())
        assert line.startswith(r"GET /x\x1b[2J\n 404 12 ms ")
        assert "client_ip=203.0.113.7" in line
        assert "[other]" in line

    @pytest.mark.parametrize("is_local", [True, False])
    def test_only_local_terminals_have_colors(self, terminal: Terminal, is_local: bool) -> None:
        configure_logging(local=is_local, stream=terminal)

        structlog.get_logger("app").info("hello", odd="\ud800")
        structlog.get_logger("app").debug("too quiet")

        text = terminal.read_text()
        assert ("\x1b[" in text) is is_local
        assert "hello" in text
        assert "too quiet" not in text

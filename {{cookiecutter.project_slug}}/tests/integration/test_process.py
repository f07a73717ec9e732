"""What only a real process shows: its log from start to exit, signals, sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

Start = Callable[..., subprocess.Popen[str]]
SERVICE = """
import asyncio

from fastapi import Request

from app.main import create_app as create

def create_app():
    app = create()

    @app.get("/slow")
    async def wait(seconds: float = 1) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @app.get("/address")
    async def show(request: Request) -> list[str]:
        return [request.client.host, request.url.scheme]

    @app.post("/parcels")
    async def read(body: dict) -> None:
        pass

    return app
"""
LAUNCH = """
import app.main, service
app.main.create_app = service.create_app
from app.cli import main
main(["serve"])
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(port: int, tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "service.py").write_text(SERVICE)
    processes: list[subprocess.Popen[str]] = []

    def run(code: str = LAUNCH, **variables: str) -> subprocess.Popen[str]:
        defaults = {"ENVIRONMENT": "test", "ALLOWED_HOSTS": "localhost", "PORT": str(port)}
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **defaults, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def wait_until_it_answers(port: int) -> None:
    for _ in range(100):
        try:
            httpx2.get(f"http://localhost:{port}/api/v1/health")
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the service did not start")


def finish(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], str]:
    """Return status, stdout as JSON lines, and stderr."""
    stdout, stderr = process.communicate(timeout=20)
    return process.returncode, [json.loads(line) for line in stdout.splitlines()], stderr


def test_sigterm_lets_a_request_finish_and_refuses_new_connections(start: Start, port: int) -> None:
    process = start()
    wait_until_it_answers(port)
    with socket.create_connection(("localhost", port)) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("localhost", port))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    status, lines, stderr = finish(process)
    assert (status, stderr) == (-signal.SIGTERM, "")
    assert lines[-1]["event"].startswith("Finished server process")


def test_several_workers_serve_and_end_with_status_0(start: Start, port: int) -> None:
    process = start(WORKERS="2")
    wait_until_it_answers(port)
    process.terminate()
    status, lines, stderr = finish(process)
    assert (status, stderr) == (0, "")
    assert len({line["event"] for line in lines if "Started server process" in line["event"]}) == 2


def test_a_request_over_the_shutdown_timeout_is_told(start: Start, port: int) -> None:
    process = start(SHUTDOWN_TIMEOUT="1")
    wait_until_it_answers(port)
    with socket.create_connection(("localhost", port)) as connection:
        connection.sendall(b"GET /slow?seconds=9 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.3)
        process.terminate()
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in head
    assert json.loads(body)["code"] == "SERVICE_UNAVAILABLE"
    _status, lines, stderr = finish(process)
    assert stderr == ""
    assert [line["status"] for line in lines if line.get("path") == "/slow"] == [503]


def test_sigint_ends_with_status_0(start: Start, port: int) -> None:
    process = start()
    wait_until_it_answers(port)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 0


def test_a_port_in_use_is_logged(start: Start, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        status, lines, stderr = finish(start())
    assert (status, stderr) == (1, "")
    assert [line["event"] for line in lines] == ["address_unavailable"]
    assert f"127.0.0.1:{port}: Address already in use. Set PORT" in lines[0]["reason"]


def test_an_exception_at_start_is_logged(start: Start) -> None:
    code = "import app.main; app.main.open_rate_limiter = None\n" + LAUNCH
    status, lines, stderr = finish(start(code))
    assert (status, stderr) == (3, "")
    assert sum("TypeError" in line["event"] for line in lines) == 1


def test_a_bad_setting_is_one_line(start: Start) -> None:
    status, lines, stderr = finish(start(DEBUG="true"))
    assert (status, stderr) == (1, "")
    assert [line["reason"] for line in lines] == ["DEBUG: only with ENVIRONMENT=local"]


def test_only_a_trusted_proxy_names_client_and_scheme(start: Start, port: int) -> None:
    claim = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    for trusted, expected in (("", ["127.0.0.1", "http"]), ("127.0.0.1", ["203.0.113.9", "https"])):
        process = start(FORWARDED_ALLOW_IPS=trusted)
        wait_until_it_answers(port)
        answer = httpx2.get(
            f"http://127.0.0.1:{port}/address", headers={"Host": "localhost", **claim}
        )
        process.terminate()
        assert answer.json() == expected
        records = [line for line in finish(process)[1] if line.get("path") == "/address"]
        assert [record["client_ip"] for record in records] == expected[:1]


def test_a_client_that_leaves_is_no_error(start: Start, port: int) -> None:
    process = start()
    wait_until_it_answers(port)
    with socket.create_connection(("localhost", port)) as connection:
        connection.sendall(
            b"POST /parcels HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        time.sleep(0.2)
    time.sleep(0.3)
    process.terminate()
    _status, lines, stderr = finish(process)
    assert stderr == ""
    assert not [line for line in lines if "exception" in line or line["level"] == "error"]

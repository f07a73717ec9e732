"""The tool kit: Sentry, OpenTelemetry, admin pages and streams work in a generated service."""

import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPMessage, parse_headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from service_process import Install, Service, free_port
from template import run, skip

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("tools_app.py")
TELEMETRY = ("opentelemetry-sdk", "opentelemetry-instrumentation-fastapi")

Use = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def use(install: Install) -> Use:
    """Run a function of `tools_app.py` in the project's environment, with further packages."""

    def call(
        function: str, *packages: str, database: str = "none", **variables: str
    ) -> dict[str, Any]:
        project, scripts, _ = install(database=database, structure="flat", auth="none")
        extra = [part for package in ("httpx2", *packages) for part in ("--with", package)]
        with tempfile.TemporaryDirectory() as folder:
            output = run(
                *("uv", "run", "--quiet", "--no-sync", "--project", project, *extra),
                *("python", SCRIPT, function),
                cwd=Path(folder),
                UV_PROJECT_ENVIRONMENT=str(scripts.parent),
                PYTHONPATH=str(project),
                **variables,
            )
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        result: dict[str, Any] = next(line for line in lines if "event" not in line)
        return result | {"log": [line for line in lines if "event" in line]}

    return call


def test_sentry_gets_one_event_with_request_id(use: Use) -> None:
    result = use("use_sentry", "sentry-sdk")

    expected = {"exception": "KitFaultError", "request_id": result["request_id"]}
    assert result["events"] == [expected]


@pytest.mark.parametrize(
    ("function", "packages"),
    [
        ("use_native_telemetry", TELEMETRY),
        ("use_instrument_app", TELEMETRY),
        ("use_zero_code", TELEMETRY),
        ("use_logfire", ("logfire[fastapi]",)),
    ],
)
def test_opentelemetry_gets_one_span_with_exception_and_request_id(
    use: Use, function: str, packages: tuple[str, ...]
) -> None:
    result = use(function, *packages)

    (span,) = result["spans"]
    assert (span["exception"], span["request_id"]) == ("KitFaultError", result["request_id"])
    records = [line for line in result["log"] if line["event"] == "request"]
    assert [record["trace_id"] for record in records] == [span["trace_id"]]


def test_streaming_recipe_of_the_guide_reads_the_database(use: Use) -> None:
    result = use("stream_from_database", "httpx2", database="sqlite")

    assert (result["status"], sorted(result["text"].split())) == (200, ["cup", "mug"])


@contextmanager
def serve(
    install: Install, function: str, package: str, *, database: str = "none", dotenv: str = ""
) -> Iterator[Service]:
    """Run a function of `tools_app.py` that serves, in the project's environment."""
    project, scripts, _ = install(database=database, structure="flat", auth="none")
    port = free_port()
    packages = ("--with", "httpx2", "--with", package)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".env").write_text(dotenv)
        command = ["uv", "run", "--quiet", "--no-sync", "--project", project, *packages]
        with Service(
            Path(folder),
            [*command, "python", SCRIPT, function],
            **os.environ
            | {
                "PORT": str(port),
                "PYTHONPATH": str(project),
                "UV_PROJECT_ENVIRONMENT": str(scripts.parent),
            },
        ) as service:
            yield service
            service.stop()  # uv passes the signal on; killed, it would leave its child behind


def test_traces_reach_the_collector_that_dotenv_names(install: Install) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that the standard library calls
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{collector.server_port}\n"
        with serve(install, "serve_project", "fastapi[opentelemetry]", dotenv=endpoint):
            pass  # it has served a health check, and exports when it stops
        collector.shutdown()

    traces = [body for path, body in received if path == "/v1/traces"]
    assert traces
    for body in traces:  # the attribute in Protocol Buffers: key and value, each with its length
        assert b"\x0cservice.name\x12\x0c\n\x0amy-service" in body


@pytest.fixture(scope="module")
def websocket_service(install: Install) -> Iterator[Service]:
    """A service with a WebSocket route."""
    with serve(install, "serve_websocket", "websockets") as service:
        yield service


def open_websocket(service: Service, host: str) -> HTTPMessage:
    """Return the headers of the response to a handshake (RFC 6455), and its status as `status`."""
    handshake = (
        f"GET /echo HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    received = io.BytesIO(service.raw(handshake.encode(), timeout=2))
    status = received.readline().split()[1].decode()
    headers = parse_headers(received)
    headers["status"] = status
    return headers


def test_websocket_with_allowed_host_is_accepted_with_request_id(
    websocket_service: Service,
) -> None:
    headers = open_websocket(websocket_service, "localhost")

    assert headers["status"] == "101"
    assert len(headers["x-request-id"]) == 36


def test_websocket_delivers_every_message(websocket_service: Service, use: Use) -> None:
    url = f"ws://127.0.0.1:{websocket_service.port}/echo"

    result = use("talk", "websockets", URL=url)

    assert result == {"answers": ["one", "two", "closed 1000"], "log": []}


def test_websocket_with_unknown_host_is_refused(websocket_service: Service) -> None:
    headers = open_websocket(websocket_service, "evil.example")

    assert (headers["status"], headers["content-type"]) == ("400", "application/problem+json")
    assert len(headers["x-request-id"]) == 36


@pytest.fixture(scope="module")
def html_service(install: Install) -> Iterator[str]:
    """A service with sqladmin and a frontend; yield its URL."""
    with serve(install, "serve_html", "sqladmin", database="sqlite") as service:
        yield service.url


def read_page(url: str) -> str:
    """Return the document of a page after its scripts ran, with the browser's complaints."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        skip("no Chromium is installed")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                browser,
                *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
                *(f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom", url),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    refusals = re.findall(r".*Content Security Policy.*", done.stderr)
    assert not refusals, refusals
    return done.stdout


def test_admin_page_is_not_blank(html_service: str) -> None:
    page = read_page(f"{html_service}/admin/planet/list")

    assert "Planets" in page


def test_frontend_runs_its_script(html_service: str) -> None:
    assert "it runs" in read_page(f"{html_service}/shop/")


def test_json_keeps_strict_policy(html_service: str) -> None:
    response = httpx2.get(f"{html_service}/api/v1/health")

    policy = "default-src 'none'; frame-ancestors 'none'"
    assert response.headers["content-security-policy"] == policy

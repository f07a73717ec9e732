"""The HTTP kit: compression, HEAD, policies of HTML, WebSockets, and the limits of the server."""

import gzip
import resource
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from answers import Answer, read_answers
from routes import Request
from service_process import HEALTH, Launch, Service

pytestmark = pytest.mark.slow

STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'"
HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def database() -> str:
    return "none"


def ask(service: Service, target: str, method: str = "GET", **headers: str) -> Answer:
    request = Request(method, target.encode())
    for name, value in headers.items():
        request = request.put(name.replace("_", "-"), value.encode())
    (answer,) = read_answers(service.raw(request.encode()), method)
    return answer


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("deflate, gzip ; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("notgzip", False),
        ("gzip;q=nan", False),
        ("gzip;q=2", False),
        ("", False),
    ],
)
def test_compression_follows_accept_encoding(
    faulty_service: Service, accepted: str, *, is_compressed: bool
) -> None:
    answer = ask(faulty_service, "/faulty/text", Accept_Encoding=accepted)

    assert (answer.headers["Content-Encoding"] == "gzip") is is_compressed
    body = gzip.decompress(answer.body) if is_compressed else answer.body
    assert body == b"x" * 5000
    assert "Accept-Encoding" in ", ".join(answer.headers.get_all("Vary"))


@pytest.mark.parametrize(
    "target", ["/faulty/text?size=10", "/faulty/text?cache=no-store", HEALTH, "/nowhere"]
)
def test_small_and_secret_responses_are_not_compressed(
    faulty_service: Service, target: str
) -> None:
    assert ask(faulty_service, target, Accept_Encoding="gzip").headers["Content-Encoding"] is None


def test_head_ends_endless_stream(faulty_service: Service) -> None:
    assert ask(faulty_service, "/faulty/endless", "HEAD").status == 200


def test_strict_policy_is_not_for_html(faulty_service: Service) -> None:
    assert ask(faulty_service, "/faulty/page").headers["Content-Security-Policy"] is None
    assert ask(faulty_service, HEALTH).headers["Content-Security-Policy"] == STRICT_POLICY


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_allows_what_it_loads(service: Service, path: str) -> None:
    answer = ask(service, path)

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src https://cdn.jsdelivr.net/npm/ ")
    assert b'src="https://cdn.jsdelivr.net/npm/' in answer.body


def test_path_prefix_reaches_documentation_and_probes(launch: Launch) -> None:
    with launch(ROOT_PATH="/orders", DOCS_ENABLED="true") as service:
        assert b"'/orders/openapi.json'" in ask(service, "/docs").body
        assert ask(service, HEALTH, Host="10.0.0.1").status == 200
        assert ask(service, "/nowhere", Host="10.0.0.1").status == 400
        assert ask(service, "/").headers["Location"] == "/orders/docs"


def test_staging_is_as_strict_as_production(launch: Launch) -> None:
    with launch(healthy=False, ENVIRONMENT="staging", ALLOWED_HOSTS="*") as service:
        assert service.wait(10) == 1
    with launch(ENVIRONMENT="staging") as service:
        assert ask(service, "/docs").status == 404


def test_untrusted_proxy_is_one_warning_at_start(launch: Launch) -> None:
    with launch() as service:
        events = [record["event"] for record in service.log()]
    assert events.count("no_trusted_proxy") == 1
    with launch(FORWARDED_ALLOW_IPS="10.0.0.1") as service:
        assert "no_trusted_proxy" not in [record["event"] for record in service.log()]


# --- The server


def test_large_header_section_is_431_and_takes_no_memory(service: Service) -> None:
    before = service.rss
    for header in (b"X: " + b"a" * 20_000_000, b"X: a\r\n" * 3_000_000):
        received = service.raw(HEAD + header, timeout=10)
        assert received.startswith(b"HTTP/1.1 431 ")
    assert service.rss - before < 8_000_000
    assert ask(service, HEALTH).status == 200


def test_large_trailer_section_closes_the_connection(service: Service) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(head + b"2\r\n{}\r\n0\r\n")
        with pytest.raises(ConnectionError):
            connection.sendall((b"X: " + b"a" * 8000 + b"\r\n") * 1000)
    assert ask(service, HEALTH).status == 200


def test_header_section_below_limit_is_served(service: Service) -> None:
    assert ask(service, HEALTH, X_Large="a" * 60_000).status == 200


def test_unfinished_header_section_is_closed_after_ten_seconds(service: Service) -> None:
    with service.connect(15) as silent, service.connect(15) as slow, service.connect(15) as second:
        slow.sendall(HEAD)
        second.sendall(HEAD + b"\r\n")
        received = b""
        while not received.endswith(b"}"):
            received += second.recv(65536)
        second.sendall(HEAD)
        started = time.monotonic()
        for connection in (silent, slow, second):
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert 8 < time.monotonic() - started < 13


def test_service_recovers_from_more_connections_than_descriptors(launch: Launch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        service_context = launch()
        service = service_context.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with ExitStack() as stack:
        stack.push(service_context)
        half_open = [stack.enter_context(service.connect()) for _ in range(300)]
        for connection in half_open:
            with suppress(OSError):
                connection.sendall(HEAD)
        time.sleep(1)
        # Some descriptors remain for the database and for files.
        assert len(list(Path(f"/proc/{service.pid}/fd").iterdir())) < 190
        time.sleep(10)
        assert ask(service, HEALTH).status == 200

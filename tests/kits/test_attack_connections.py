"""The attack kit: Protocols, connections and storms (A-102, A-109 … A-119). See `attacks.py`."""

import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from answers import Answer, check_answer, read_answers
from attacks import MEGABYTE, OF_HTTP, PARSER, SILENCE, Attacker, check_records
from routes import Request, Route
from servers import each_database
from service_process import HEALTH, Launch, Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


# There are rate limits only with authentication, which the service without a database lacks.
WITH_RATE_LIMIT = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
NOT_HTTP = {
    "A-109 the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0",
    "A-109 the hello of TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "A-109 SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "A-109 a line of SMTP": b"EHLO evil.example\r\n",
    "A-109 a PROXY header": b"PROXY TCP4 203.0.113.9 203.0.113.9 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    "A-109 random": bytes(range(256)) * 40,
    "A-109 NULs": bytes(1000),
    "A-109 line ends": b"\r\n" * 1000,
    "A-109 a method without end": b"G" * 100_000,
    "A-109 no target": b"GET\r\n\r\n",
    "A-109 half a request": b"GET /api HTTP/1.1\r\nHost: loc",
    "A-109 nothing": b"",
}


@OF_HTTP
@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_harms_nobody(attacker: Attacker, name: str) -> None:
    attacker.attack(attacker.routes[0], NOT_HTTP[name], {PARSER, SILENCE}, timeout=0.3)


@OF_HTTP
def test_pipelined_requests_are_answered_in_order(attacker: Attacker) -> None:
    names = [f"pipelined-{number}".encode() for number in range(50)]
    good = Request(target=HEALTH.encode()).drop("Connection")
    requests = b"".join(good.put("X-Request-ID", name).encode() for name in names)
    answers, _records = attacker.attack(attacker.routes[0], requests, {200}, timeout=0.5)
    assert [answer.headers["X-Request-ID"].encode() for answer in answers] == names


POOL = 15 * 3  # connections to a database, with SQLite three files each
IDLE, SLOW, SLOW_SECONDS = 200, 50, 3


@OF_HTTP
def test_health_answers_beside_idle_and_slow_clients(attacker: Attacker) -> None:
    service = attacker.service
    before, memory = service.open_files() + POOL, service.rss
    slow_request = attacker.routes[-1].good_request().encode()
    with ExitStack() as connections:
        for _ in range(IDLE):
            connections.enter_context(service.connect())
        slow = [connections.enter_context(service.connect()) for _ in range(SLOW)]
        for sent, end in enumerate(range(1, 1 + SLOW_SECONDS * 10)):
            for connection in slow:
                connection.sendall(slow_request[sent:end])
            started = time.monotonic()
            assert service.raw(Request(target=HEALTH.encode()).encode()).startswith(b"HTTP/1.1 200")
            assert time.monotonic() - started < 1
            time.sleep(0.1)
    check_it_let_go(service, before)
    assert service.rss - memory < 16 * MEGABYTE


@OF_HTTP
def test_a_client_that_never_reads_takes_little_memory(attacker: Attacker) -> None:
    service = attacker.service
    before, memory = service.open_files() + POOL, service.rss
    # Some 10 MB of answers. uvicorn queues what is pipelined without a limit of its own.
    requests = Request(target=b"/openapi.json").drop("Connection").encode() * 1500
    with service.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(requests)
        for _ in range(10):
            assert attacker.send_good_request(attacker.routes[0]) == 200
            time.sleep(0.1)
        assert service.rss - memory < 32 * MEGABYTE
    check_it_let_go(service, before)
    # Not judged: uvicorn, writing a queued answer to the closed connection, may log an error.
    attacker.send_good_request(attacker.routes[0])


DISCONNECTS = 100


def test_clients_that_leave_in_the_middle_are_no_error(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    service = attacker.service
    for route in attacker.routes:
        good = route.good_request()
        body = good.body or b"{}"
        half = replace(
            good.put("Content-Length", b"%d" % (len(body) + 10)), body=body, length=False
        )
        chunks = replace(good, body=None).encode_chunked(body).removesuffix(b"0\r\n\r\n")
        for name, data in {
            "in the head": good.encode()[:40],
            "in the body": half.encode(),
            "in a chunk": chunks,
            "in the answer": good.encode(),
        }.items():
            with subtests.test(name, route=str(route)):
                seen, before = len(service.lines()), service.open_files() + POOL
                for _ in range(DISCONNECTS // 5):
                    service.abandon(data)
                check_it_let_go(service, before)
                check_it_serves_again(attacker, route)
                check_records(service.log(seen))


def test_clients_that_leave_many_requests_behind_do_no_harm(launch: Launch) -> None:
    with launch(DOCS_ENABLED="true") as service:
        attacker = Attacker(service)
        for route in attacker.routes:
            before = service.open_files() + POOL
            for _ in range(DISCONNECTS // 10):
                service.abandon(route.good_request().drop("Connection").encode() * 20)
            check_it_let_go(service, before)
            # The log is not judged: uvicorn still runs what was pipelined, and cannot answer it.
            check_it_serves_again(attacker, route)


def check_it_serves_again(attacker: Attacker, route: Route) -> None:
    """Assert that it does, once no change or hash that was left behind gets in the way."""
    end = time.monotonic() + 30
    while (status := attacker.send_good_request(route)) != attacker.usual[route]:
        assert status in {401, 409, 503}  # 401: a login that was left behind ended the session
        assert time.monotonic() < end
        time.sleep(0.1)


def check_it_let_go(service: Service, before: int) -> None:
    """Assert that the connections of clients that are gone are closed soon."""
    end = time.monotonic() + 3
    while (now := service.clients()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not now, "connections stay open"
    assert service.open_files() <= before, "descriptors stay open"


# --- Storm


@WITH_RATE_LIMIT
def test_a_storm_meets_429_and_spares_health(launch: Launch) -> None:
    limit, requests, clients = 50, 1000, 10
    with launch(RATE_LIMIT_PER_MINUTE=str(limit)) as service:
        before = service.rss
        received: list[bytes] = []
        request = Request(target=b"/nowhere").drop("Connection").encode()
        last = Request(target=HEALTH.encode()).encode()
        burst = request * (requests // clients) + last
        threads = [
            threading.Thread(target=lambda: received.append(service.raw(burst)))
            for _ in range(clients)
        ]
        started = time.time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        answers: list[Answer] = [answer for one in received for answer in read_answers(one)]
        for answer in answers:
            check_answer(answer)
        statuses = [answer.status for answer in answers]
        windows = 1 + (time.time() // 60 > started // 60)  # a minute may have ended meanwhile
        assert statuses.count(200) == clients
        assert limit <= statuses.count(404) <= limit * windows
        assert statuses.count(404) + statuses.count(429) == requests
        for answer in answers:
            if answer.status == 429:
                assert answer.json()["code"] == "RATE_LIMITED"
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert service.rss - before < 16 * MEGABYTE
        check_records(service.log())


@WITH_RATE_LIMIT
def test_spoofed_addresses_do_not_escape_the_limit(launch: Launch) -> None:
    with launch(RATE_LIMIT_PER_MINUTE="5") as service:
        statuses = []
        for number in range(20):
            address = f"203.0.113.{number}".encode()
            request = Request(target=b"/nowhere").put("X-Forwarded-For", address)
            for name in ("X-Real-IP", "Forwarded", "X-Client-IP"):
                request = request.put(name, address)
            (answer,) = read_answers(service.raw(request.encode()))
            statuses.append(answer.status)
    assert statuses.count(429) >= 10

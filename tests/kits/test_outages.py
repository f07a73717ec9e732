"""The outage kit: the database goes away, comes back, or is busy (HLT-01, HLT-04, A-114, A-115)."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from answers import INTERNALS, Answer
from own_servers import OwnPostgresql, own_postgresql
from routes import Request
from servers import ask
from service_process import HEALTH, Launch, Service
from users import LOGOUT, REFRESH, SIGN_UP, User, sign_in

pytestmark = pytest.mark.slow

ITEMS, READY = "/api/v1/items", "/api/v1/ready"
BOUND = 5  # seconds until an unavailable database is reported
POOL_BOUND = 7  # the same for an exhausted pool, whose timeout is 5 seconds
SECRET = "outage-canary-value"  # noqa: S105 any is right to a server that trusts


@pytest.fixture(scope="module")
def database() -> str:
    return "postgresql"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgresql]:
    with own_postgresql() as running:
        yield running


@pytest.fixture
def database_url(server: OwnPostgresql) -> str:
    """An empty database of that server."""
    name = f"kit{time.monotonic_ns()}"
    ask(f"{server.url}/postgres", f"CREATE DATABASE {name}")
    return f"postgresql://postgres:{SECRET}@127.0.0.1:{server.port}/{name}"


def item(number: int) -> bytes:
    return json.dumps({"sku": f"KIT-{number}", "name": "Mug", "price": "9.90"}).encode()


def send(
    user: User, method: str, path: str, body: object = None, *, bound: float = BOUND
) -> Answer:
    """Return the answer, which comes in time and tells nothing of what is within."""
    return ask_in_time(user, user.request(method, path, body), bound)


def ask_in_time(user: User, request: Request, bound: float = BOUND) -> Answer:
    started = time.monotonic()
    answer = user.ask(request, timeout=2 * bound)
    assert time.monotonic() - started < bound, request.target
    assert SECRET.encode() not in answer.body
    assert not INTERNALS.search(answer.body.decode())
    return answer


def check_log(service: Service) -> None:
    """Assert that the log told it without a traceback, an error or the password."""
    for record in service.log():
        assert record["level"] in {"info", "warning"}, record
        assert "Traceback" not in str(record)
        assert SECRET not in str(record)
    assert service.lines("stderr") == []


def wait_until_served(user: User) -> None:
    """Return as soon as the list answers 200; fails if it does not."""
    end = time.monotonic() + BOUND
    while send(user, "GET", ITEMS).status != 200:
        if time.monotonic() > end:
            pytest.fail("no 200 though the database is back")
        time.sleep(0.05)


@contextmanager
def load(user: User, clients: int = 4) -> Iterator[list[Answer]]:
    """Have clients who ask all the time; at the end the list holds what they were answered."""
    answers: list[Answer] = []
    over = threading.Event()

    def keep_asking(number: int) -> None:
        while not over.is_set():
            if number % 2:
                answers.append(send(user, "POST", ITEMS, item(1000 + len(answers) * 10 + number)))
            else:
                answers.append(send(user, "GET", ITEMS))

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(keep_asking, number) for number in range(clients)]
        try:
            yield answers
        finally:
            over.set()
        for one in running:
            one.result()


def test_without_its_database_it_says_503_and_with_it_serves_again(
    launch: Launch, server: OwnPostgresql, database_url: str
) -> None:
    with launch(DATABASE_URL=database_url, UPDATE_SCHEMA_ON_STARTUP="true") as service:
        user = sign_in(service)
        path = send(user, "POST", ITEMS, item(1)).headers["Location"]
        for outage in range(2):
            server.stop()
            try:
                for method, target, body in (
                    ("GET", ITEMS, None),
                    ("POST", ITEMS, item(2)),
                    ("GET", path, None),
                    ("PATCH", path, b'{"name": "Cup"}'),
                    ("DELETE", path, None),
                    ("HEAD", ITEMS, None),
                    ("POST", SIGN_UP, {"email": "new@example.com", "password": user.password}),
                    ("POST", REFRESH, user.refresh_body),
                    ("POST", LOGOUT, user.refresh_body),
                ):
                    answer = send(user, method, target, body)
                    assert (answer.status, bool(answer.headers["Retry-After"])) == (503, True)
                assert ask_in_time(user, user.login()).status == 503
                # What the database has no part in is answered as ever.
                assert send(user, "GET", "/nowhere").status == 404
                assert send(user, "POST", ITEMS, b"{").status == 422
                assert send(user, "GET", HEALTH).status == 200
                ready = send(user, "GET", READY)
                assert (ready.status, ready.json()["code"]) == (503, "NOT_READY")
                assert ready.json()["checks"] == {"database": "fail", "schema": "fail"}
            finally:
                server.start()
            wait_until_served(user)
            assert send(user, "GET", READY).status == 200
            assert send(user, "GET", path).json()["name"] == "Mug"
            # A refresh that failed did not use its token up (REF-11).
            assert user.refresh().status == 200
            assert send(user, "POST", ITEMS, item(10 + outage)).status == 201
        check_log(service)


def test_a_restart_of_its_database_under_load_is_200_or_503(
    launch: Launch, server: OwnPostgresql, database_url: str
) -> None:
    settings = {"DATABASE_URL": database_url, "UPDATE_SCHEMA_ON_STARTUP": "true"}
    with launch(**settings) as service, load(user := sign_in(service)) as answers:
        for _ in range(2):
            time.sleep(0.5)  # of load
            server.stop()
            time.sleep(0.5)  # of load without a database
            started = time.monotonic()
            assert send(user, "GET", HEALTH).status == 200
            assert time.monotonic() - started < 1
            server.start()
            wait_until_served(user)
    statuses = {answer.status for answer in answers}
    assert statuses == {200, 201, 503}
    kept = ask(database_url, "SELECT COUNT(*) FROM items")
    made = [answer for answer in answers if answer.status == 201]
    assert int(kept[0]) >= len(made), "an item that was answered with 201 is not there"
    check_log(service)


def test_a_start_without_its_database_fails_in_json_and_in_time(launch: Launch) -> None:
    url = f"postgresql://postgres:{SECRET}@127.0.0.1:1/kit"
    started = time.monotonic()
    with launch(healthy=False, DATABASE_URL=url) as service:
        assert service.wait(20) not in {0, -9}
        records = service.log()
    assert time.monotonic() - started < 20
    assert "database_unreachable" in [record["event"] for record in records]
    assert SECRET not in str(records)
    assert service.lines("stderr") == []


def test_a_start_waits_for_its_database(
    launch: Launch, server: OwnPostgresql, database_url: str
) -> None:
    server.stop()
    settings = {"DATABASE_URL": database_url, "UPDATE_SCHEMA_ON_STARTUP": "true"}
    with launch(healthy=False, **settings) as service:
        service.wait_for_record(
            lambda record: record["event"] == "database_unreachable", timeout=10
        )
        server.start()
        service.wait_until_healthy()
        user = sign_in(service)
        assert send(user, "GET", READY).status == 200
        check_log(service)


def test_without_a_free_connection_it_says_503_in_time(launch: Launch, database_url: str) -> None:
    pool = {"DATABASE_POOL_SIZE": "1", "DATABASE_MAX_OVERFLOW": "0"}
    settings = {"DATABASE_URL": database_url, "UPDATE_SCHEMA_ON_STARTUP": "true", **pool}
    with launch(**settings) as service, ThreadPoolExecutor(8) as clients:
        user = sign_in(service)
        locked = "BEGIN; LOCK TABLE items; SELECT pg_sleep(6); COMMIT"
        lock = clients.submit(ask, database_url, locked)
        waiting = "SELECT COUNT(*) FROM pg_locks JOIN pg_class ON oid = relation"
        waiting += " WHERE relname = 'items' AND mode = 'AccessExclusiveLock' AND granted"
        while ask(database_url, waiting) != ["1"]:
            time.sleep(0.05)
        asked = [clients.submit(send, user, "GET", ITEMS, bound=POOL_BOUND) for _ in range(6)]
        time.sleep(0.3)  # so that they wait
        started = time.monotonic()
        assert send(user, "GET", HEALTH).status == 200
        assert time.monotonic() - started < 0.5
        answers = [one.result() for one in asked]
        lock.result()
        assert sorted(answer.status for answer in answers) == [200, *[503] * 5]
        assert send(user, "GET", ITEMS).status == 200
        check_log(service)


def test_a_statement_that_takes_too_long_is_a_503(launch: Launch, database_url: str) -> None:
    settings = {"DATABASE_URL": database_url, "DATABASE_STATEMENT_TIMEOUT": "1"}
    with (
        launch(UPDATE_SCHEMA_ON_STARTUP="true", **settings) as service,
        ThreadPoolExecutor(1) as clients,
    ):
        user = sign_in(service)
        locked = "BEGIN; LOCK TABLE items; SELECT pg_sleep(3); COMMIT"
        lock = clients.submit(ask, database_url, locked)
        time.sleep(0.5)  # so that it has the lock
        assert send(user, "GET", ITEMS).status == 503
        lock.result()
        assert send(user, "GET", ITEMS).status == 200
        check_log(service)

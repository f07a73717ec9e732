"""The race kit: what happens at once ends as if it had happened in turn (DB-02, DB-07, A-117)."""

import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from answers import Answer, check_answer, read_answers
from routes import JSON, Request
from servers import ask, each_database, fresh_database
from service_process import PRODUCTION, Launch, Service, parse_record

pytestmark = pytest.mark.slow

CLIENTS = 20
PROCESSES = 5
ITEMS = "/api/v1/items"
ITEM = {"sku": "KIT-1", "name": "Mug", "price": "9.90", "tags": ["kitchen"]}


@pytest.fixture(scope="module", params=each_database("races", but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


def send(service: Service, method: str, path: str, body: object = None) -> Answer:
    """Return the answer to one request on a connection of its own."""
    request = Request(method, path.encode())
    if body is not None:
        request = replace(
            request.put("Content-Type", JSON.encode()), body=json.dumps(body).encode()
        )
    (answer,) = read_answers(service.raw(request.encode(), timeout=20), method)
    check_answer(answer)
    return answer


def send_at_once(service: Service, method: str, path: str, bodies: list[object]) -> list[Answer]:
    """Return the answers to requests that are all sent in the same moment."""
    start = threading.Barrier(len(bodies))

    def wait_and_send(body: object) -> Answer:
        start.wait()
        return send(service, method, path, body)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(wait_and_send, bodies))


Install = Callable[..., tuple[Path, Path]]


def check_log(service: Service) -> None:
    """Assert that nothing went wrong within; a warning may be."""
    for record in service.log():
        assert record["level"] in {"debug", "info", "warning"}, record
        assert "Traceback" not in str(record)


def test_of_twenty_who_want_the_same_value_one_gets_it(launch: Launch) -> None:
    with launch(WORKERS="2") as service:
        answers = send_at_once(service, "POST", ITEMS, [ITEM] * CLIENTS)
        assert Counter(answer.status for answer in answers) == {201: 1, 409: CLIENTS - 1}
        assert {answer.json()["code"] for answer in answers if answer.status == 409} == {"CONFLICT"}
        assert send(service, "GET", ITEMS).json()["total"] == 1
        assert ask(service.environment["DATABASE_URL"], "SELECT COUNT(*) FROM items") == ["1"]
        check_log(service)


def test_twenty_who_want_values_of_their_own_all_get_them(launch: Launch) -> None:
    with launch(WORKERS="2") as service:
        items = [ITEM | {"sku": f"KIT-{number}"} for number in range(CLIENTS)]
        answers = send_at_once(service, "POST", ITEMS, items)
        assert Counter(answer.status for answer in answers) == {201: CLIENTS}
        assert send(service, "GET", ITEMS).json()["total"] == CLIENTS
        check_log(service)


CHANGES: dict[str, Callable[[int], dict[str, object]]] = {
    "the same": lambda _: {"name": "Cup", "description": "x"},
    "different names": lambda number: {"name": f"Cup {number}"},
    "a new tag of all": lambda _: {"tags": ["kitchen", "new"]},
    "a tag less": lambda _: {"tags": []},
    "a tag of each": lambda number: {"tags": [f"tag-{number}"]},
    "a tag more or less": lambda number: {"tags": ["kitchen", "new"] if number % 2 else []},
    "all at once": lambda number: {
        "name": f"Cup {number}",
        "description": None,
        "price": "10.00",
        "tags": ["kitchen", f"tag-{number % 3}"],
    },
}


@pytest.fixture(scope="module")
def running(launch: Launch) -> Iterator[Service]:
    with launch(WORKERS="2") as service:
        yield service


@pytest.mark.parametrize("change", CHANGES)
def test_twenty_changes_of_one_item_are_each_made_or_refused(running: Service, change: str) -> None:
    item = ITEM | {"sku": "KIT-" + change.upper().replace(" ", "-")}
    path = send(running, "POST", ITEMS, item).headers["Location"]
    bodies = [CHANGES[change](number) for number in range(CLIENTS)]
    answers = send_at_once(running, "PATCH", path, bodies)
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {200, 409}, statuses
    assert statuses[200], statuses
    # It is as one of them wants it, not a mixture of several.
    now = send(running, "GET", path).json()
    assert any(body.items() <= now.items() for body in bodies), now
    check_log(running)


def test_an_item_deleted_twenty_times_at_once_is_gone(running: Service) -> None:
    path = send(running, "POST", ITEMS, ITEM | {"sku": "KIT-DELETED"}).headers["Location"]
    answers = send_at_once(running, "DELETE", path, [None] * CLIENTS)
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {204, 404}, statuses
    assert statuses[204], statuses
    assert send(running, "GET", path).status == 404
    check_log(running)


def test_an_item_deleted_while_it_is_changed_is_gone(running: Service) -> None:
    path = send(running, "POST", ITEMS, ITEM | {"sku": "KIT-BOTH"}).headers["Location"]
    with ThreadPoolExecutor(1) as pool:
        deleted = pool.submit(send, running, "DELETE", path)
        answers = send_at_once(
            running, "PATCH", path, [{"tags": [f"t{n}"]} for n in range(CLIENTS)]
        )
        assert deleted.result().status == 204
    assert {answer.status for answer in answers} <= {200, 404, 409}
    assert send(running, "GET", path).status == 404
    check_log(running)


# --- The schema

COMMANDS = {"yes": "migrate", "no": "create-schema"}


def check_schema(url: str, migrations: str) -> None:
    """Assert that there is one schema, and one history if it is kept."""
    assert ask(url, "SELECT COUNT(*) FROM items") == ["0"]
    assert ask(url, "SELECT COUNT(*) FROM item_tags") == ["0"]
    if migrations == "yes":
        assert ask(url, "SELECT COUNT(*) FROM alembic_version") == ["1"]


@pytest.mark.parametrize("migrations", COMMANDS)
def test_commands_at_once_make_one_schema(install: Install, database: str, migrations: str) -> None:
    project, scripts = install(database=database, migrations=migrations)
    with fresh_database(database) as url:
        variables = {"PATH": os.environ["PATH"], "DATABASE_URL": url, **PRODUCTION}
        command = [scripts / "manage", COMMANDS[migrations]]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes = [
            subprocess.Popen(command, cwd=project, env=variables, **pipes) for _ in range(PROCESSES)
        ]
        outputs = [process.communicate(timeout=60) for process in processes]
        for process, (out, err) in zip(processes, outputs, strict=True):
            assert process.returncode == 0, out + err
            assert err == ""
            for line in out.splitlines():
                record = parse_record(line)
                assert record["level"] in {"info", "warning"}, record
        check_schema(url, migrations)


def test_services_that_start_at_once_make_one_schema(launch: Launch, database: str) -> None:
    settings = {"UPDATE_SCHEMA_ON_STARTUP": "true"}
    with fresh_database(database) as url, ExitStack() as stack:
        services = [
            stack.enter_context(launch(healthy=False, DATABASE_URL=url, **settings))
            for _ in range(PROCESSES)
        ]
        for service in services:
            service.wait_until_healthy()
            answer = send(service, "GET", "/api/v1/ready")
            assert (answer.status, set(answer.json()["checks"].values())) == (200, {"ok"})
            assert send(service, "GET", ITEMS).status == 200
        for service in services:
            service.stop()
            assert service.lines("stderr") == []
            check_log(service)
        check_schema(url, "yes")

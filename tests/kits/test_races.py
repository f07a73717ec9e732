"""The race kit: what happens at once ends as if it had happened in turn (DB-02, DB-07, A-117)."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from answers import Answer
from servers import ask, each_database, fresh_database
from service_process import Install, Launch, Service, parse_record
from users import LOGOUT, ME, REFRESH, SIGN_UP, Client, User, sign_in, sign_up

pytestmark = pytest.mark.slow

CLIENTS = 20
PROCESSES = 5
ITEMS = "/api/v1/items"
ITEM = {"sku": "KIT-1", "name": "Mug", "price": "9.90", "tags": ["kitchen"]}


@pytest.fixture(scope="module", params=each_database(but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


def check_log(service: Service) -> None:
    """Assert that nothing went wrong within; a warning may be."""
    for record in service.log():
        assert record["level"] in {"debug", "info", "warning"}, record
        assert "Traceback" not in str(record)


def test_concurrent_requests_create_one_item_per_sku(launch: Launch) -> None:
    with launch(WORKERS="2") as service:
        user = sign_in(service)
        answers = user.send_at_once("POST", ITEMS, [ITEM] * CLIENTS)
        assert Counter(answer.status for answer in answers) == {201: 1, 409: CLIENTS - 1}
        assert {answer.json()["code"] for answer in answers if answer.status == 409} == {"CONFLICT"}
        assert user.send("GET", ITEMS).json()["total"] == 1
        assert ask(service.environment["DATABASE_URL"], "SELECT COUNT(*) FROM items") == ["1"]
        check_log(service)


def test_concurrent_requests_create_different_items(launch: Launch) -> None:
    with launch(WORKERS="2") as service:
        user = sign_in(service)
        items = [ITEM | {"sku": f"KIT-{number}"} for number in range(CLIENTS)]
        answers = user.send_at_once("POST", ITEMS, items)
        assert Counter(answer.status for answer in answers) == {201: CLIENTS}
        assert user.send("GET", ITEMS).json()["total"] == CLIENTS
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
def owner(launch: Launch) -> Iterator[User]:
    """Someone of a service with two workers."""
    with launch(WORKERS="2") as service:
        yield sign_in(service)


@pytest.mark.parametrize("change", CHANGES)
def test_concurrent_updates_do_not_mix(owner: User, change: str) -> None:
    item = ITEM | {"sku": "KIT-" + change.upper().replace(" ", "-")}
    path = owner.send("POST", ITEMS, item).headers["Location"]
    bodies = [CHANGES[change](number) for number in range(CLIENTS)]
    answers = owner.send_at_once("PATCH", path, bodies)
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {200, 409}, statuses
    assert statuses[200], statuses
    # It is as one of them wants it, not a mixture of several.
    now = owner.send("GET", path).json()
    assert any(body.items() <= now.items() for body in bodies), now
    check_log(owner.service)


def test_concurrent_deletes_delete_item(owner: User) -> None:
    path = owner.send("POST", ITEMS, ITEM | {"sku": "KIT-DELETED"}).headers["Location"]
    answers = owner.send_at_once("DELETE", path, [None] * CLIENTS)
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {204, 404}, statuses
    assert statuses[204], statuses
    assert owner.send("GET", path).status == 404
    check_log(owner.service)


def test_an_item_deleted_while_it_is_changed_is_gone(owner: User) -> None:
    path = owner.send("POST", ITEMS, ITEM | {"sku": "KIT-BOTH"}).headers["Location"]
    with ThreadPoolExecutor(CLIENTS) as pool:
        deletes = [pool.submit(owner.send, "DELETE", path) for _ in range(CLIENTS)]
        answers = owner.send_at_once("PATCH", path, [{"tags": [f"t{n}"]} for n in range(CLIENTS)])
        statuses = {deletion.result().status for deletion in deletes}
    assert 204 in statuses <= {204, 404}
    assert {answer.status for answer in answers} <= {200, 404, 409}
    assert owner.send("GET", path).status == 404
    check_log(owner.service)


# --- Users (A-33, A-35, A-49, REF-02, REF-05)


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def crowd(launch: Launch, request: pytest.FixtureRequest) -> Iterator[Service]:
    with launch(WORKERS=request.param) as service:
        yield service


def count(answers: list[Answer], *expected: int) -> Counter[int]:
    """Return how many answers have which status, all of which are expected."""
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= set(expected), statuses
    return statuses


def holders(user: User, answers: list[Answer]) -> list[User]:
    """Return the user once for each pair of tokens that was given."""
    given = [answer.json() for answer in answers if answer.status == 200]
    return [User(user.service, user.email, user.password, tokens) for tokens in given]


def check_only_one_is_in(user: User, answers: list[Answer]) -> User:
    """Return whose tokens work: all of one pair, and none of the others."""
    assert user.count_sessions() == 1
    (winner,) = [holder for holder in holders(user, answers) if holder.get_status() == 200]
    assert winner.refresh().status == 200
    assert winner.get_status() == 200
    return winner


def test_concurrent_sign_ups_create_one_user(crowd: Service) -> None:
    user = User(crowd)
    answers = user.send_at_once("POST", SIGN_UP, [user.credentials] * CLIENTS)
    assert count(answers, 201, 409) == {201: 1, 409: CLIENTS - 1}
    assert {answer.json()["code"] for answer in answers if answer.status == 409} == {"CONFLICT"}
    assert not any(user.email.encode() in answer.body for answer in answers if answer.status == 409)
    assert user.log_in().status == 200
    check_log(crowd)


def test_concurrent_logins_leave_one_session(crowd: Service) -> None:
    user = sign_up(crowd)
    answers = user.ask_at_once([user.login()] * CLIENTS)
    assert count(answers, 200) == {200: CLIENTS}
    check_only_one_is_in(user, answers)
    check_log(crowd)


WAITS = {"postgresql": "SELECT pg_sleep(3)", "mysql": "SELECT SLEEP(3)"}


@pytest.mark.parametrize("database", each_database(but={"none", "sqlite"}), indirect=True)
def test_concurrent_logins_that_wait_for_a_lock_leave_one_session(
    crowd: Service, database: str
) -> None:
    """They hash a few at a time, and would seldom meet: so somebody holds the user's row."""
    user = sign_up(crowd)
    held = f"SELECT 1 FROM users WHERE email = '{user.email}' FOR UPDATE"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(user.query, f"BEGIN; {held}; {WAITS[database]}; COMMIT")
        time.sleep(0.5)  # so that it has the lock
        answers = user.ask_at_once([user.login()] * CLIENTS)
    assert count(answers, 200) == {200: CLIENTS}
    check_only_one_is_in(user, answers)
    check_log(crowd)


@pytest.mark.parametrize("times", range(3))
def test_concurrent_refreshes_return_one_successor(crowd: Service, times: int) -> None:
    user = sign_in(crowd)
    for _ in range(times):
        user.refresh()
    answers = user.send_at_once("POST", REFRESH, [user.refresh_body] * CLIENTS)
    assert count(answers, 200) == {200: CLIENTS}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert user.count_sessions() == 1
    assert {holder.get_status() for holder in holders(user, answers)} == {200}
    assert holders(user, answers)[0].refresh().status == 200
    check_log(crowd)


def test_concurrent_refreshes_without_leeway_rotate_once(launch: Launch) -> None:
    with launch(REFRESH_LEEWAY_SECONDS="0", WORKERS="2") as service:
        user = sign_in(service)
        answers = user.send_at_once("POST", REFRESH, [user.refresh_body] * CLIENTS)
        assert count(answers, 200, 401) == {200: 1, 401: CLIENTS - 1}
        assert user.count_sessions() == 0  # the others are taken for thieves
        check_log(service)


def test_password_change_ends_sessions_of_concurrent_logins(crowd: Service) -> None:
    """A login with the old password must not survive its change, nor cancel it."""
    for number in range(ROUNDS):
        user = sign_in(crowd)
        body = {"current_password": user.password, "new_password": f"another horse {number}"}
        change = user.request("POST", f"{ME}/password", body)
        answers = user.ask_at_once([*[user.login()] * 4, change, *[user.login()] * 4])
        logins = [*answers[:4], *answers[5:]]
        count(logins, 200, 401)
        # A login that ends the session before the change is authenticated refuses the change.
        if count(answers[4:5], 200, 401)[200]:
            assert not [one for one in holders(user, logins) if one.get_status() != 401]
            (changed,) = holders(user, answers[4:5])
            assert changed.get_status() == 200
    check_log(crowd)


ROUNDS = 4


def test_concurrent_logins_and_refreshes_leave_one_session(crowd: Service) -> None:
    for _ in range(ROUNDS):
        user = sign_in(crowd)
        refresh = user.request("POST", REFRESH, user.refresh_body)
        answers = user.ask_at_once([user.login(), refresh] * 5)
        assert count(answers[::2], 200) == {200: 5}
        count(answers[1::2], 200, 401)
        check_only_one_is_in(user, answers)
    check_log(crowd)


def test_logout_wins_over_concurrent_refreshes(crowd: Service) -> None:
    for _ in range(ROUNDS):
        user = sign_in(crowd)
        requests = [user.request("POST", path, user.refresh_body) for path in (LOGOUT, REFRESH)]
        answers = user.ask_at_once(requests * 5)
        assert count(answers[::2], 204, 401)[204]
        count(answers[1::2], 200, 401)
        assert user.count_sessions() == 0
        assert not [one for one in holders(user, answers) if one.get_status() != 401]
    check_log(crowd)


def test_concurrently_deactivated_user_is_refused(
    crowd: Service, install: Install, database: str
) -> None:
    project, scripts, production = install(database=database)
    user, guest = sign_in(crowd), sign_up(crowd)
    variables = crowd.environment | production
    over = time.monotonic() + 120

    def keep_refreshing() -> list[int]:
        said = []
        while time.monotonic() < over and (not said or said[-1] == 200):
            said.append(user.refresh().status)
        return said

    def keep_signing_in() -> list[int]:
        said = []
        while time.monotonic() < over and (not said or said[-1] == 200):
            said.append(guest.log_in().status)
        return said

    def deactivate(email: str) -> None:
        command = [scripts / "manage", "users", "deactivate", email]
        subprocess.run(command, cwd=project, env=variables, check=True, capture_output=True)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(keep_refreshing), *(pool.submit(keep_signing_in) for _ in range(2))]
        for one in (user, guest):
            deactivate(one.email)
        for said in (one.result() for one in running):
            assert set(said) == {200, 401}, said
    for one in (user, guest):
        assert one.count_sessions() == 0
        assert (one.get_status(), one.copy().refresh().status, one.log_in().status) == (401,) * 3
    check_log(crowd)


# --- The schema

COMMANDS = {"yes": "migrate", "no": "create-schema"}


def check_schema(url: str, migrations: str) -> None:
    """Assert that there is one schema, and one history if it is kept."""
    assert ask(url, "SELECT COUNT(*) FROM items") == ["0"]
    assert ask(url, "SELECT COUNT(*) FROM item_tags") == ["0"]
    if migrations == "yes":
        assert ask(url, "SELECT COUNT(*) FROM alembic_version") == ["1"]


@pytest.mark.parametrize("migrations", COMMANDS)
def test_concurrent_commands_create_one_schema(
    install: Install, database: str, migrations: str
) -> None:
    project, scripts, production = install(database=database, migrations=migrations)
    with fresh_database(database) as url:
        variables = {"PATH": os.environ["PATH"], "DATABASE_URL": url, **production}
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


def test_concurrent_services_create_one_schema(launch: Launch, database: str) -> None:
    settings = {"UPDATE_SCHEMA_ON_STARTUP": "true"}
    with fresh_database(database) as url, ExitStack() as stack:
        services = [
            stack.enter_context(launch(healthy=False, DATABASE_URL=url, **settings))
            for _ in range(PROCESSES)
        ]
        for service in services:
            service.wait_until_healthy()
            answer = Client(service).send("GET", "/api/v1/ready")
            assert (answer.status, set(answer.json()["checks"].values())) == (200, {"ok"})
            assert sign_in(service).send("GET", ITEMS).status == 200
        for service in services:
            service.stop()
            assert service.lines("stderr") == []
            check_log(service)
        check_schema(url, "yes")

"""The duration of a login reveals nothing, and neither logins nor bodies delay others (PWD-09).

`pytest -s` prints the figures. Other processes may disturb a measurement, so each is repeated once
before it fails.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from routes import FORM, JSON, Request
from service_process import HEALTH, Launch, Service
from users import LOGIN, WRONG_PASSWORD, Client, User, sign_up

pytestmark = pytest.mark.slow

SAMPLES = 30
TOLERANCE = 0.15
LOGINS = 16
SLOWEST_HEALTH = 0.2  # seconds


def measure(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def fails_by(user: User) -> Callable[[], None]:
    def fail() -> None:
        assert user.log_in(password=WRONG_PASSWORD).status == 401

    return fail


@pytest.fixture(scope="module")
def service(launch: Launch) -> Iterator[Service]:
    with launch() as running:
        yield running


def test_failed_logins_take_the_same_time(service: Service) -> None:
    """A-62, AUT-09, PWD-10."""
    known, inactive = sign_up(service), sign_up(service)
    inactive.set("is_active = FALSE")
    cases = {
        "unknown user": fails_by(User(service)),
        "no address": fails_by(User(service, "nobody")),
        "wrong password": fails_by(known),
        "inactive user": fails_by(inactive),
        "inactive user, right password": inactive.log_in,
    }
    for attempts_left in (2, 1, 0):
        times: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(SAMPLES):
            first = number % len(cases)  # so that no case always follows the same other case
            for name in [*cases, *cases][first : first + len(cases)]:
                times[name].append(measure(cases[name]))
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        print({name: f"{median * 1000:.1f} ms" for name, median in medians.items()})  # noqa: T201
        if max(medians.values()) <= min(medians.values()) * (1 + TOLERANCE):
            return
        assert attempts_left, medians


def percentiles(times: list[float]) -> tuple[float, float, float]:
    """Return p50, p95 and p99."""
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[94], cuts[98]


def report(name: str, times: list[float]) -> None:
    p50, p95, p99 = (f"{one * 1000:.1f}" for one in percentiles(times))
    print(f"health, {name}: p50 {p50}, p95 {p95}, p99 {p99} ms, n={len(times)}")  # noqa: T201


def poll_health(client: Client, times: list[float], is_over: Callable[[], bool]) -> None:
    request = Request(target=HEALTH.encode())
    while not is_over():
        times.append(measure(lambda: client.ask(request)))
        time.sleep(0.005)


def test_logins_do_not_delay_health(launch: Launch) -> None:
    """A-71, PWD-09: at the default cost."""
    with launch(PASSWORD_HASH_COST="12") as service:  # noqa: S106 no password
        client, user = Client(service), sign_up(service)
        for attempts_left in (2, 1, 0):
            idle: list[float] = []
            poll_health(client, idle, lambda times=idle: len(times) == 200)
            busy: list[float] = []
            over = threading.Event()
            with ThreadPoolExecutor(1) as pool:
                polling = pool.submit(poll_health, client, busy, over.is_set)
                started = time.perf_counter()
                answers = user.ask_at_once([user.login()] * LOGINS)
                seconds = time.perf_counter() - started
                over.set()
                polling.result()
            assert {answer.status for answer in answers} == {200}
            for name, times in (("idle", idle), (f"{LOGINS} logins in flight", busy)):
                report(name, times)
            print(f"{LOGINS / seconds:.1f} logins a second")  # noqa: T201
            if percentiles(busy)[1] < SLOWEST_HEALTH:
                return
            assert attempts_left, percentiles(busy)


ITEMS = "/api/v1/items"
# Path, content type, and the start, a repeated part and the end of bodies that parse slowly.
SLOW_BODIES = {
    "strings in 900 lists": (ITEMS, JSON, b"[" * 900, b'"a",', b'"a"' + b"]" * 900),
    "objects": (ITEMS, JSON, b"[", b'{"a":1},', b"1]"),
    "numbers": (ITEMS, JSON, b"[", b"1,", b"1]"),
    "separators": (LOGIN, FORM, b"", b"&", b""),
    "escapes": (LOGIN, FORM, b"username=", b"%61", b""),
}


@pytest.mark.parametrize("size", [15_000, 64_000, 260_000, 1_000_000])
@pytest.mark.parametrize("name", SLOW_BODIES)
def test_large_bodies_do_not_delay_health(service: Service, name: str, size: int) -> None:
    """Ten bodies that take the longest to parse arrive at the same time."""
    path, content_type, start, part, end = SLOW_BODIES[name]
    body = start + part * ((size - len(start + end)) // len(part)) + end
    client = Client(service)
    request = Request("POST", path.encode()).put("Content-Type", content_type.encode())
    request = replace(request, body=body)
    for attempts_left in (2, 1, 0):
        busy: list[float] = []
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            polling = pool.submit(poll_health, client, busy, over.is_set)
            answers = [answer for _ in range(20) for answer in client.ask_at_once([request] * 10)]
            over.set()
            polling.result()
        assert {answer.status for answer in answers} <= {401, 413, 422}
        report(name, busy)
        if percentiles(busy)[1] < SLOWEST_HEALTH:
            return
        assert attempts_left, percentiles(busy)

"""The lifecycle kit: how the service starts, drains and ends (HLT-06, HLT-08, A-116)."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from answers import Answer, check_answer, read_answers
from routes import Request
from service_process import HEALTH, Launch, Service, is_access_record

pytestmark = pytest.mark.slow

SLOW_SECONDS = 3


@contextmanager
def slow_request(service: Service, seconds: float = SLOW_SECONDS) -> Iterator[list[Answer]]:
    """Have a request in flight; once it is over, the list holds its answer, if any."""
    answers: list[Answer] = []
    request = Request(target=b"/faulty/slow?seconds=%.1f" % seconds).put("X-Request-ID", b"slow")

    def send() -> None:
        answers.extend(read_answers(service.raw(request.encode(), timeout=10)))

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.5)
    yield answers
    sender.join()


def refuses_connections(service: Service) -> bool:
    """Whether nobody listens any more, within a second."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            service.connect(0.2).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False


def check_end(service: Service) -> None:
    """Assert that the log told the end, in order and without an error."""
    records = service.log()
    assert service.lines("stderr") == []
    assert {record["level"] for record in records} <= {"info", "warning"}, records
    workers = int(service.environment.get("WORKERS", "1"))
    assert [record["event"] for record in records].count("lifespan ended") == workers


@pytest.mark.parametrize(
    ("signal_number", "workers", "status"),
    [
        (signal.SIGTERM, "1", -signal.SIGTERM),  # 143 to a shell
        (signal.SIGINT, "1", 0),
        (signal.SIGTERM, "2", 0),
        (signal.SIGINT, "2", 0),
    ],
)
def test_a_request_in_flight_ends_and_new_ones_are_refused(
    launch: Launch, signal_number: signal.Signals, workers: str, status: int
) -> None:
    with launch(faulty=True, WORKERS=workers) as service, slow_request(service) as answers:
        service.process.send_signal(signal_number)
        assert refuses_connections(service)
        assert not answers, "the request had ended before"
        started = time.monotonic()
        assert service.wait() == status
        assert time.monotonic() - started < SLOW_SECONDS + 2
    (answer,) = answers
    check_answer(answer)
    assert (answer.status, answer.json()) == (200, "finished")
    records = [record for record in service.log() if record.get("request_id") == "slow"]
    assert [record["status"] for record in records if is_access_record(record)] == [200]
    check_end(service)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_sigterm_changes_nothing(launch: Launch, workers: str) -> None:
    with launch(faulty=True, WORKERS=workers) as service, slow_request(service, 1.5) as answers:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        assert service.wait() == (-signal.SIGTERM if workers == "1" else 0)
    assert [answer.status for answer in answers] == [200]
    check_end(service)


def test_a_second_sigint_ends_at_once_and_leaves_the_port_free(launch: Launch) -> None:
    with launch(faulty=True) as service, slow_request(service, 2.5):
        service.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        started = time.monotonic()
        service.stop(signal.SIGINT)
        assert time.monotonic() - started < 1
    assert service.lines("stderr") == []
    assert service.log()
    with launch(PORT=str(service.port)) as successor:
        assert successor.stop() == -signal.SIGTERM


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_takes_longer_than_the_drain_is_cut(launch: Launch, workers: str) -> None:
    settings = {"SHUTDOWN_TIMEOUT": "1", "WORKERS": workers}
    with launch(faulty=True, **settings) as service, slow_request(service, 8) as answers:
        started = time.monotonic()
        service.stop()
        assert 0.8 < time.monotonic() - started < 6
    assert all(answer.status >= 500 for answer in answers)
    assert service.lines("stderr") == []
    assert "lifespan ended" in [record["event"] for record in service.log()]


def test_idle_and_half_open_connections_do_not_hold_up_the_end(launch: Launch) -> None:
    with launch(faulty=True) as service, service.connect() as idle, service.connect() as half:
        idle.sendall(Request("HEAD", HEALTH.encode()).drop("Connection").encode())
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        half.sendall(b"POST /api/v1/health HTTP/1.1\r\nHost: loc")
        started = time.monotonic()
        assert service.stop() == -signal.SIGTERM
        assert time.monotonic() - started < 3
        assert idle.recv(1) == b""
    check_end(service)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_failed_start_exits_with_3(launch: Launch, workers: str) -> None:
    with launch(faulty=True, healthy=False, FAULT="lifespan", WORKERS=workers) as service:
        # The supervisor may wait 30 seconds for a sign of a worker that has ended.
        assert service.wait(60) == 3


def test_a_signal_during_the_start_ends_it(launch: Launch) -> None:
    with launch(faulty=True, healthy=False) as service:
        service.wait_for_record(lambda record: "startup" in record["event"], timeout=10)
        assert service.stop() == -signal.SIGTERM
    assert service.lines("stderr") == []
    assert service.log()

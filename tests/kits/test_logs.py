"""The log kit: whatever happens, the log is JSON, keeps secrets, and finds a request by its id."""

import re
import signal
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from answers import check_answer
from log_records import CRASH, NOWHERE, ask, records_of
from routes import Request
from service_process import GOOD_ORIGIN, Launch, Record, Service, is_access_record

pytestmark = pytest.mark.slow


def tracebacks(records: list[Record]) -> list[Record]:
    return [record for record in records if "Traceback" in str(record)]


# --- Every line is JSON (MID-01, CFG-02, CFG-04, CFG-07, MID-13, ERR-11)

# `test_settings.py` tries more values, without a process for each.
BAD_SETTINGS: dict[str, tuple[str, str]] = {
    "no number": ("PORT", "setting-canary-value"),
    "any host in production": ("ALLOWED_HOSTS", "*"),
    "no folder of secrets": ("SECRETS_DIR", "/proc/version"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_bad_setting_is_one_record_that_names_it(launch: Launch, name: str) -> None:
    variable, value = BAD_SETTINGS[name]
    with launch(healthy=False, **{variable: value}) as service:
        assert service.wait(10) not in {0, -signal.SIGKILL}
        (record,) = service.log()
    assert record["level"] in {"error", "critical"}
    assert variable.lower() in str(record).lower()
    assert "canary" not in str(record)
    assert "changeme" not in str(record)


def test_a_refusal_to_start_is_logged_where_all_is(launch: Launch) -> None:
    with launch(healthy=False, ALLOWED_HOSTS="*") as service:
        service.wait(10)
        assert service.lines("stderr") == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_an_error_in_json(launch: Launch, workers: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with launch(healthy=False, PORT=port, WORKERS=workers) as service:
            assert service.wait(10) not in {0, -signal.SIGKILL}
            records = service.log()
    errors = [record for record in records if record["level"] in {"error", "critical"}]
    assert "address already in use" in str(errors).lower()


@pytest.mark.parametrize("place", ["create", "lifespan"])
def test_an_exception_at_the_start_is_one_traceback_in_json(launch: Launch, place: str) -> None:
    with launch(faulty=True, healthy=False, FAULT=place) as service:
        assert service.wait(10) not in {0, -signal.SIGKILL}
        (record,) = tracebacks(service.log())
    assert record["level"] in {"error", "critical"}
    assert "KitFaultError: on purpose" in str(record)


def test_a_header_that_the_server_refuses_is_logged(launch: Launch) -> None:
    with launch(faulty=True) as service:
        service.raw(Request(target=b"/faulty/invalid-header").encode())
        (record,) = tracebacks(service.log())
    assert "Invalid HTTP header value" in str(record)


FAULTS = {
    "crash": (500, 1),
    "crash-in-thread": (500, 1),
    "crash-in-stream": (200, 1),
    "wrong-answer": (500, 1),
    "crash-after-answer": (200, 1),
    "crash-in-task": (200, 1),
    "crash-in-own-thread": (200, 1),
    "careless-logging": (200, 0),
}


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_every_line_is_a_record_on_stdout_from_start_to_exit(launch: Launch, level: str) -> None:
    with launch(faulty=True, LOG_LEVEL=level) as service:
        for fault in FAULTS:
            service.raw(Request(target=f"/faulty/{fault}".encode()).encode(), timeout=1)
        for request in (NOWHERE, replace(NOWHERE, method="POST", body=b"{")):
            service.raw(request.encode())
        service.raw(b"no HTTP\r\n\r\n")
        service.abandon(NOWHERE.encode() * 10)
        service.stop()
        records = service.log()
    assert service.lines("stderr") == []
    for record in records:
        assert {"event", "level", "logger", "timestamp"} <= record.keys(), record
        moment = datetime.fromisoformat(record["timestamp"])
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert "lifespan ended" in [record["event"] for record in records]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_traceback_in_the_log_and_none_in_the_answer(
    faulty_service: Service, fault: str
) -> None:
    status, expected = FAULTS[fault]
    seen = len(faulty_service.lines())
    request = Request(target=f"/faulty/{fault}".encode()).put("X-Request-ID", fault.encode())
    received = faulty_service.raw(request.encode())
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert b"Fault" not in received
    assert b"Traceback" not in received
    assert records_of(faulty_service, fault)
    if expected:
        faulty_service.wait_for_record(lambda record: bool(tracebacks([record])), seen)
    records_of(faulty_service, ask(faulty_service, NOWHERE).headers["X-Request-ID"])
    found = tracebacks(faulty_service.log(seen))
    assert len(found) == expected, found
    # Threads do not inherit the context; asyncio tells of a lost task's error without it.
    unknown = {None} if fault in {"crash-in-own-thread", "crash-in-task"} else set()
    assert {record.get("request_id") for record in found} <= {fault} | unknown


# --- A 500 (A-118, ERR-06)

CRASHES = {
    "GET": CRASH,
    "HEAD": replace(CRASH, method="HEAD"),
    "from an allowed origin": CRASH.put("Origin", GOOD_ORIGIN.encode()),
    "from a browser": CRASH.put("Accept", b"text/html"),
    "of a query that asks to debug": replace(CRASH, target=CRASH.target + b"?debug=true"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_an_unhandled_exception_is_a_500_of_the_usual_shape(
    faulty_service: Service, name: str
) -> None:
    answer = ask(faulty_service, CRASHES[name])
    check_answer(answer)
    assert answer.status == 500
    if answer.body:
        assert answer.json()["code"] == "INTERNAL_ERROR"
        assert b"purpose" not in answer.body
    allowed = GOOD_ORIGIN if "origin" in name else None
    assert answer.headers["Access-Control-Allow-Origin"] == allowed
    records = records_of(faulty_service, answer.headers["X-Request-ID"])
    (record,) = tracebacks(records)
    assert record["level"] in {"error", "critical"}
    assert "KitFaultError: on purpose" in str(record)
    assert [record["status"] for record in records if is_access_record(record)] == [500]


# --- Access records (MID-02, MID-06, MID-07, MID-12)


def test_the_access_record_says_who_asked_for_what(service: Service) -> None:
    answer = ask(service, replace(NOWHERE, method="DELETE", target=b"/nowhere?a=b"))
    (record,) = records_of(service, answer.headers["X-Request-ID"])
    assert (record["method"], record["path"], record["status"]) == ("DELETE", "/nowhere", 404)
    assert (record["client_ip"], record["level"]) == ("127.0.0.1", "info")
    assert isinstance(record["status"], int)
    assert 0 <= record["duration_ms"] < 1000
    assert record["logger"]
    assert record.get("event") or record["message"]


def test_the_access_record_tells_how_long_it_took(faulty_service: Service) -> None:
    answer = ask(faulty_service, Request(target=b"/faulty/log/timed"))
    records = records_of(faulty_service, answer.headers["X-Request-ID"])
    (record,) = filter(is_access_record, records)
    assert 60 <= record["duration_ms"] < 1000  # the route sleeps for 50 + 10 ms


TEXT = b"/faulty/text?size=10&cache=no-store"
PREFLIGHT = Request("OPTIONS", TEXT).put("Origin", GOOD_ORIGIN.encode())
PREFLIGHT = PREFLIGHT.put("Access-Control-Request-Method", b"GET")
ANSWERS: dict[str, tuple[Request, int]] = {
    "200": (Request(target=TEXT), 200),
    "HEAD": (Request("HEAD", TEXT), 200),
    "preflight": (PREFLIGHT, 200),
    "refused preflight": (PREFLIGHT.put("Origin", b"null"), 400),
    "400": (NOWHERE.put("Host", b"evil.example"), 400),
    "404": (NOWHERE, 404),
    "405": (Request("DELETE", TEXT), 405),
    "413": (replace(CRASH, method="POST", body=b" " * 2_000_000), 413),
    "500": (CRASH, 500),
}


@pytest.mark.parametrize("sends_id", [False, True], ids=["own", "given"])
@pytest.mark.parametrize("name", ANSWERS)
def test_the_id_of_an_answer_is_in_one_access_record(
    faulty_service: Service, name: str, *, sends_id: bool
) -> None:
    request, status = ANSWERS[name]
    given = f"Kit.{uuid.uuid4()}_{name.replace(' ', '-')}"
    answer = ask(
        faulty_service, request.put("X-Request-ID", given.encode()) if sends_id else request
    )
    check_answer(answer)
    assert answer.status == status
    request_id = answer.headers["X-Request-ID"]
    assert request_id == given if sends_id else uuid.UUID(request_id)
    records = [*filter(is_access_record, records_of(faulty_service, request_id))]
    assert [(record["method"], record["status"]) for record in records] == [
        (request.method, status)
    ]


BAD_IDS: dict[str, tuple[bytes, ...]] = {
    "empty": (b"",),
    "129 characters": (b"a" * 129,),
    "20 kB": (b"a" * 20_000,),
    "a space": (b"wrong id",),
    "a tab": (b"wrong\tid",),
    "not ASCII": ("wröng".encode(),),
    "not UTF-8": (b"wrong\xff",),
    "next line": (b"wrong\xc2\x85id",),
    "U+2028": (b"wrong\xe2\x80\xa8id",),
    "quotes": (b'wrong","level":"x',),
    "a path": (b"../wrong",),
    "a tag": (b"<wrong>",),
    "two": (b"wrong-1", b"wrong-2"),
    "a list": (b"wrong-1, wrong-2",),
}


@pytest.mark.parametrize("name", BAD_IDS)
def test_a_bad_id_is_replaced(service: Service, name: str) -> None:
    answer = ask(service, NOWHERE.put("X-Request-ID", *BAD_IDS[name]))
    check_answer(answer)
    (record,) = records_of(service, str(uuid.UUID(answer.headers["X-Request-ID"])))
    assert not re.search("wrong|wröng|a{99}", str(record))


CLIENTS = 50


def test_ids_of_concurrent_requests_do_not_mix(faulty_service: Service) -> None:
    words = [f"word-{number}" for number in range(CLIENTS)]

    def send(word: str) -> httpx2.Response:
        return client.get(f"/faulty/log/{word}", headers={"X-Request-ID": word})

    limits = httpx2.Limits(max_connections=CLIENTS)
    with (
        httpx2.Client(base_url=faulty_service.url, limits=limits) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        answers = list(pool.map(send, words))
    assert [answer.headers["X-Request-ID"] for answer in answers] == words
    assert [answer.json() for answer in answers] == words
    for word in words:
        events = [record["event"] for record in records_of(faulty_service, word)]
        assert events[:3] == [f"route {word}", f"thread {word}", f"task {word}"]
        assert len(events) == 4


# --- Injection (MID-04)

INJECTIONS = {
    "CR LF": b"%0d%0a%7B%22level%22:%22injected%22%7D",
    "LF": b"%0a%7B%22level%22:%22injected%22%7D",
    "a quote": b"%22,%22level%22:%22injected%22,%22x%22:%22",
    "an escape sequence": b"%1b%5b31mred%1b%5d0;title%07",
    "C1 controls": b"%c2%9b31m%c2%85",
    "U+2028": b"%e2%80%a8%e2%80%a9",
    "NUL and DEL": b"%00%7f",
    "invalid UTF-8": b"%ff%fe%ed%a0%80",
    "format": b"%25s%25n%7B0%7D",
}
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@pytest.mark.parametrize("name", INJECTIONS)
def test_what_a_client_writes_stays_in_one_line(service: Service, name: str) -> None:
    text = INJECTIONS[name]
    request = replace(NOWHERE, target=b"/nowhere/%b?%b" % (text, text))
    for header in ("User-Agent", "Referer", "Authorization", "Cookie", "Accept-Language"):
        request = request.put(header, text + b"\xe2\x80\xa8\xc2\x9b\xff")
    answer = ask(service, request)
    check_answer(answer)
    request_id = answer.headers["X-Request-ID"]
    (record,) = records_of(service, request_id)
    assert record["path"].startswith("/nowhere/")
    assert record["level"] == "info"
    (line,) = [line for line in service.lines() if request_id in line]
    assert not UNPRINTABLE.search(line)
    assert "injected" not in {other["level"] for other in service.log()}

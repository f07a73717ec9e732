"""The attack kit, `test_attack_*.py`: no input whatever gives a 5xx.

Each table of those modules is a class of input. A new route is attacked as soon as the OpenAPI
document has it; a new input is a new line in a table. An id such as A-88 or VAL-03 is the row of
the requirements that asks for it.
"""

import functools
import itertools
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import pytest
from answers import Answer, check_answer, read_answers
from routes import Request, Route
from servers import each_database
from service_process import GOOD_ORIGIN, Record, Service, is_access_record
from users import LOGOUT, ME, SIGN_UP, read_routes

# What may come of an input: a status, or one of these.
AS_USUAL = -1  # the status of the route's good request
PARSER = -2  # 400 by the server, which never got as far as the application
SILENCE = -3  # no answer while the connection is open, or a connection closed without one
REFUSED = frozenset(range(400, 500))
ANSWERED = frozenset(range(200, 500))
BROKEN = REFUSED | {PARSER}

MOMENT = 2  # seconds in which any answer comes, also beside other tests
MEGABYTE = 1024 * 1024
DEEP = 100_000
CANARY = b"kit-canary-value"
# They hash passwords, also for a good request; one that does, the form, is enough.
COSTLY = {SIGN_UP, LOGOUT, f"{ME}/password"}
GOOD = GOOD_ORIGIN.encode()

ID = b"0af7651916cd43dd8448eb211c80319c"
SPAN = b"b7ad6b7169203331"
ORIGINS: dict[str, tuple[bytes, ...]] = {
    "foreign": (b"https://evil.example",),
    "null": (b"null",),
    "ours as prefix": (b"https://good.example.evil.example",),
    "ours as suffix": (b"https://evilgood.example",),
    "downgrade": (b"http://good.example",),
    "capitals": (b"https://GOOD.example",),
    "port": (b"https://good.example:444",),
    "slash": (b"https://good.example/",),
    "user": (b"https://good.example@evil.example",),
    "star": (b"*",),
    "empty": (b"",),
    "list": (b"https://good.example, https://evil.example",),
    "not ASCII": (b"https://good.example\xff",),
    "10 kB": (b"https://" + b"evil" * 2500,),
}
ACCEPTS = {
    "HTML": b"text/html",
    "XML": b"application/xml",
    "nothing": b"*/*;q=0",
    "garbage": b"\xff;;q=x,,/;",
    "empty": b"",
    "image": b"image/*",
    "traversal": b"../../../etc/passwd{{",
    "10 kB": b"a/b," * 2500,
}

Expected = Collection[int] | Callable[[Route], Collection[int]]


@dataclass(frozen=True)
class Attack:
    """A change of a good request, and what may come of it."""

    change: Callable[[Request], Request | bytes]
    expected: Expected = ANSWERED
    timeout: float = 5
    closes: bool = False  # whether the service must close the connection


class Attacker:
    """Sends an input, judges the answers, and sees that the service is none the worse."""

    def __init__(self, service: Service) -> None:
        self.service, self.routes = service, read_routes(service)
        self._numbers = itertools.count()
        self._read: dict[str, bytes] = {}
        for route in self.routes:
            folder = route.path.rpartition("/{")[0]
            for maker in self.routes:
                if (maker.method, maker.path) == ("POST", folder):
                    route.find_ids.append(functools.partial(self.find_id, route, maker))
        self.first = {route: self.send_good_request(route) for route in self.routes}
        # The second try: what makes something may refuse to make it twice.
        self.usual = {route: self.send_good_request(route) for route in self.routes}

    @property
    def kinds_of_route(self) -> list[Route]:
        """Those which do not do costly work that the parser and the middleware do not see."""
        return [route for route in self.routes if route.path not in COSTLY]

    def ask(self, request: Request) -> Answer:
        """Return the answer, whose shape is right."""
        (answer,) = read_answers(self.service.raw(request.encode()), request.method)
        check_answer(answer)
        return answer

    def make(self, maker: Route, **values: object) -> Any:  # noqa: ANN401 JSON has no type
        """Return what a route that makes something answers; `values` replace those of examples."""
        body = json.dumps(maker.good_body | values).encode()
        answer = self.ask(maker.with_json(maker.good_request(), body))
        assert answer.status == 201, answer.body
        return answer.json()

    def find_id(self, route: Route, maker: Route) -> dict[str, bytes]:
        """Return the last parameter of the path, for something there is: new unless only read."""
        name = route.path.rpartition("/{")[2].rstrip("}")
        known = self._read if route.method == "GET" else {}
        if maker.path not in known:
            known[maker.path] = str(self.make(maker)["id"]).encode()
        return {name: known[maker.path]}

    def send_good_request(self, route: Route) -> int:
        """Return the status of the answer, once its record is in the log."""
        name = f"kit-{next(self._numbers)}"
        seen = len(self.service.lines())
        request = route.good_request().put("X-Request-ID", name.encode())
        # It may wait for the hashes of many passwords.
        (answer,) = read_answers(self.service.raw(request.encode(), timeout=30), route.method)
        check_answer(answer)
        if route.is_probe:  # its record is written only if it fails
            self.service.raw(
                Request(target=b"/nowhere").put("X-Request-ID", name.encode()).encode()
            )
        self.service.wait_for_record(
            lambda record: record.get("request_id") == name and is_access_record(record), seen
        )
        return answer.status

    def attack(
        self,
        route: Route,
        data: Request | bytes,
        expected: Collection[int] = ANSWERED,
        *,
        timeout: float = 5,
        closes: bool = False,
    ) -> tuple[list[Answer], list[Record]]:
        """Return the answers to an input and the records it caused; both are judged."""
        seen = len(self.service.lines())
        method = data.method if isinstance(data, Request) else data[:4].decode("latin-1").strip()
        data = data.encode() if isinstance(data, Request) else data
        exchange = self.service.exchange(data, timeout)
        answers = read_answers(exchange.received, method)
        outcomes = [self.judge(route, answer) for answer in answers] or [{SILENCE}]
        for outcome in outcomes:
            assert outcome & set(expected), (exchange.received[:2000], data[:500])
        assert exchange.closed or not closes, "the connection stays open"
        assert self.send_good_request(route) == self.usual[route], "the next good request"
        records = self.service.log(seen)
        check_records(records)
        return answers, records

    def judge(self, route: Route, answer: Answer) -> set[int]:
        """Return what to call the answer, whose shape is right."""
        if answer.is_of_the_server:
            return {PARSER}
        check_answer(answer)
        text = str(answer.headers).encode() + answer.body
        assert b"evil" not in text
        assert answer.status < 400 or CANARY not in text
        return {answer.status} | ({AS_USUAL} if answer.status == self.usual[route] else set())


def check_records(records: list[Record]) -> None:
    """Assert that nothing went wrong within, and that the log keeps what it was told to itself."""
    for record in records:
        text = str(record)
        assert record["level"] in {"debug", "info", "warning"}, text
        assert "Traceback" not in text
        assert CANARY.decode() not in text


# The parser, the middleware and the router know nothing of the database.
OF_HTTP = pytest.mark.parametrize("database", each_database(but={"sqlite", "mysql"}), indirect=True)


def expect(expected: Expected, route: Route) -> Collection[int]:
    return expected(route) if callable(expected) else expected


def served_unless_body(route: Route) -> Collection[int]:
    return BROKEN | {SILENCE} if route.takes_body else ANSWERED | {SILENCE, PARSER}


def with_header(name: str, *values: bytes) -> Callable[[Request], Request]:
    return lambda request: request.put(name, *values)


def names_of(route: Route) -> list[str]:
    return [parameter["name"] for parameter in route.parameters("query")]


def lists(attacker: Attacker) -> list[Route]:
    """Return the routes that give a page of something."""
    return [route for route in attacker.routes if "limit" in names_of(route)]

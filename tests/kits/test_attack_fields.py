"""The attack kit: Fields that the service decides, and bounds of values. See `attacks.py`."""

import functools
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from answers import check_answer, read_answers
from attacks import (
    ANSWERED,
    OF_HTTP,
    Attacker,
    lists,
    names_of,
)
from routes import SECRET_FIELDS, Request, Route, has_alphabet
from servers import each_database
from service_process import Launch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


def makers(attacker: Attacker) -> Iterator[tuple[Route, Route]]:
    """Yield each route that makes something, and the list of it."""
    for listing in lists(attacker):
        for maker in attacker.routes:
            if (maker.method, maker.path) == ("POST", listing.path):
                yield maker, listing


@pytest.mark.parametrize("text", ["%", "_", "\\", "\\%", "100%", "a_b", "'", "[a-z]", "*", "😀"])
def test_a_search_finds_what_has_the_text_itself(attacker: Attacker, text: str) -> None:
    for maker, listing in makers(attacker):
        if "search" not in names_of(listing):
            continue
        made = attacker.make(maker, name=f"before {text} after")
        attacker.make(maker, name="before x after, 100x, axb")
        query = urlencode({"search": text, "limit": 100}).encode()
        request = replace(listing.good_request(), target=listing.target(query))
        ((answer,), _records) = attacker.attack(listing, request, {200})
        found = answer.json()["items"]
        assert made["id"] in [item["id"] for item in found]
        assert all(text.lower() in item["name"].lower() for item in found)


def test_what_the_service_decides_is_not_taken_from_a_client(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    for route in attacker.routes:
        if not (route.method == "PATCH" and route.find_ids):
            continue
        (reader,) = (
            other for other in attacker.routes if (other.method, other.path) == ("GET", route.path)
        )
        read = reader.good_request()
        before = attacker.ask(read).json()
        theirs = {place[0] for place, _schema in route.fields()}
        ours = before.keys() - theirs | {"is_active", "owner_id", "user_id", "deleted_at"}
        assert {"id", "created_at"} <= ours
        for name in sorted(ours):
            for value in (before.get(name), str(uuid.UUID(int=1)), "2020-01-01T00:00:00Z", None):
                with subtests.test(route=str(route), field=name, value=value):
                    body = json.dumps({name: value}).encode()
                    request = route.with_json(replace(read, method="PATCH"), body)
                    assert attacker.ask(request).status == 422
                    body = json.dumps(route.good_body | {name: value}).encode()
                    assert attacker.ask(route.with_json(request, body)).status == 422
        assert attacker.ask(read).json() == before


WIDE = "\U0001f600"


def test_texts_are_bounded_and_kept_as_they_were_sent(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    for route in attacker.routes:
        for place, schema in route.fields() if route.takes_json else ():
            schema = route.pick(schema)  # noqa: PLW2901
            if schema.get("type") != "string" or {"enum", "format"} & schema.keys():
                continue
            with subtests.test(route=str(route), field=place):
                most = schema["maxLength"]
                letter = str(route.example(schema))[0] if has_alphabet(schema) else WIDE
                send = functools.partial(send_text, attacker, route, place)
                if place[0] in SECRET_FIELDS:
                    send("a" * (most + 1), {422})
                    longest = json.dumps("a" * most).encode()
                    attacker.attack(route, route.with_field(place, longest), ANSWERED)
                    continue
                send(letter * (most + 1), {422})
                if has_alphabet(schema):
                    send(f"{route.example(schema)}\n", {422})
                    send(letter * most, ANSWERED)
                    continue
                for text in (letter * most, "a" * most, "\u00e0\u0301 \ufb01 \uffff", "trailing  "):
                    sent = send(text, {200, 201})
                    assert sent == text, "another text came back"


def send_text(
    attacker: Attacker, route: Route, place: tuple[str | int, ...], text: str, expected: set[int]
) -> Any:  # noqa: ANN401 JSON has no type
    """Return what the answer says is in the field."""
    request = route.with_field(place, json.dumps(text).encode())
    ((answer,), _records) = attacker.attack(route, request, expected)
    found = answer.json()
    for step in place if answer.status < 300 else ():
        found = found[step]
    return found


OUT_OF_RANGE = {
    "price": [
        *("10000000000", "10000000000.00", "99999999999999999999", "-1", "-0.01", "1.001", "1e5"),
        *("NaN", "Infinity", "-Infinity", "sNaN", "", " 1", "1 ", "+1", "1,00", "0x1", "1_0"),
        *("\u0661", "\uff11", ".5", "1.", "1\n", "1\0", "\ud800"),
    ],
    "tags": [
        ["a"] * 21, [""], ["a" * 51], ["A"], ["a b"], ["a\n"], ["a\0"], ["\ud800"], ["\u00e4"],
        [None], [1], [["a"]], [{}], {"0": "a"}, "a",
    ],
    "sku": ["a", "", "A" * 51, "A\n", "A B", "\u0391", "A\0", "\ud800", "A_", "A%"],
    "name": ["", "a" * 201, "a\0", "\ud800", "\x7f"],
    "description": ["a" * 2001, "\0", "\ud800", 1, []],
}  # fmt: skip
JUST_IN_RANGE = {
    "price": ["0", "0.00", "0000000001", "9999999999.99", "0.01"],
    "tags": [[], ["a"] * 20, ["a", "b", "a"], ["-"], [f"t{number}" for number in range(20)]],
    "sku": ["-"],
    "name": [" ", "\t", "'", "%"],
    "description": [None, "", "\r\n"],
}


@pytest.mark.parametrize("field", OUT_OF_RANGE)
def test_a_value_just_out_of_range_is_refused_and_one_just_in_range_is_not(
    attacker: Attacker, subtests: pytest.Subtests, field: str
) -> None:
    for route in attacker.routes:
        if not route.takes_json or (field,) not in dict(route.fields()):
            continue
        # 400: by a rule of the business, a price may at most double.
        fitting = {200, 400} if route.method == "PATCH" else {201}
        for table, expected in ((OUT_OF_RANGE, {422}), (JUST_IN_RANGE, fitting)):
            for value in table[field]:
                with subtests.test(route=str(route), value=value):
                    request = route.with_field((field,), json.dumps(value).encode())
                    attacker.attack(route, request, expected)


def test_each_value_of_a_request_has_a_bound_in_the_document(
    attacker: Attacker, subtests: pytest.Subtests
) -> None:
    """VAL-07 and D-12, which let clients know before they ask."""
    bounds = {
        "string": {"maxLength", "enum", "format", "const"},
        "array": {"maxItems"},
        "integer": {"maximum", "exclusiveMaximum"},
        "number": {"maximum", "exclusiveMaximum"},
    }
    for route in attacker.routes:
        fields = dict(route.fields()) if route.takes_json else {}
        fields |= {(item["name"],): item["schema"] for item in route.parameters("query")}
        for place, schema in fields.items():
            with subtests.test(route=str(route), field=place):
                found = route.pick(schema)
                assert found.keys() & bounds.get(found.get("type", ""), found.keys()), found


@OF_HTTP
def test_production_serves_no_documentation_unless_told_to(launch: Launch) -> None:
    with launch() as service:
        for path in (b"/docs", b"/redoc", b"/openapi.json", b"/docs/oauth2-redirect", b"/docs/"):
            (answer,) = read_answers(service.raw(Request(target=path).encode()))
            check_answer(answer)
            assert answer.status == 404

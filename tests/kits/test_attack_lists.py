"""The attack kit: Identifiers and lists (VAL-13, API-02 … API-06). See `attacks.py`."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import replace
from urllib.parse import quote

import pytest
from answers import Answer
from attacks import ANSWERED, MOMENT, Attacker, lists, names_of
from routes import Route, Schema, has_alphabet
from servers import each_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=each_database())
def database(request: pytest.FixtureRequest) -> str:
    return request.param


ID_IN_PATH: dict[str, tuple[Callable[[str], str], Collection[int]]] = {
    "A-79 of something else": (lambda _: str(uuid.uuid4()), {404}),
    "A-79 the nil UUID": (lambda _: str(uuid.UUID(int=0)), {404}),
    "A-79 all ones": (lambda _: "f" * 32, {404, 422}),
    "A-79 something below it": (lambda known: f"{known}/{known}", {404}),
    "A-79 something below another": (lambda known: f"{uuid.uuid4()}/items/{known}", {404}),
    "VAL-13 a number": (lambda _: "1", {422}),
    "VAL-13 zero": (lambda _: "0", {422}),
    "VAL-13 minus one": (lambda _: "-1", {422}),
    "VAL-13 2^31": (lambda _: str(1 << 31), {422}),
    "VAL-13 2^63": (lambda _: str(1 << 63), {422}),
    "VAL-13 2^128": (lambda _: str(1 << 128), {422}),
    "VAL-13 40 digits": (lambda _: "9" * 40, {422}),
    "VAL-13 a word": (lambda _: "kit", {422}),
    "VAL-13 null": (lambda _: "null", {422}),
    "VAL-13 undefined": (lambda _: "undefined", {422}),
    "VAL-13 NaN": (lambda _: "NaN", {422}),
    "VAL-13 a digit too few": (lambda known: known[:-1], {422}),
    "VAL-13 a digit too many": (lambda known: known + "0", {422}),
    "VAL-13 no hexadecimal": (lambda known: known[:-1] + "g", {422}),
    "VAL-13 a NUL": (lambda known: known + "\0", {422}),
    "VAL-13 half a pair": (lambda known: known + "\ud800", {422}),
    "VAL-13 a line end": (lambda known: known + "\n", {404}),
    "VAL-13 a wildcard": (lambda known: known[:-1] + "%", {422}),
    "VAL-13 two": (lambda known: f"{known},{known}", {422}),
    "VAL-13 SQL": (lambda known: f"{known}' OR '1'='1", {422}),
    "VAL-13 fullwidth digits": (lambda known: "\uff10" + known[1:], {422}),
    "VAL-13 a space before": (lambda known: " " + known, {422}),
    # Other spellings of the same: known or not.
    "VAL-13 capitals": (lambda known: known.upper(), ANSWERED),
    "VAL-13 no hyphens": (lambda known: known.replace("-", ""), ANSWERED),
    "VAL-13 braces": (lambda known: f"{{{known}}}", ANSWERED),
    "VAL-13 a URN": (lambda known: f"urn:uuid:{known}", ANSWERED),
}  # fmt: skip


def percent_encoded(text: str) -> bytes:
    """Return the text as part of a path; a slash stays one."""
    return quote(text, errors="surrogatepass").encode()


@pytest.mark.parametrize("name", ID_IN_PATH)
def test_no_id_in_a_path_breaks_a_route(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    change, expected = ID_IN_PATH[name]
    for route in attacker.routes:
        for find in route.find_ids:
            ((parameter, known),) = find().items()
            target = route.target(**{parameter: percent_encoded(change(known.decode()))})
            with subtests.test(route=str(route)):
                attacker.attack(route, replace(route.good_request(), target=target), expected)


def test_what_is_deleted_is_answered_as_what_never_was(attacker: Attacker) -> None:
    for route in attacker.routes:
        if route.method == "DELETE" and route.find_ids:
            gone = route.good_request()
            assert attacker.ask(gone).status == 204
            siblings = [other for other in attacker.routes if other.path == route.path]
            for sibling in siblings:
                target = route.path.rpartition("/{")[0] + f"/{uuid.uuid4()}"
                answers = [
                    attacker.attack(sibling, replace(sibling.good_request(), target=path), {404})
                    for path in (gone.target, target.encode())
                ]
                ((before,), _records), ((never,), _records) = answers
                assert told_by(before) == told_by(never)


def told_by(answer: Answer) -> dict[str, object]:
    """Return the problem but for what is different in each."""
    return {k: v for k, v in answer.json().items() if k not in {"request_id", "timestamp"}}


Kind = Callable[[Route, Schema], bool]


def is_whole(route: Route, schema: Schema) -> bool:
    return route.types(schema) == {"integer"}


def is_choice(_route: Route, schema: Schema) -> bool:
    return "enum" in schema


def is_text(route: Route, schema: Schema) -> bool:
    return "string" in route.types(schema) and "enum" not in schema


def is_bounded(route: Route, schema: Schema) -> bool:
    return "maxLength" in route.pick(schema)


def is_search(route: Route, schema: Schema) -> bool:
    text = route.pick(schema)
    return is_text(route, schema) and "format" not in text and not has_alphabet(text)


# Which query parameters, their value percent-encoded, and what comes of it within a moment.
PARAMETERS: dict[str, tuple[Kind, bytes | Callable[[Schema], bytes], Collection[int]]] = {
    **{
        f"A-81 {name}": (is_whole, value, {422})
        for name, value in {
            "minus one": b"-1",
            "minus zero": b"-0",
            "below -2^63": b"-9223372036854775809",
            "2^31": b"2147483648",
            "2^63": b"9223372036854775808",
            "2^64": b"18446744073709551616",
            "5000 digits": b"9" * 5000,
            "NaN": b"NaN",
            "infinity": b"inf",
            "1_000": b"1_000",
            "an Arabic digit": b"%d9%a3",
            "a fullwidth digit": b"%ef%bc%93",
            "a superscript": b"%c2%b2",
            "1e3": b"1e3",
            "a fraction": b"1.5",
            "1.0": b"1.0",
            "a plus": b"%2b1",
            "hexadecimal": b"0x10",
            "a space": b"%201",
            "a line end": b"1%0a",
            "empty": b"",
            "true": b"true",
            "null": b"null",
            "a list": b"1,2",
            "a NUL": b"1%00",
            "SQL": b"1;select%20pg_sleep(5)",
            "half a pair": b"%ed%a0%80",
        }.items()
    },
    "A-81 one too many": (is_whole, lambda schema: b"%d" % (schema["maximum"] + 1), {422}),
    "A-81 one too few": (is_whole, lambda schema: b"%d" % (schema["minimum"] - 1), {422}),
    "A-81 the most": (is_whole, lambda schema: b"%d" % schema["maximum"], {200}),
    "A-81 the least": (is_whole, lambda schema: b"%d" % schema["minimum"], {200}),
    "A-81 zeros before": (is_whole, lambda schema: b"00%d" % schema["minimum"], ANSWERED),
    **{
        f"A-82 {value[:40].decode()}": (is_choice, quote(value).encode(), {422})
        for value in (
            b"hashed_password",
            b"id",
            b"sku",
            b"is_active",
            b"id;select pg_sleep(5)",
            b"name;select pg_sleep(5)",
            b"(case when (1=1) then name else price end)",
            b"name desc",
            b"name,price",
            b"name,(select sleep(5))",
            b"-id," * 1000,
            b"--name",
            b"-",
            b"+name",
            b"NAME",
            b" name",
            b"name\0",
            b"name\n",
            b"__class__",
            b"user.password",
            b"tags.name",
            b"1",
            b"random()",
            b"",
        )
    },
    **{
        f"A-82 {name} in a text": (is_text, value, {422})
        for name, value in {
            "NUL": b"a%00b",
            "half a pair": b"a%ed%a0%80",
            "an escape sequence": b"a%1b%5b31m",
            "DEL": b"%7f",
            "next line": b"%c2%85",
            "10 kB": b"a" * 10_000,
        }.items()
    },
    "API-06 one too long": (
        is_bounded,
        lambda schema: b"a" * (schema["maxLength"] + 1),
        {422},
    ),
    "API-06 as long as may be": (
        is_bounded,
        lambda schema: b"a" * schema["maxLength"],
        {200},
    ),
    "API-06 as long, in four bytes each": (
        is_search,
        lambda schema: b"%f0%9f%98%80" * schema["maxLength"],
        {200},
    ),
    "API-06 only wildcards": (is_search, lambda schema: b"%25" * schema["maxLength"], {200}),
    "API-06 only escapes": (is_search, lambda schema: b"%5c" * schema["maxLength"], {200}),
    **{
        f"API-06 {value.encode('unicode_escape').decode()}": (
            is_search,
            quote(value).encode(),
            {200},
        )
        for value in (
            *("%", "_", "\\", "/", "[a]", "^", "'", '"', "'' OR 1=1 --", "`", ":name", "%s"),
            *("$1", "?", "{0}", "\\%", "a\\", "%a%b%" * 10, "*", "\u0130", "\u00df", "e\u0301"),
            *("\U0010ffff", "\uffff", "\u202e", "\u2028", " ", "\t", "\r\n", "(a+)+$"),
        )
    },
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_parameter_breaks_a_list(
    attacker: Attacker, subtests: pytest.Subtests, name: str
) -> None:
    fits, value, expected = PARAMETERS[name]
    for route in lists(attacker):
        for parameter in route.parameters("query"):
            schema = parameter["schema"]
            if not fits(route, schema):
                continue
            text = value(route.pick(schema)) if callable(value) else value
            query = parameter["name"].encode() + b"=" + text
            with subtests.test(route=str(route), query=parameter["name"]):
                request = replace(route.good_request(), target=route.target(query))
                ((answer,), _records) = attacker.attack(route, request, expected, timeout=MOMENT)
                if answer.status == 422:
                    (error,) = answer.json()["errors"]
                    assert error["loc"] == ["query", parameter["name"]]
                    if error["type"] == "literal_error":  # API-05: it names what is allowed
                        assert all(choice in error["message"] for choice in schema["enum"])


LIST_QUERIES: dict[str, tuple[bytes, Collection[int]]] = {
    "A-81 far past the end": (b"skip=10000&limit=100", {200}),
    "A-84 an unknown name": (b"foo=1", {422}),
    "A-84 a name in capitals": (b"LIMIT=1", {422}),
    "A-84 a name of ours": (b"is_active=false", {422}),
    "A-84 __class__": (b"__class__=1", {422}),
    "A-84 a filter with an operator": (b"price[gt]=1", {422}),
    "A-84 a name in brackets": (b"limit[]=1", {422}),
    "A-84 an empty name": (b"=1", {422}),
    "A-84 a NUL as name": (b"%00=1", {422}),
    "A-84 half a pair as name": (b"%ed%a0%80=1", {422}),
    "A-84 twice": (b"limit=1&limit=2", ANSWERED),
    "A-84 1000 times": (b"limit=1&" * 1000, ANSWERED),
    "A-84 a good and a bad one": (b"limit=x&limit=2", ANSWERED),
    "A-84 all at once": (
        b"skip=1&limit=1&tag=kitchen&search=%25_%5c&sort=-price",
        {200},
    ),
}


@pytest.mark.parametrize("name", LIST_QUERIES)
def test_no_query_breaks_a_list(attacker: Attacker, subtests: pytest.Subtests, name: str) -> None:
    query, expected = LIST_QUERIES[name]
    for route in lists(attacker):
        if "all at once" in name and not {"tag", "search", "sort"} <= set(names_of(route)):
            continue
        with subtests.test(route=str(route)):
            request = replace(route.good_request(), target=route.target(query))
            ((answer,), _records) = attacker.attack(route, request, expected)
            if "past the end" in name:
                assert answer.json()["items"] == []
                assert answer.json()["total"] >= 0

"""The API key kit: nothing but one key in its header is accepted, and no key is logged."""

import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from answers import read_answers
from routes import Request
from servers import fresh_database
from service_process import PRODUCTION, Install, Service

pytestmark = pytest.mark.slow

ITEMS = Request(target=b"/api/v1/items")


class Door(NamedTuple):
    """A service with API keys, and a key of it."""

    service: Service
    key: bytes


@pytest.fixture(scope="module")
def door(install: Install) -> Iterator[Door]:
    project, scripts, _ = install(database="sqlite", auth="api_key")
    with fresh_database("sqlite") as url:
        settings = PRODUCTION | {
            "SECRET_KEY": "0123456789abcdef" * 2,
            "DATABASE_URL": url,
            "UPDATE_SCHEMA_ON_STARTUP": "true",
        }
        with Service(project, [scripts / "manage", "serve"], **settings) as service:
            created = subprocess.run(
                [scripts / "manage", "api-keys", "create", "acme"],
                cwd=project,
                env=service.environment,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            yield Door(service, created.stdout.splitlines()[-1].encode())


def ask(door: Door, *keys: bytes, **headers: bytes) -> int:
    """Return the status of a request with these keys, whose refusal has a challenge."""
    request = ITEMS.put("X-API-Key", *keys) if keys else ITEMS
    for name, value in headers.items():
        request = request.put(name, value)
    (answer,) = read_answers(door.service.raw(request.encode()))
    if answer.status != 200:
        assert answer.headers["WWW-Authenticate"].startswith('ApiKey realm="api"')
        assert answer.json()["status"] == answer.status
        assert door.key not in answer.body
    return answer.status


def test_key_is_accepted(door: Door) -> None:
    assert ask(door, door.key) == 200


INVALID = {
    "empty": lambda _: b"",
    "blank": lambda _: b" ",
    "not UTF-8": lambda _: b"\xff\xfe",
    "not ASCII": lambda _: "schlüssel".encode(),
    "10 kB": lambda _: b"x" * 10_000,
    "upper case": lambda key: key.upper(),
    "too long": lambda key: key + b"0",
    "too short": lambda key: key[:-1],
    "two in a list": lambda key: key + b", " + key,
    "quotes": lambda key: b'"%b"' % key,
    "a scheme": lambda key: b"ApiKey " + key,
    "Arabic digits": lambda key: key[:-4] + "\u0660\u0661".encode(),
    "another secret": lambda key: key[:-72] + b"0" * 64 + key[-8:],
    "another checksum": lambda key: key[:-8] + b"0" * 8,
}


@pytest.mark.parametrize("name", INVALID)
def test_malformed_key_returns_401(door: Door, name: str) -> None:
    assert ask(door, INVALID[name](door.key)) == 401


@pytest.mark.parametrize("second", [None, b"", b"x"], ids=["same", "empty", "other"])
def test_two_keys_return_400(door: Door, second: bytes | None) -> None:
    assert ask(door, door.key, door.key if second is None else second) == 400


def test_key_outside_of_its_header_is_ignored(door: Door) -> None:
    for header in ("Authorization", "Cookie", "API-Key", "X-API_Key"):
        assert ask(door, **{header: b"X-API-Key=" + door.key}) == 401


def test_no_key_is_logged(door: Door) -> None:
    assert ask(door, door.key) == 200
    secret = door.key[-72:].decode()

    assert not [line for line in door.service.lines() if secret in line]

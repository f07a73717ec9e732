import asyncio
import re
import threading
import time
from typing import Any

import bcrypt
import pytest

from app.auth.passwords import THREADS, PasswordHasher
from tests.users import COST, PASSWORD, PASSWORD_HASH


@pytest.fixture
def passwords() -> PasswordHasher:
    return PasswordHasher(COST)


async def test_a_hash_carries_its_cost_and_a_salt(passwords: PasswordHasher) -> None:
    first, second = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert first != second
    for password_hash in (first, second):
        assert re.fullmatch(r"\$2b\$04\$[./A-Za-z0-9]{53}", password_hash)
        assert await passwords.verify(PASSWORD, password_hash)
        assert not await passwords.verify(PASSWORD + " ", password_hash)


async def test_the_whole_password_counts(passwords: PasswordHasher) -> None:
    password_hash = await passwords.hash("x" * 72)
    assert await passwords.verify("x" * 72, password_hash)
    assert not await passwords.verify("x" * 73, password_hash)
    with pytest.raises(ValueError, match="72 bytes"):
        await passwords.hash("x" * 73)


async def test_one_character_has_one_form(passwords: PasswordHasher) -> None:
    assert await passwords.verify("caf\u00e9", await passwords.hash("cafe\u0301"))


@pytest.mark.parametrize(
    "password_hash",
    ["", "x", "$2b$04$", "$2b$99$" + "." * 53, PASSWORD_HASH[:-1], "é" * 60, None],
    ids=["empty", "text", "prefix", "cost", "truncated", "not_ascii", "none"],
)
async def test_what_is_no_hash_is_of_no_password(
    passwords: PasswordHasher, password_hash: str | None
) -> None:
    assert not await passwords.verify("", password_hash)
    assert not await passwords.verify(PASSWORD, password_hash)


async def test_a_hash_that_is_missing_costs_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []

    def check(_password: bytes, digest: bytes) -> bool:
        checked.append(digest)
        return True

    monkeypatch.setattr(bcrypt, "checkpw", check)
    assert not await PasswordHasher(11).verify(PASSWORD, None)
    assert [digest[:7] for digest in checked] == [b"$2b$11$"]


def test_a_hash_of_another_cost_is_outdated() -> None:
    assert not PasswordHasher(COST).is_outdated(PASSWORD_HASH)
    assert PasswordHasher(COST + 1).is_outdated(PASSWORD_HASH)


async def test_a_few_at_a_time_and_not_in_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, passwords: PasswordHasher
) -> None:
    active: list[int] = []
    counts: list[int] = []

    def check(*_arguments: Any) -> bool:
        active.append(threading.get_ident())
        counts.append(len(active))
        time.sleep(0.005)  # so that the others get their chance
        active.remove(threading.get_ident())
        return threading.current_thread() is not threading.main_thread()

    monkeypatch.setattr(bcrypt, "checkpw", check)
    answers = await asyncio.gather(*(passwords.verify("x", PASSWORD_HASH) for _ in range(20)))
    assert (all(answers), max(counts)) == (True, THREADS)

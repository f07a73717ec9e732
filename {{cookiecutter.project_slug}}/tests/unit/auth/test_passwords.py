"""Tests of password hashing and of the rules for new passwords."""

import asyncio
import threading
import time
from typing import Any

import bcrypt
import pytest

from app.auth.passwords import (
    MAX_QUEUE,
    THREADS,
    HashQueueFullError,
    PasswordHasher,
    WeakPasswordError,
    require_strong,
)
from app.core.settings import SERVICE_NAME
from tests.users import COST, PASSWORD, PASSWORD_HASH


@pytest.fixture
def passwords() -> PasswordHasher:
    return PasswordHasher(COST)


class TestHash:
    async def test_carries_cost_and_salt(self, passwords: PasswordHasher) -> None:
        first, second = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)

        assert first != second
        assert first.startswith("$2b$04$")
        assert not passwords.is_outdated(first)
        assert PasswordHasher(COST + 1).is_outdated(first)

    async def test_longer_than_72_bytes_raises(self, passwords: PasswordHasher) -> None:
        with pytest.raises(ValueError, match="72 bytes"):
            await passwords.hash("x" * 73)


class TestVerify:
    async def test_whole_password_counts(self, passwords: PasswordHasher) -> None:
        password_hash = await passwords.hash("x" * 72)

        assert await passwords.verify("x" * 72, password_hash)
        assert not await passwords.verify("x" * 73, password_hash)

    async def test_invalid_hash_matches_nothing(self, passwords: PasswordHasher) -> None:
        assert not await passwords.verify(PASSWORD, "invalid")

    async def test_runs_in_few_threads(
        self, passwords: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        active: list[int] = []
        counts: list[int] = []

        def check(*_arguments: Any) -> bool:
            active.append(threading.get_ident())
            counts.append(len(active))
            time.sleep(0.005)  # lets the other threads start
            active.remove(threading.get_ident())
            return threading.current_thread() is not threading.main_thread()

        monkeypatch.setattr(bcrypt, "checkpw", check)
        results = await asyncio.gather(
            *(passwords.verify("x", PASSWORD_HASH) for _ in range(MAX_QUEUE))
        )

        assert (all(results), max(counts)) == (True, THREADS)

    async def test_full_queue_raises(
        self, passwords: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = threading.Event()
        monkeypatch.setattr(bcrypt, "checkpw", lambda *_arguments: done.wait(10))
        waiting = asyncio.gather(*(passwords.verify("x", None) for _ in range(MAX_QUEUE)))
        await asyncio.sleep(0)

        with pytest.raises(HashQueueFullError):
            await passwords.verify(PASSWORD, PASSWORD_HASH)

        done.set()
        await waiting
        assert await passwords.verify(PASSWORD, PASSWORD_HASH)


class TestRequireStrong:
    def test_weak_password_raises(self) -> None:
        for password, reason in {
            "x" * 9: "at least 10 characters",
            "\u00e9" * 37: "longer than 72 bytes",
            " " * 10: "too common",
            "Qwertyuiop": "too common",
            f"{SERVICE_NAME}{10**8}": "name of the service",
        }.items():
            with pytest.raises(WeakPasswordError, match=reason):
                require_strong(password, "grace.hopper@example.com", 10)

    def test_other_password_is_accepted(self) -> None:
        for password in (PASSWORD, "aaaa bbbb cccc", "9876543210123", "!" * 10):
            require_strong(password, "123@example.com", 10)

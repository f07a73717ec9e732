import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bcrypt
import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from tests.problems import check_problem, tell
from tests.users import EMAIL, is_accepted, log_in, refresh, sign_up, start_session

REDIS = "redis://127.0.0.1:6379/15"
NO_REDIS = "redis://127.0.0.1:1/0"
WRONG = "not it at all"


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


def connect_from(app: FastAPI, address: str) -> AsyncClient:
    transport = ASGITransport(app, client=(address, 1))
    return AsyncClient(transport=transport, base_url="http://localhost")


async def guess(client: AsyncClient, times: int, email: str = EMAIL) -> list[int]:
    return [(await log_in(client, email, WRONG)).status_code for _ in range(times)]


@pytest.mark.parametrize("email", [EMAIL, "none@example.com", "no address"])
async def test_ten_guesses_at_an_account(client: AsyncClient, email: str) -> None:
    assert await guess(client, 10, email) == [401] * 10
    for password in (WRONG, "correct horse"):
        answer = await log_in(client, email, password)
        check_problem(answer, 429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["retry-after"]) <= 900
    if email != EMAIL:
        assert (await log_in(client)).status_code == 200


async def test_who_is_known_cannot_be_told_by_it(client: AsyncClient) -> None:
    for _ in range(10):
        known, unknown = [await log_in(client, email, WRONG) for email in (EMAIL, "no@x.co")]
        assert tell(known) == tell(unknown)
    assert tell(await log_in(client)) == tell(await log_in(client, "no@x.co"))


async def test_an_account_is_one_however_it_is_spelled(client: AsyncClient) -> None:
    assert await guess(client, 5) + await guess(client, 5, EMAIL.upper()) == [401] * 10
    assert await guess(client, 1) == [429]


async def test_a_right_password_begins_anew(make_app: Any, connect: Any) -> None:
    async with connect(make_app(auth_failures_per_client=100)) as client:
        for _ in range(3):
            assert await guess(client, 9) == [401] * 9
            assert (await log_in(client)).status_code == 200


async def test_guesses_at_once_are_no_more(
    make_app: Any, connect: Any, own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, _digest: checked.append(password))
    async with connect(make_app(database_url=own_database_url)) as client:
        answers = await asyncio.gather(*(log_in(client, EMAIL, WRONG) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 10
    assert len(checked) == 10


async def test_a_client_that_tries_many_accounts(make_app: Any, connect: Any) -> None:
    app = make_app(auth_failures_per_client=5)
    async with connect(app) as client, connect_from(app, "198.51.100.1") as other:
        emails = [f"user{number}@example.com" for number in range(7)]
        statuses = [(await guess(client, 1, email))[0] for email in emails]
        assert statuses == [401] * 5 + [429] * 2
        check_problem(await log_in(client), 429, "RATE_LIMITED")
        assert (await log_in(other)).status_code == 200


async def test_who_signs_in_often_is_no_attacker(make_app: Any, connect: Any) -> None:
    async with connect(make_app(auth_failures_per_client=2)) as client:
        for _ in range(5):
            assert (await log_in(client)).status_code == 200


async def test_addresses_are_not_tried_by_sign_up(make_app: Any, connect: Any) -> None:
    app = make_app(auth_failures_per_client=2)
    async with connect(app) as client, connect_from(app, "198.51.100.1") as other:
        statuses = [(await sign_up(client, EMAIL)).status_code for _ in range(2)]
        assert statuses == [409, 409]
        check_problem(await sign_up(client, "new@example.com"), 429, "RATE_LIMITED")
        assert (await sign_up(other, "new@example.com")).status_code == 201


async def test_refresh_tokens_are_not_guessed(make_app: Any, connect: Any) -> None:
    async with connect(make_app(auth_failures_per_client=3)) as client:
        pair = await start_session(client)
        assert [(await refresh(client, "x")).status_code for _ in range(3)] == [401] * 3
        check_problem(await refresh(client, pair.refresh_token), 429, "RATE_LIMITED")
        assert await is_accepted(client, pair.access_token)


async def test_nobody_refreshes_without_end(make_app: Any, connect: Any) -> None:
    async with connect(make_app(refreshes_per_account=2)) as client:
        token = (await start_session(client)).refresh_token
        for _ in range(2):
            token = (await refresh(client, token)).json()["refresh_token"]
        check_problem(await refresh(client, token), 429, "RATE_LIMITED")


async def test_without_redis_each_process_guards(
    make_app: Any, connect: Any, log_lines: Any
) -> None:
    async with connect(make_app(redis_url=NO_REDIS)) as client:
        assert await guess(client, 11) == [401] * 10 + [429]
    assert "rate_limit_without_redis" in [line["event"] for line in log_lines()]


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with app.router.lifespan_context(app), connect_from(app, "198.51.100.1") as client:
        yield client


async def test_processes_share_their_counts_in_redis(
    make_app: Any, connect: Any, own_database_url: str
) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    options = {"redis_url": REDIS, "auth_failures_per_client": 10**6}
    one, two = (make_app(database_url=own_database_url, **options) for _ in range(2))
    async with connect(one) as client, serve(two) as other:
        statuses = await guess(client, 5, email) + await guess(other, 6, email)
        if one.state.rate_limiter.paused_until:
            pytest.skip("no Redis on this machine")
    assert statuses == [401] * 10 + [429]

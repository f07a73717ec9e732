import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import delete, select, text, update

from app.auth.tokens import TokenPair, TokenService
from app.auth.users import User, UserSession
from tests.problems import check_problem
from tests.users import (
    AUTH,
    bearer,
    forge,
    is_accepted,
    log_in,
    read_part,
    refresh,
    sign_in,
    start_session,
)

DAY = timedelta(days=1)


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


def check_refusal(answer: Response, code: str = "INVALID_TOKEN") -> None:
    check_problem(answer, 401, code)
    assert answer.headers["www-authenticate"] == 'Bearer realm="api", error="invalid_token"'


async def exchange(client: AsyncClient, pair: TokenPair) -> TokenPair:
    answer = await refresh(client, pair.refresh_token)
    assert answer.status_code == 200, answer.text
    return TokenPair.model_validate_json(answer.content)


async def log_out(client: AsyncClient, access: TokenPair, ended: TokenPair) -> Response:
    body = {"refresh_token": ended.refresh_token}
    return await client.post(f"{AUTH}/logout", json=body, headers=bearer(access.access_token))


async def list_sessions(app: FastAPI) -> list[UserSession]:
    async with app.state.sessions() as session:
        return list(await session.scalars(select(UserSession)))


async def change(app: FastAPI, table: type[User | UserSession], **values: Any) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(table).values(values))


@pytest.fixture
async def many(make_app: Any, connect: Any, own_database_url: str) -> AsyncIterator[AsyncClient]:
    """A client of an application that takes many requests at once."""
    app = make_app(database_url=own_database_url, login_attempts_per_account=100)
    async with connect(app) as client:
        yield client


class TestRefresh:
    async def test_each_token_works_once(self, client: AsyncClient, app: FastAPI) -> None:
        first = await start_session(client)
        second = await exchange(client, first)
        third = await exchange(client, second)
        tokens = {pair.refresh_token for pair in (first, second, third)}
        assert len(tokens) == 3
        # The session is the same, and so the older access tokens last their time.
        for pair in (first, second, third):
            assert await is_accepted(client, pair.access_token)
        assert len(await list_sessions(app)) == 1

    async def test_a_client_that_asks_twice_keeps_its_session(
        self, client: AsyncClient, log_lines: Any
    ) -> None:
        first = await start_session(client)
        second = await exchange(client, first)
        check_refusal(await refresh(client, first.refresh_token), "REFRESH_SUPERSEDED")
        assert "authn_token_reuse" not in [line["event"] for line in log_lines()]
        assert await is_accepted(client, (await exchange(client, second)).access_token)

    async def test_a_copy_that_comes_later_ends_the_session(
        self, app: FastAPI, client: AsyncClient, log_lines: Any
    ) -> None:
        first = await start_session(client)
        second = await exchange(client, first)
        await change(app, UserSession, rotated_at=datetime.now(UTC) - timedelta(seconds=11))
        check_refusal(await refresh(client, first.refresh_token))
        assert await list_sessions(app) == []
        check_refusal(await refresh(client, second.refresh_token))
        assert not await is_accepted(client, second.access_token)
        (line,) = [line for line in log_lines() if line["event"] == "authn_token_reuse"]
        assert line["level"] == "warning"
        assert line["user_id"] == read_part(first.refresh_token, 1)["sub"]

    async def test_a_copy_of_an_older_one_ends_it_at_once(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        first = await start_session(client)
        last = await exchange(client, await exchange(client, first))
        check_refusal(await refresh(client, first.refresh_token))
        assert await list_sessions(app) == []
        assert not await is_accepted(client, last.access_token)

    async def test_of_many_at_once_one_wins(self, many: AsyncClient) -> None:
        pair = await start_session(many)
        answers = await asyncio.gather(*(refresh(many, pair.refresh_token) for _ in range(20)))
        winners = [answer for answer in answers if answer.status_code == 200]
        assert len(winners) == 1
        for answer in answers:
            if answer not in winners:
                check_refusal(answer, "REFRESH_SUPERSEDED")
        winner = TokenPair.model_validate_json(winners[0].content)
        assert await is_accepted(many, (await exchange(many, winner)).access_token)

    async def test_what_fails_leaves_the_token_usable(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pair = await start_session(client)
        with monkeypatch.context() as broken:
            broken.delattr(TokenService, "sign")
            assert (await refresh(client, pair.refresh_token)).status_code == 500
        await exchange(client, pair)

    async def test_it_may_last_no_longer_than_the_session(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        pair = await start_session(client)
        started = datetime.now(UTC) - 30 * DAY + timedelta(minutes=5)
        await change(app, UserSession, created_at=started)
        pair = await exchange(client, pair)
        for token in (pair.access_token, pair.refresh_token):
            assert 299 <= read_part(token, 1)["exp"] - datetime.now(UTC).timestamp() + 1 <= 301
        await change(app, UserSession, expires_at=datetime.now(UTC))
        check_refusal(await refresh(client, pair.refresh_token))
        assert not await is_accepted(client, pair.access_token)

    @pytest.mark.parametrize(
        "claims",
        [
            {"sub": str(uuid.uuid4())},
            {"sid": str(uuid.uuid4())},
            {"jti": "0" * 32},
            {"type": "access"},
            {"exp": 1},
            {"exp": 2**40},
        ],
    )
    async def test_claims_that_are_not_of_the_session(
        self, client: AsyncClient, claims: dict[str, Any]
    ) -> None:
        pair = await start_session(client)
        check_refusal(await refresh(client, forge(pair.refresh_token, **claims)))

    async def test_an_access_token_is_none(self, client: AsyncClient) -> None:
        pair = await start_session(client)
        disguised = forge(pair.access_token, header={"typ": "rt+jwt"})
        for token in (pair.access_token, disguised, "x", "\u00e9.a.b", pair.refresh_token + " "):
            check_refusal(await refresh(client, token))
        await exchange(client, pair)

    @pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": None}, []])
    async def test_a_body_without_a_token(self, client: AsyncClient, body: object) -> None:
        pair = await start_session(client)
        answer = await client.post(
            f"{AUTH}/refresh", json=body, params={"refresh_token": pair.refresh_token}
        )
        check_problem(answer, 422, "VALIDATION_ERROR")

    async def test_nothing_that_is_kept_is_a_token(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)
        token_id = read_part(pair.refresh_token, 1)["jti"]
        async with app.state.sessions() as session:
            rows = str((await session.execute(text("SELECT * FROM user_sessions"))).all())
        assert "eyJ" not in rows
        assert token_id not in rows


class TestLogin:
    async def test_it_ends_the_earlier_session(self, app: FastAPI, client: AsyncClient) -> None:
        bob = await sign_in(app, "bob@example.com")
        first = await start_session(client)
        second = await start_session(client)
        assert not await is_accepted(client, first.access_token)
        check_refusal(await refresh(client, first.refresh_token))
        assert await is_accepted(client, second.access_token)
        await exchange(client, second)
        assert (await client.get(f"{AUTH}/me", headers=bob)).status_code == 200

    async def test_of_many_at_once_one_session_is_left(self, many: AsyncClient) -> None:
        answers = await asyncio.gather(*(log_in(many) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        tokens = [answer.json()["access_token"] for answer in answers]
        assert sum([await is_accepted(many, token) for token in tokens]) == 1

    async def test_it_removes_what_has_expired(self, app: FastAPI, client: AsyncClient) -> None:
        await sign_in(app, "bob@example.com")
        await change(app, UserSession, expires_at=datetime.now(UTC) - DAY)
        pair = await start_session(client)
        (left,) = await list_sessions(app)
        assert str(left.id) == read_part(pair.access_token, 1)["sid"]


class TestLogout:
    async def test_both_tokens_are_dead(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)
        answer = await log_out(client, pair, pair)
        assert (answer.status_code, answer.content) == (204, b"")
        assert not await is_accepted(client, pair.access_token)
        check_refusal(await refresh(client, pair.refresh_token))
        check_refusal(await log_out(client, pair, pair))
        assert await list_sessions(app) == []

    async def test_not_with_the_token_of_another(self, app: FastAPI, client: AsyncClient) -> None:
        await sign_in(app, "bob@example.com")
        pair = await start_session(client)
        answer = await log_in(client, "bob@example.com")
        bobs = TokenPair.model_validate_json(answer.content)
        check_refusal(await log_out(client, pair, bobs))
        for token in (pair.access_token, bobs.access_token):
            assert await is_accepted(client, token)

    async def test_with_an_older_token_of_the_session(self, client: AsyncClient) -> None:
        first = await start_session(client)
        second = await exchange(client, first)
        assert (await log_out(client, second, first)).status_code == 204
        assert not await is_accepted(client, second.access_token)


class TestUser:
    async def test_one_who_is_deactivated_is_out(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)
        await change(app, User, is_active=False)
        assert not await is_accepted(client, pair.access_token)
        check_refusal(await refresh(client, pair.refresh_token))
        check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")

    async def test_one_who_is_deleted_is_gone(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)
        async with app.state.sessions.begin() as session:
            await session.execute(delete(User))
        assert await list_sessions(app) == []
        assert not await is_accepted(client, pair.access_token)
        check_refusal(await refresh(client, pair.refresh_token))
        check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")

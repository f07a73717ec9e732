"""Tests of refresh tokens, logout, and the end of sessions."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from app.auth.tokens import TokenService
from tests.clients import connect_user, open_client
from tests.problems import check_problem
from tests.users import (
    change_sessions,
    change_users,
    create_user,
    forge,
    is_accepted,
    list_sessions,
    log_in,
    log_out,
    make_pem,
    make_public_pem,
    read_part,
    refresh,
    rotate,
    start_session,
)

DAY = timedelta(days=1)


def check_invalid_token(response: Response) -> None:
    check_problem(response, 401, "INVALID_TOKEN")
    assert response.headers["www-authenticate"] == 'Bearer realm="api", error="invalid_token"'


def read_events(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines if line["logger"] == "app.auth"]


@pytest.fixture
async def client(running_app: FastAPI, client: AsyncClient) -> AsyncClient:
    """An anonymous client of an application that has one user."""
    await create_user(running_app)
    return client


@pytest.fixture
async def strict_client(make_app: Any, own_database_url: str) -> AsyncIterator[AsyncClient]:
    """A client of an application whose refresh tokens work exactly once."""
    async with connect_user(
        make_app(database_url=own_database_url, refresh_leeway_seconds=0)
    ) as client:
        yield client


class TestRefresh:
    async def test_returns_new_tokens_of_same_session(
        self, app: FastAPI, client: AsyncClient, log_lines: Any
    ) -> None:
        first = await start_session(client)
        second = await rotate(client, first)
        third = await rotate(client, second)

        assert len({pair.refresh_token for pair in (first, second, third)}) == 3
        for pair in (first, second, third):
            assert await is_accepted(client, pair.access_token)
        assert len(await list_sessions(app)) == 1
        assert read_events(log_lines()).count("authn_token_refresh") == 2

    async def test_repeated_within_leeway_returns_same_successor(
        self, client: AsyncClient, log_lines: Any
    ) -> None:
        first = await start_session(client)
        second = await rotate(client, first)

        repeated = await rotate(client, first)

        assert repeated.refresh_token == second.refresh_token
        assert "authn_token_reuse" not in read_events(log_lines())
        assert await is_accepted(client, (await rotate(client, repeated)).access_token)

    async def test_repeated_after_key_change_returns_valid_successor(
        self, make_app: Any, own_database_url: str
    ) -> None:
        keys = {"rsa_private_key_content": make_pem("next"), "rsa_public_keys": [make_public_pem()]}
        before = make_app(database_url=own_database_url)
        after = make_app(database_url=own_database_url, **keys)
        async with (
            connect_user(before) as client,
            after.router.lifespan_context(after),
            open_client(after) as later_client,
        ):
            first = await start_session(client)
            await rotate(client, first)

            repeated = await rotate(later_client, first)

            assert read_part(repeated.refresh_token, 0)["kid"] == after.state.tokens.kid
            await rotate(later_client, repeated)

    async def test_replayed_after_leeway_ends_session(
        self, app: FastAPI, client: AsyncClient, log_lines: Any
    ) -> None:
        first = await start_session(client)
        second = await rotate(client, first)
        await change_sessions(app, rotated_at=datetime.now(UTC) - timedelta(seconds=11))

        check_invalid_token(await refresh(client, first.refresh_token))

        assert await list_sessions(app) == []
        check_invalid_token(await refresh(client, second.refresh_token))
        assert not await is_accepted(client, second.access_token)
        (line,) = [line for line in log_lines() if line["event"] == "authn_token_reuse"]
        assert line["level"] == "warning"
        assert line["user_id"] == read_part(first.refresh_token, 1)["sub"]

    async def test_replayed_without_leeway_ends_session(self, strict_client: AsyncClient) -> None:
        first = await start_session(strict_client)
        second = await rotate(strict_client, first)

        check_invalid_token(await refresh(strict_client, first.refresh_token))
        check_invalid_token(await refresh(strict_client, second.refresh_token))

    async def test_failed_request_leaves_token_usable(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, log_lines: Any
    ) -> None:
        pair = await start_session(client)
        with monkeypatch.context() as broken:
            broken.delattr(TokenService, "sign")
            assert (await refresh(client, pair.refresh_token)).status_code == 500
        assert "authn_token_refresh" not in read_events(log_lines())

        await rotate(client, pair)

    async def test_tokens_do_not_outlive_session(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)
        started = datetime.now(UTC) - 30 * DAY + timedelta(minutes=5)
        await change_sessions(app, created_at=started)

        pair = await rotate(client, pair)

        for token in (pair.access_token, pair.refresh_token):
            assert 298 <= read_part(token, 1)["exp"] - datetime.now(UTC).timestamp() <= 300
        await change_sessions(app, expires_at=datetime.now(UTC))
        check_invalid_token(await refresh(client, pair.refresh_token))
        assert not await is_accepted(client, pair.access_token)

    async def test_access_token_returns_401(self, client: AsyncClient) -> None:
        pair = await start_session(client)
        disguised = forge(pair.access_token, typ="rt+jwt")

        for token in (pair.access_token, disguised, "x"):
            check_invalid_token(await refresh(client, token))

    async def test_token_of_other_user_returns_401(self, app: FastAPI, client: AsyncClient) -> None:
        other = await create_user(app, "bob@example.com")
        pair = await start_session(client)

        token = forge(pair.refresh_token, sub=str(other.id))

        check_invalid_token(await refresh(client, token))

    async def test_database_contains_no_token(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)

        async with app.state.sessions() as session:
            rows = str((await session.execute(text("SELECT * FROM user_sessions"))).all())
        assert "eyJ" not in rows
        assert read_part(pair.refresh_token, 1)["jti"] not in rows


class TestLogout:
    async def test_ends_session(self, app: FastAPI, client: AsyncClient, log_lines: Any) -> None:
        pair = await start_session(client)

        response = await log_out(client, pair.refresh_token)

        assert (response.status_code, response.content) == (204, b"")
        assert not await is_accepted(client, pair.access_token)
        check_invalid_token(await refresh(client, pair.refresh_token))
        assert await list_sessions(app) == []
        assert "authn_logout" in read_events(log_lines())
        check_invalid_token(await log_out(client, pair.refresh_token))

    async def test_access_token_returns_401(self, client: AsyncClient) -> None:
        pair = await start_session(client)

        check_invalid_token(await log_out(client, pair.access_token))
        assert await is_accepted(client, pair.access_token)

    async def test_without_single_session_keeps_other_session(self, make_app: Any) -> None:
        async with connect_user(make_app(single_session=False)) as client:
            first, second = [await start_session(client) for _ in range(2)]

            await log_out(client, first.refresh_token)

            assert not await is_accepted(client, first.access_token)
            assert await is_accepted(client, second.access_token)


class TestEndOfSession:
    async def test_inactive_user_is_refused(self, app: FastAPI, client: AsyncClient) -> None:
        pair = await start_session(client)
        await change_users(app, is_active=False)

        assert not await is_accepted(client, pair.access_token)
        check_invalid_token(await refresh(client, pair.refresh_token))
        check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")

    async def test_login_deletes_expired_sessions(self, make_app: Any) -> None:
        app = make_app(single_session=False)
        async with connect_user(app) as client:
            await change_sessions(app, expires_at=datetime.now(UTC) - DAY)

            pairs = [await start_session(client) for _ in range(2)]

            left = {str(session.id) for session in await list_sessions(app)}
        assert left == {read_part(pair.access_token, 1)["sid"] for pair in pairs}

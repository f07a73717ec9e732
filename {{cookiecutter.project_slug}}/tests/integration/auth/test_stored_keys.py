"""Tests of API keys in the database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError

from app.auth import CurrentUser
from app.auth.api_keys import HEADER
from app.auth.models import ApiClient, ApiKey
from app.auth.stored_keys import KeyService
from tests.clients import MakeApp, connect_user
from tests.keys import ME, add_route
from tests.problems import check_problem


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    add_route(app)
    return app


async def update_key(app: FastAPI, **values: Any) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(ApiKey).values(values))


async def get_key(app: FastAPI) -> ApiKey:
    async with app.state.sessions() as session:
        key: ApiKey = await session.scalar(select(ApiKey))
        return key


class TestKey:
    async def test_secret_is_not_stored(self, app: FastAPI, user_client: AsyncClient) -> None:
        key = await get_key(app)

        stored = str([getattr(key, column.key) for column in ApiKey.__table__.columns])
        assert user_client.headers[HEADER].split("_")[-2] in stored
        assert user_client.headers[HEADER][-72:-8] not in stored

    async def test_revoked_key_returns_401(self, app: FastAPI, user_client: AsyncClient) -> None:
        await update_key(app, revoked_at=datetime.now(UTC))

        check_problem(await user_client.get(ME), 401, "INVALID_API_KEY")

    @pytest.mark.parametrize(("seconds", "status"), [(30, 200), (-1, 401)])
    async def test_key_expires_to_the_second(
        self, app: FastAPI, user_client: AsyncClient, seconds: int, status: int
    ) -> None:
        await update_key(app, expires_at=datetime.now(UTC) + timedelta(seconds=seconds))

        assert (await user_client.get(ME)).status_code == status

    async def test_deleting_client_deletes_its_keys(
        self, app: FastAPI, user_client: AsyncClient
    ) -> None:
        async with app.state.sessions.begin() as session:
            await session.delete(await session.scalar(select(ApiClient)))

        check_problem(await user_client.get(ME), 401, "INVALID_API_KEY")


class TestLastUse:
    @pytest.fixture
    def updates(self, app: FastAPI, user_client: AsyncClient) -> Iterator[list[str]]:
        """The UPDATE statements that the application executes."""
        statements: list[str] = []

        def record(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.startswith("UPDATE"):
                statements.append(statement)

        event.listen(app.state.engine.sync_engine, "before_cursor_execute", record)
        yield statements
        event.remove(app.state.engine.sync_engine, "before_cursor_execute", record)

    @pytest.mark.parametrize("minutes_ago", [None, 2], ids=["never-used", "used-before"])
    async def test_is_recorded_once_a_minute(
        self,
        app: FastAPI,
        user_client: AsyncClient,
        updates: list[str],
        minutes_ago: int | None,
    ) -> None:
        now = datetime.now(UTC)
        await update_key(app, last_used_at=minutes_ago and now - timedelta(minutes=minutes_ago))
        updates.clear()

        for _ in range(3):
            await user_client.get(ME)

        key = await get_key(app)
        assert len(updates) == 1
        assert key.last_used_at is not None
        assert now <= key.last_used_at <= datetime.now(UTC)

    async def test_needs_one_connection(self, make_app: MakeApp, own_database_url: str) -> None:
        pool = {"database_pool_size": 1, "database_max_overflow": 0}
        app = make_app(database_url=own_database_url, **pool)
        add_route(app)
        async with connect_user(app) as client:
            await update_key(app, last_used_at=None)

            assert (await client.get(ME)).status_code == 200

    async def test_concurrent_requests_record_once(
        self, make_app: MakeApp, own_database_url: str
    ) -> None:
        app = make_app(database_url=own_database_url)
        async with connect_user(app) as client:
            key_id = client.headers[HEADER].split("_")[-2]
            await update_key(app, last_used_at=None)
            used = []
            async with app.state.sessions() as first, app.state.sessions() as second:
                found = [
                    (keys, await keys.find(key_id))
                    for keys in (KeyService(first), KeyService(second))
                ]
                for keys, key in found:
                    assert key
                    assert await keys.record_use(key)
                    used.append((await get_key(app)).last_used_at)

        assert used[0] == used[1] is not None

    async def test_key_revoked_while_table_is_locked_is_not_returned(
        self, app: FastAPI, user_client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key_id = user_client.headers[HEADER].split("_")[-2]
        await update_key(app, last_used_at=None)
        async with app.state.sessions() as session:
            keys = KeyService(session)
            key = await keys.find(key_id)

            async def revoke_and_fail() -> None:
                await session.rollback()
                await update_key(app, revoked_at=datetime.now(UTC))
                raise OperationalError("UPDATE", {}, Exception("locked"))

            monkeypatch.setattr(session, "commit", revoke_and_fail)

            assert key
            assert await keys.record_use(key) is None

    async def test_is_recorded_when_request_fails(
        self, app: FastAPI, user_client: AsyncClient
    ) -> None:
        await update_key(app, last_used_at=None)

        @app.post("/crash")
        async def crash(_client: CurrentUser) -> None:
            raise ValueError

        assert (await user_client.post("/crash")).status_code == 500

        assert (await get_key(app)).last_used_at

"""Tests of transactions and of database failures."""

import asyncio
import threading
import uuid
from pathlib import Path
from typing import Any, Never

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import delete, event, insert, select, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from app.db import engine as db_engine
from app.db.session import SessionDep
from app.main import create_app
from tests.clients import MakeApp, MakeSettings, open_client
from tests.databases import upgrade_schema
from tests.logs import LogLines
from tests.parcels import PARCELS_URL, Label, Parcel, connect_parcels
from tests.problems import check_problem

READY_URL = "/api/v1/ready"
# {% if cookiecutter.database == "postgresql" %}
NOWHERE = "postgresql://u:canary@127.0.0.1:1/x"
# {% elif cookiecutter.database == "mysql" %}
NOWHERE = "mysql://u:canary@127.0.0.1:1/x"
# {% else %}
NOWHERE = "sqlite:////nowhere/x.db"
# {% endif %}


async def count_parcels(app: FastAPI) -> int:
    async with app.state.sessions() as session:
        return len((await session.scalars(select(Parcel))).all())


async def join_failed_connections() -> None:
    """Wait for the threads of aiosqlite's failed connections, which still use the event loop."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


class TestTransaction:
    @pytest.mark.parametrize(
        ("error", "status"), [(ConnectionResetError, 503), (RuntimeError, 500)]
    )
    async def test_failing_commit_is_not_reported_as_success(
        self, make_app: MakeApp, own_database_url: str, error: type[Exception], status: int
    ) -> None:
        def fail(_connection: Any) -> Never:
            raise error("canary")

        pool = {"database_pool_size": 1, "database_max_overflow": 0}
        app = make_app(database_url=own_database_url, **pool)
        async with connect_parcels(app) as client:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(app.state.engine.dialect, "do_commit", fail)
                response = await client.post(PARCELS_URL)

            assert response.status_code == status
            assert "canary" not in response.text
            assert (await client.post(PARCELS_URL)).status_code == 201
            assert await count_parcels(app) == 1

    async def test_exception_rolls_back(self, app: FastAPI, parcels: AsyncClient) -> None:
        @app.post("/half")
        async def delete_and_fail(session: SessionDep) -> None:
            await session.execute(delete(Parcel))
            raise ValueError

        await parcels.post(PARCELS_URL)
        assert (await parcels.post("/half")).status_code == 500

        assert await count_parcels(app) == 1

    async def test_released_savepoint_rolls_back_with_its_transaction(
        self, app: FastAPI, parcels: AsyncClient
    ) -> None:
        await parcels.post(PARCELS_URL)

        async with app.state.sessions() as session:
            async with session.begin_nested():
                await session.execute(delete(Parcel))
            await session.rollback()

        assert await count_parcels(app) == 1

    async def test_flush_in_get_request_returns_500(
        self, app: FastAPI, parcels: AsyncClient, log_lines: LogLines
    ) -> None:
        @app.get("/write")
        async def write(session: SessionDep) -> None:
            session.add(Label(parcel_id=uuid.uuid4(), name="x"))

        assert (await parcels.get("/write")).status_code == 500
        assert "a GET request must not change data" in str(log_lines()[-2])


class TestRelationship:
    async def test_unloaded_relationship_raises(self, app: FastAPI, parcels: AsyncClient) -> None:
        await parcels.post(PARCELS_URL)

        async with app.state.sessions() as session:
            parcel = await session.scalar(select(Parcel))
            with pytest.raises(InvalidRequestError):
                _ = parcel.labels

    async def test_deleting_parent_deletes_children(
        self, app: FastAPI, parcels: AsyncClient
    ) -> None:
        await parcels.post(PARCELS_URL)

        async with app.state.sessions() as session:
            await session.execute(delete(Parcel))
            assert (await session.scalars(select(Label))).all() == []


class TestIntegrityError:
    async def test_violated_foreign_or_unique_key_returns_409(
        self, app: FastAPI, parcels: AsyncClient
    ) -> None:
        @app.post("/labels/{parcel_id}")
        async def create_label(session: SessionDep, parcel_id: uuid.UUID) -> None:
            session.add(Label(parcel_id=parcel_id, name="kitchen"))

        parcel_with_label = (await parcels.post(PARCELS_URL)).json()

        for parcel_id in (uuid.uuid4(), parcel_with_label):
            check_problem(await parcels.post(f"/labels/{parcel_id}"), 409, "CONFLICT")

    async def test_missing_value_returns_500(
        self, app: FastAPI, parcels: AsyncClient, log_lines: LogLines
    ) -> None:
        @app.post("/incomplete")
        async def create_incomplete(session: SessionDep) -> None:
            await session.execute(insert(Parcel).values(name="Mug"))

        check_problem(await parcels.post("/incomplete"), 500, "INTERNAL_ERROR")
        assert "Traceback" in str(log_lines())


class TestFailure:
    async def test_exhausted_pool_returns_503_but_stays_ready(
        self, make_app: MakeApp, own_database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(db_engine, "POOL_TIMEOUT_SECONDS", 1)
        pool = {"database_pool_size": 1, "database_max_overflow": 0}
        app = make_app(database_url=own_database_url, **pool)
        async with connect_parcels(app) as client:
            async with app.state.sessions() as session:
                await session.execute(text("SELECT 1"))
                response = await client.get(PARCELS_URL)
                ready = await client.get(READY_URL)

            check_problem(response, 503, "SERVICE_UNAVAILABLE")
            assert response.headers["retry-after"].isdigit()
            assert ready.status_code == 200
            assert (await client.get(PARCELS_URL)).status_code == 200

    async def test_invalid_statement_returns_500(self, app: FastAPI, client: AsyncClient) -> None:
        @app.get("/mistake")
        async def execute_nonsense(session: SessionDep) -> None:
            await session.execute(text("SELECT canary("))

        response = await client.get("/mistake")

        check_problem(response, 500, "INTERNAL_ERROR")
        assert "canary" not in response.text

    async def test_network_error_of_another_service_returns_500(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        @app.post("/payments")
        async def pay(session: SessionDep) -> None:
            await session.execute(text("SELECT 1"))
            raise ConnectionResetError

        check_problem(await client.post("/payments"), 500, "INTERNAL_ERROR")

    async def test_vanished_database_returns_503_until_it_is_back(
        self, make_app: MakeApp, own_database_url: str
    ) -> None:
        def refuse(*_arguments: Any) -> Never:
            raise ConnectionRefusedError("canary")

        app = make_app(database_url=own_database_url)
        async with connect_parcels(app) as client:
            event.listen(app.state.engine.sync_engine, "do_execute", refuse)
            response = await client.get(PARCELS_URL)
            event.remove(app.state.engine.sync_engine, "do_execute", refuse)

            check_problem(response, 503, "SERVICE_UNAVAILABLE")
            assert "canary" not in response.text
            assert (await client.get(PARCELS_URL)).status_code == 200

    async def test_closed_idle_connection_is_replaced(
        self, make_app: MakeApp, own_database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(db_engine, "IDLE_SECONDS", 0)
        app = make_app(database_url=own_database_url)
        async with connect_parcels(app) as client:
            async with app.state.engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
            # {% if cookiecutter.database == "mysql" %}
            driver.close() if hasattr(driver, "get_autocommit") else await driver.close()
            # {% else %}
            await driver.close()
            # {% endif %}

            assert (await client.get(PARCELS_URL)).status_code == 200


class TestStartup:
    async def test_unreachable_database_prevents_startup(
        self, make_app: MakeApp, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(db_engine, "STARTUP_TIMEOUT_SECONDS", 0)
        app = make_app(database_url=NOWHERE)

        with pytest.raises(DBAPIError):
            async with app.router.lifespan_context(app):
                pass
        await join_failed_connections()

        assert [line["event"] for line in log_lines()] == ["database_unreachable"]
        assert "canary" not in str(log_lines())

    async def test_missing_schema_is_one_line_that_names_the_command(
        self, make_settings: MakeSettings, own_database_url: str, log_lines: LogLines
    ) -> None:
        settings = make_settings(database_url=own_database_url)
        app = create_app(settings.model_copy(update={"environment": "production"}))

        async with app.router.lifespan_context(app), open_client(app) as client:
            assert (await client.get(READY_URL)).status_code == 503
            (line,) = [line for line in log_lines() if line["level"] == "error"]
            await upgrade_schema(own_database_url)
            assert (await client.get(READY_URL)).status_code == 200

        assert line["event"] == "schema_outdated"
        assert "Run: uv run manage " in line["reason"]

    async def test_local_default_is_a_file(
        self, make_app: MakeApp, log_lines: LogLines, tmp_path: Path
    ) -> None:
        app = make_app(environment="local", database_url=None)

        async with app.router.lifespan_context(app), open_client(app) as client:
            assert (await client.get(READY_URL)).status_code == 200

        assert (tmp_path / "local.db").exists()
        (line,) = [line for line in log_lines() if line["event"] == "no_database_url"]
        assert line["using"] == "sqlite+aiosqlite:///local.db"

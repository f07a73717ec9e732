"""Tests of the schema that is created from the models."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from httpx2 import AsyncClient
from sqlalchemy import DDL, Column, Integer, Table, event, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import create_engine
from app.db.schema import SchemaError, check_schema, update_schema, upgrade
from app.models import Base
from app.settings import Settings
from tests.clients import MakeSettings


@pytest.fixture
def own_settings(make_settings: MakeSettings, own_database_url: str) -> Settings:
    return make_settings(database_url=own_database_url)


@pytest.fixture
async def engine(own_settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine of an empty database."""
    engine = create_engine(own_settings)
    yield engine
    await engine.dispose()


@pytest.fixture
def new_table() -> Iterator[Table]:
    """A table that the models have gained."""
    table = Table("test_crates", Base.metadata, Column("id", Integer, primary_key=True))
    yield table
    Base.metadata.remove(table)


async def list_tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


class TestUpgrade:
    async def test_creates_missing_tables_and_keeps_the_others(
        self, engine: AsyncEngine, new_table: Table
    ) -> None:
        await upgrade(engine)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE mine (id INTEGER)"))
            await connection.run_sync(new_table.drop)
        with pytest.raises(SchemaError, match="Run: uv run manage create-schema"):
            await check_schema(engine)

        await upgrade(engine)

        await check_schema(engine)
        assert await list_tables(engine) == {*Base.metadata.tables, "mine"}

    async def test_concurrent_processes_create_the_schema_once(
        self, own_settings: Settings, engine: AsyncEngine
    ) -> None:
        code = "from app.cli import main; main(['create-schema'])"
        environment = {"DATABASE_URL": own_settings.database.render_as_string(hide_password=False)}

        processes = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment)
            for _ in range(2)
        ]

        assert [await process.wait() for process in processes] == [0] * 2
        await check_schema(engine)

    async def test_event_of_the_metadata_creates_a_view(
        self, own_settings: Settings, engine: AsyncEngine, new_table: Table
    ) -> None:
        view = DDL("CREATE VIEW ids AS SELECT id FROM test_crates")  # type: ignore[no-untyped-call]
        event.listen(Base.metadata, "after_create", view)
        try:
            await update_schema(own_settings)
        finally:
            event.remove(Base.metadata, "after_create", view)

        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT id FROM ids"))).all() == []


async def test_missing_table_is_not_ready(client: AsyncClient, new_table: Table) -> None:
    response = await client.get("/api/v1/ready")

    assert response.status_code == 503
    checks = response.json()["checks"]
    assert (checks["database"], checks["schema"]) == ("ok", "fail")

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import DDL, event, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import create_engine
from app.db.schema import SchemaError, check_schema, update_schema, upgrade
from app.models import Base, Tag
from app.settings import Settings


@pytest.fixture
def settings(make_settings: Any, own_database_url: str) -> Settings:
    settings: Settings = make_settings(database_url=own_database_url)
    return settings


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


async def find_tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_what_is_missing_is_created_and_what_is_there_stays(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mine (id INTEGER)"))
        await connection.run_sync(Base.metadata.tables[Tag.__tablename__].drop)
    with pytest.raises(SchemaError):
        await check_schema(engine)
    await upgrade(engine)
    await check_schema(engine)
    assert await find_tables(engine) == {*Base.metadata.tables, "mine"}


async def test_five_at_once(settings: Settings, engine: AsyncEngine) -> None:
    code = "from app.cli import main; main(['create-schema'])"
    variables = {"DATABASE_URL": settings.database.render_as_string(hide_password=False)}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=variables)
        for _ in range(5)
    ]
    assert [await process.wait() for process in processes] == [0] * 5
    await check_schema(engine)


async def test_more_than_tables_hangs_on_an_event(settings: Settings, engine: AsyncEngine) -> None:
    view = DDL("CREATE VIEW names AS SELECT name FROM items")  # type: ignore[no-untyped-call]
    event.listen(Base.metadata, "after_create", view)
    try:
        await update_schema(settings)
    finally:
        event.remove(Base.metadata, "after_create", view)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT name FROM names"))).all() == []


async def test_a_schema_with_a_table_missing_is_not_ready(make_app: Any, connect: Any) -> None:
    app = make_app()
    async with connect(app) as client:
        async with app.state.engine.begin() as connection:
            await connection.run_sync(Base.metadata.tables[Tag.__tablename__].drop)
        answer = await client.get("/api/v1/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "ok", "schema": "fail"}
        await upgrade(app.state.engine)

"""Tests of the migrations and of `manage migrate`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from click.testing import CliRunner
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import Connection, delete, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli import main
from app.db.engine import create_engine
from app.db.schema import (
    VERSIONS,
    SchemaError,
    check_schema,
    create_config,
    load_scripts,
    update_schema,
    upgrade,
)
from app.models import Base
from app.settings import Settings
from tests.clients import MakeApp, MakeSettings
from tests.logs import LogLines

READY_URL = "/api/v1/ready"
# {% if cookiecutter.database == "postgresql" %}
NOWHERE = "postgresql://nobody:canary@127.0.0.1:1/none"
# {% elif cookiecutter.database == "mysql" %}
NOWHERE = "mysql://nobody:canary@127.0.0.1:1/none"
# {% else %}
NOWHERE = "sqlite:////nowhere/canary.db"
# {% endif %}


@pytest.fixture
def own_settings(make_settings: MakeSettings, own_database_url: str) -> Settings:
    return make_settings(database_url=own_database_url)


@pytest.fixture
async def engine(own_settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine of an empty database."""
    engine = create_engine(own_settings)
    yield engine
    await engine.dispose()


async def run_alembic(engine: AsyncEngine, action: Any, *arguments: str) -> None:
    def run(connection: Connection) -> None:
        config = create_config()
        config.attributes["connection"] = connection
        action(config, *arguments)

    async with engine.connect() as connection:
        await connection.run_sync(run)


async def list_tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


class TestUpgrade:
    async def test_schema_equals_the_models_and_downgrade_drops_it(
        self, engine: AsyncEngine
    ) -> None:
        for _ in range(2):
            await run_alembic(engine, command.upgrade, "head")
            await run_alembic(engine, command.check)
            assert await list_tables(engine) >= Base.metadata.tables.keys()
            await run_alembic(engine, command.downgrade, "base")
            assert await list_tables(engine) == {VERSIONS.name}

    async def test_concurrent_processes_migrate_once(
        self, own_settings: Settings, engine: AsyncEngine
    ) -> None:
        code = "from app.cli import main; main(['migrate'])"
        environment = {"DATABASE_URL": own_settings.database.render_as_string(hide_password=False)}

        processes = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment)
            for _ in range(2)
        ]

        assert [await process.wait() for process in processes] == [0] * 2
        async with engine.connect() as connection:
            applied = (await connection.scalars(select(VERSIONS.c.version_num))).all()
        assert applied == load_scripts().get_heads()

    async def test_newer_schema_is_left_alone_and_logged(
        self, own_settings: Settings, engine: AsyncEngine, log_lines: LogLines
    ) -> None:
        await upgrade(engine)
        async with engine.begin() as connection:
            await connection.execute(delete(VERSIONS))
            await connection.execute(insert(VERSIONS).values(version_num="newer"))

        await update_schema(own_settings)

        await check_schema(engine)
        assert "schema_is_newer" in {line["event"] for line in log_lines()}

    def test_sql_can_be_printed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", NOWHERE)

        command.upgrade(create_config(), "head", sql=True)

        assert "CREATE TABLE alembic_version" in capsys.readouterr().out


class TestStartup:
    async def test_outdated_schema_is_not_ready(
        self, running_app: FastAPI, client: AsyncClient
    ) -> None:
        engine = running_app.state.engine
        async with engine.begin() as connection:
            before = (await connection.scalars(select(VERSIONS.c.version_num))).all()
            await connection.execute(delete(VERSIONS))

        response = await client.get(READY_URL)

        async with engine.begin() as connection:
            await connection.execute(insert(VERSIONS), [{"version_num": name} for name in before])
        assert response.status_code == 503
        checks = response.json()["checks"]
        assert (checks["database"], checks["schema"]) == ("ok", "fail")
        assert (await client.get(READY_URL)).status_code == 200

    @pytest.mark.parametrize("updates", [True, False])
    async def test_startup_updates_the_schema_if_configured(
        self, make_app: MakeApp, own_database_url: str, engine: AsyncEngine, updates: bool
    ) -> None:
        app = make_app(database_url=own_database_url, update_schema_on_startup=updates)

        async with app.router.lifespan_context(app):
            assert (VERSIONS.name in await list_tables(engine)) == updates

    async def test_startup_updates_a_database_in_memory(self, make_app: MakeApp) -> None:
        app = make_app(database_url="sqlite://", update_schema_on_startup=True)

        async with app.router.lifespan_context(app):
            await check_schema(app.state.engine)

    async def test_missing_migrations_name_the_command(self, engine: AsyncEngine) -> None:
        with pytest.raises(SchemaError, match="Run: uv run manage migrate"):
            await check_schema(engine)


class TestCommand:
    def test_migrate_can_be_repeated(self, own_settings: Settings, own_database_url: str) -> None:
        for _ in range(2):
            result = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": own_database_url})
            assert result.exit_code == 0, result.output

    def test_migrate_without_database_fails_with_one_line(self) -> None:
        result = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": NOWHERE})

        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: The database is unavailable (")
        # {% if cookiecutter.database != "sqlite" %}
        assert "canary" not in result.output
        # {% endif %}

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from click.testing import CliRunner
from sqlalchemy import Connection, delete, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli import main
from app.db.engine import create_engine
from app.db.migrate import (
    VERSIONS,
    SchemaError,
    check_schema,
    load_scripts,
    make_config,
    update_schema,
    upgrade,
)
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


async def run(engine: AsyncEngine, action: Any, *arguments: str) -> None:
    def act(connection: Connection) -> None:
        config = make_config()
        config.attributes["connection"] = connection
        action(config, *arguments)

    async with engine.connect() as connection:
        await connection.run_sync(act)


async def find_tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_up_equals_the_models_and_down_leaves_nothing(engine: AsyncEngine) -> None:
    for _ in range(2):
        await run(engine, command.upgrade, "head")
        await run(engine, command.check)
        assert "items" in await find_tables(engine)
        await run(engine, command.downgrade, "base")
        assert await find_tables(engine) == {VERSIONS.name}


async def test_five_at_once(settings: Settings, engine: AsyncEngine) -> None:
    with pytest.raises(SchemaError):
        await check_schema(engine)
    code = "from app.cli import main; main(['migrate'])"
    variables = {"DATABASE_URL": settings.database.render_as_string(hide_password=False)}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=variables)
        for _ in range(5)
    ]
    assert [await process.wait() for process in processes] == [0] * 5
    await check_schema(engine)
    async with engine.connect() as connection:
        applied = (await connection.scalars(select(VERSIONS.c.version_num))).all()
    assert applied == load_scripts().get_heads()


async def test_a_schema_that_is_behind_is_not_ready(make_app: Any, connect: Any) -> None:
    app = make_app()
    async with connect(app) as client:
        assert (await client.get("/api/v1/ready")).status_code == 200
        async with app.state.engine.begin() as connection:
            before = (await connection.scalars(select(VERSIONS.c.version_num))).all()
            await connection.execute(delete(VERSIONS))
        answer = await client.get("/api/v1/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "ok", "schema": "fail"}
        async with app.state.engine.begin() as connection:
            await connection.execute(insert(VERSIONS), [{"version_num": name} for name in before])


async def test_a_schema_that_is_ahead_is_left_alone_and_logged(
    settings: Settings, engine: AsyncEngine, log_lines: Any
) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(delete(VERSIONS))
        await connection.execute(insert(VERSIONS).values(version_num="newer"))
    await update_schema(settings)
    await check_schema(engine)
    assert "schema_is_newer" in {line["event"] for line in log_lines()}


@pytest.mark.parametrize("updates", [True, False])
async def test_a_start_updates_the_schema_if_told(
    make_app: Any, own_database_url: str, engine: AsyncEngine, updates: bool
) -> None:
    app = make_app(database_url=own_database_url, update_schema_on_startup=updates)
    async with app.router.lifespan_context(app):
        assert ("items" in await find_tables(engine)) == updates


def test_the_command(own_database_url: str, settings: Settings, log_lines: Any) -> None:
    for _ in range(2):
        result = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": own_database_url})
        assert result.exit_code == 0, result.output


def test_the_command_refuses_in_one_line(log_lines: Any) -> None:
    result = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": "canary"})
    assert result.exit_code == 1
    assert "DATABASE_URL: must begin with" in result.stdout
    assert "canary" not in result.stdout


def test_the_statements_can_be_written(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    # {% if cookiecutter.database == "postgresql" %}
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@nowhere.invalid/none")
    # {% elif cookiecutter.database == "mysql" %}
    monkeypatch.setenv("DATABASE_URL", "mysql://nobody@nowhere.invalid/none")
    # {% else %}
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/none.db")
    # {% endif %}
    # {% if cookiecutter.database == "sqlite" %}
    # Tables of SQLite are altered by a look at them, which nobody can write down.
    command.upgrade(make_config(), "0001", sql=True)
    # {% else %}
    command.upgrade(make_config(), "head", sql=True)
    # {% endif %}
    assert "CREATE TABLE items" in capsys.readouterr().out

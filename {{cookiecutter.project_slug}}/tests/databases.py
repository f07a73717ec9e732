"""The database of a test run: in memory, or on the server of TEST_DATABASE_URL."""

import asyncio
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import create_engine
from app.db.schema import upgrade
from app.db.settings import parse_database_url
from app.models import Base
from app.settings import Settings

# The database to connect to for creating another one.
# {% if cookiecutter.database == "postgresql" %}
MAINTENANCE = "postgres"
# {% else %}
MAINTENANCE = None
# {% endif %}

# The statements that create the schema. Updating a schema takes twenty times as long.
dump: list[str] = []


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """URL of the database that tests share; each test leaves it empty."""
    with make_test_database() as url:
        yield url


@pytest.fixture
def own_database_url(tmp_path: Path) -> Iterator[str]:
    """URL of an empty database that accepts several connections, unlike one in memory."""
    with make_test_database(tmp_path / "test.db") as url:
        yield url


@contextmanager
def make_test_database(file: Path | None = None) -> Generator[str]:
    """Yield the URL of a new database, and drop it. Without a server, it is `file` or in memory."""
    url = parse_database_url(os.environ.get("TEST_DATABASE_URL", "sqlite://"))
    if url.get_backend_name() == "sqlite":
        yield f"sqlite:///{file}" if file else "sqlite://"
        return
    if "test" not in (url.database or ""):
        raise RuntimeError("TEST_DATABASE_URL: the name of the database must contain `test`")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{url.database}_{worker}" + ("_own" if file else "")
    server = url.render_as_string(hide_password=False)
    asyncio.run(execute(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    asyncio.run(execute(server, f"DROP DATABASE {name}"))


async def prepare_schema(engine: AsyncEngine) -> None:
    """Bring the schema up to date. In memory, copy the schema that the first test created."""
    if engine.url.database:
        await upgrade(engine)
        return
    if not dump:
        await upgrade(engine)
    async with engine.connect() as connection:
        memory: Any = (await connection.get_raw_connection()).driver_connection
        if dump:
            await memory.executescript("".join(dump))
        else:
            dump.extend([statement async for statement in memory.iterdump()])


async def delete_rows(engine: AsyncEngine) -> None:
    """Leave the shared database empty. The one in memory ends with its engine."""
    if not engine.url.database:
        return
    async with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(delete(table))


async def upgrade_schema(url: str) -> None:
    """Bring the schema of the database up to date."""
    engine = create_engine(Settings(_env_file=None, database_url=url))
    await upgrade(engine)
    await engine.dispose()


async def execute(server_url: str, *statements: str) -> None:
    """Execute statements such as CREATE DATABASE, on the server's maintenance database."""
    url = parse_database_url(server_url)._replace(database=MAINTENANCE)
    settings = Settings(_env_file=None, database_url=url.render_as_string(hide_password=False))
    engine = create_engine(settings).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
    await engine.dispose()

"""The engine of the application, and what differs between databases behind two functions."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog import get_logger

# {% if cookiecutter.database == "postgresql" %}
from app.db import postgresql, sqlite
# {% elif cookiecutter.database == "mysql" %}
from app.db import mysql, sqlite
# {% else %}
from app.db import sqlite
# {% endif %}
from app.db.settings import DatabaseSettings

log = get_logger("app.db")


class Backend(Protocol):
    """What a module such as `app.db.sqlite` holds."""

    def create_engine(self, settings: DatabaseSettings, **options: object) -> AsyncEngine:
        """Return an engine with the options of `create_async_engine`."""

    def lock_schema(self, connection: Connection) -> AbstractContextManager[None]:
        """Let one process at a time change the schema; OperationalError after a minute."""


# {% if cookiecutter.database == "postgresql" %}
BACKENDS: dict[str, Backend] = {"postgresql": postgresql, "sqlite": sqlite}
# {% elif cookiecutter.database == "mysql" %}
BACKENDS: dict[str, Backend] = {"mysql": mysql, "sqlite": sqlite}
# {% else %}
BACKENDS: dict[str, Backend] = {"sqlite": sqlite}
# {% endif %}


def create_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Return an engine, which connects when it is first used."""
    engine = BACKENDS[settings.database.get_backend_name()].create_engine(
        settings,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_timeout=settings.database_pool_timeout,
        pool_recycle=settings.database_pool_recycle,
        pool_pre_ping=settings.database_pool_pre_ping,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "do_connect", connect)
    return engine


def connect(
    dialect: Dialect, _record: object, args: Sequence[Any], options: dict[str, Any]
) -> DBAPIConnection:
    """Return a connection; OperationalError whatever the driver raises when there is none."""
    errors: Any = dialect.loaded_dbapi
    try:
        return dialect.connect(*args, **options)
    except (OSError, errors.Error) as error:
        raise errors.OperationalError(f"{type(error).__name__}: {error}") from error


def lock_schema(connection: Connection) -> AbstractContextManager[None]:
    """Let one process at a time change the schema; OperationalError after a minute."""
    return BACKENDS[connection.dialect.name].lock_schema(connection)


async def check_connection(engine: AsyncEngine) -> None:
    """Return if the database answers; DBAPIError if not."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def wait_for_database(engine: AsyncEngine, seconds: int) -> None:
    """Return as soon as the database answers; DBAPIError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await check_connection(engine)
        except DBAPIError as error:
            log.warning("database_unreachable", error=str(error.orig))
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(0.5)

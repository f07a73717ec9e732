"""The database engine."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ExceptionContext, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, StaticPool
from structlog import get_logger

# {% if cookiecutter.database == "postgresql" %}
from app.db import postgresql, sqlite
# {% elif cookiecutter.database == "mysql" %}
from app.db import mysql, sqlite
# {% else %}
from app.db import sqlite
# {% endif %}
from app.db.settings import DatabaseSettings

POOL_TIMEOUT_SECONDS = 5
POOL_RECYCLE_SECONDS = 3600  # below the idle timeouts of servers and firewalls
STARTUP_TIMEOUT_SECONDS = 10
IDLE_SECONDS = 1.0
PROBE_CONNECTIONS = 2
# {% if cookiecutter.database == "postgresql" %}
BACKENDS = {"postgresql": postgresql, "sqlite": sqlite}
# {% elif cookiecutter.database == "mysql" %}
BACKENDS = {"mysql": mysql, "sqlite": sqlite}
# {% else %}
BACKENDS = {"sqlite": sqlite}
# {% endif %}
log = get_logger("app.db")


def create_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Return an engine. It connects when it is first used."""
    pooling: dict[str, object] = {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "pool_recycle": POOL_RECYCLE_SECONDS,
    }
    if not settings.database_pool_size:
        pooling = {"poolclass": NullPool}
    engine: AsyncEngine = BACKENDS[settings.database.get_backend_name()].create_engine(
        settings, hide_parameters=True, **pooling
    )
    event.listen(engine.sync_engine, "do_connect", connect)
    event.listen(engine.sync_engine, "handle_error", translate_network_error)
    event.listen(engine.sync_engine, "checkin", remember_return)
    event.listen(engine.sync_engine, "checkout", partial(ping_idle_connection, engine.dialect))
    return engine


def create_probe_engine(engine: AsyncEngine, settings: DatabaseSettings) -> AsyncEngine:
    """Return an engine for readiness checks, which must not fail when the pool is busy."""
    if isinstance(engine.pool, StaticPool | NullPool):
        return engine
    pool = {"database_pool_size": PROBE_CONNECTIONS, "database_max_overflow": 0}
    return create_engine(settings.model_copy(update=pool))


def connect(
    dialect: Dialect, _record: object, args: Sequence[Any], options: dict[str, Any]
) -> DBAPIConnection:
    """Return a new connection.

    Raises:
        OperationalError: The driver's, for every reason: some raise a bare OSError when the
            server refuses the connection.
    """
    errors: Any = dialect.loaded_dbapi
    try:
        return dialect.connect(*args, **options)
    except (OSError, errors.Error) as error:
        raise errors.OperationalError(f"{type(error).__name__}: {error}") from error


def translate_network_error(context: ExceptionContext) -> OperationalError | None:
    """Return OperationalError for a bare OSError of the driver, and invalidate its connection.

    Only here it is certain that the error is the database's and not another service's.
    """
    error = context.original_exception
    if not isinstance(error, OSError):
        return None
    context.is_disconnect = True
    # One statement that takes too long says nothing about the other connections.
    context.invalidate_pool_on_disconnect = not isinstance(error, TimeoutError)
    return OperationalError(context.statement, None, error, hide_parameters=True)


def remember_return(_connection: object, record: ConnectionPoolEntry) -> None:
    """Store when the connection was returned to the pool."""
    record.info["returned_at"] = time.monotonic()


def ping_idle_connection(
    dialect: Dialect, connection: DBAPIConnection, record: ConnectionPoolEntry, *_rest: object
) -> None:
    """Test a pooled connection before use if it was idle.

    `pool_pre_ping` tests it before every request, which takes up to three round trips.

    Raises:
        InvalidatePoolError: The server has closed the connection; the pool opens new ones.
    """
    now = time.monotonic()
    if now - record.info.get("returned_at", now) < IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except Exception as error:
        raise InvalidatePoolError from error


async def check_connection(engine: AsyncEngine) -> None:
    """Run a trivial statement.

    Raises:
        DBAPIError: The database does not respond.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def wait_for_database(engine: AsyncEngine) -> None:
    """Wait until the database responds.

    Raises:
        DBAPIError: It does not respond within STARTUP_TIMEOUT_SECONDS.
    """
    deadline = time.monotonic() + STARTUP_TIMEOUT_SECONDS
    while True:
        try:
            return await check_connection(engine)
        except DBAPIError as error:
            log.warning("database_unreachable", error=str(error.orig))
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(0.5)

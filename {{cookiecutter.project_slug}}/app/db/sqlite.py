"""SQLite through aiosqlite: a file, or memory for tests."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, StaticPool, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.settings import DatabaseSettings

LOCK_TIMEOUT_SECONDS = 5
READ_OPTIONS: dict[str, Any] = {}


def create_engine(settings: DatabaseSettings, **options: object) -> AsyncEngine:
    """Return an engine. A database in memory has a single connection, which all sessions share."""
    url = settings.database
    if url.database in {None, "", ":memory:"}:
        options = {"poolclass": StaticPool, "hide_parameters": True}
    # A transaction that begins with a read and then writes fails at once if the file is locked.
    connect_args = {"timeout": LOCK_TIMEOUT_SECONDS, "isolation_level": "IMMEDIATE"}
    engine = create_async_engine(url, connect_args=connect_args, **options)
    event.listen(engine.sync_engine, "connect", set_pragmas)
    event.listen(engine.sync_engine, "savepoint", begin_before_savepoint)
    return engine


def set_pragmas(connection: DBAPIConnection, _record: object) -> None:
    """Enforce foreign keys, and let readers and a writer work at the same time."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    # The file remembers this mode. Another process that creates the file sets the same mode.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def begin_before_savepoint(connection: Connection, _name: str) -> None:
    """Begin a transaction, which the driver does not, or releasing the savepoint commits."""
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def lock_schema(connection: Connection) -> Generator[None]:
    """Let one process at a time change the schema, until the end of the transaction."""
    connection.exec_driver_sql("PRAGMA busy_timeout = 60000")
    # A changed table is copied and dropped, which must not delete child rows.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    yield
    connection.exec_driver_sql("PRAGMA foreign_keys = ON")

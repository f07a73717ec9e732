"""SQLite through aiosqlite: a file, or memory for tests."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, StaticPool, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.settings import DatabaseSettings


def create_engine(settings: DatabaseSettings, **options: object) -> AsyncEngine:
    """Return the engine; a database in memory has one connection, which all share."""
    url = settings.database
    if url.database in {None, "", ":memory:"}:
        options = {"poolclass": StaticPool, "hide_parameters": True}
    # A write transaction takes its lock at once: one that starts by reading cannot wait for it.
    connect_args = {"timeout": settings.database_pool_timeout, "isolation_level": "IMMEDIATE"}
    engine = create_async_engine(url, connect_args=connect_args, **options)

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")
        # Of a new file, which remembers it; whoever else is making the file does the same.
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "savepoint")
    def begin_first(connection: Connection, _name: str) -> None:
        # The driver does not, and then the savepoint's end commits.
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def lock_schema(connection: Connection) -> Iterator[None]:
    """Let one process at a time change the schema, until the end of the transaction."""
    connection.exec_driver_sql("PRAGMA busy_timeout = 60000")
    # A table that is changed is copied and dropped, which must not delete its rows' children.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    yield
    connection.exec_driver_sql("PRAGMA foreign_keys = ON")

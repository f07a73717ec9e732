"""PostgreSQL through asyncpg."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlencode

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.settings import DatabaseSettings

CONNECT_TIMEOUT_SECONDS = 5
# Parameters of libpq that asyncpg would pass to the server, which rejects them.
LIBPQ_ONLY = {"channel_binding", "connect_timeout", "gssencmode"}
# Saves the round trips of BEGIN and COMMIT.
READ_OPTIONS = {"isolation_level": "AUTOCOMMIT"}


def create_engine(settings: DatabaseSettings, **options: object) -> AsyncEngine:
    """Return an engine. The URL may have libpq's parameters, such as `sslmode=verify-full`."""
    url = settings.database
    # asyncpg understands them only in a DSN.
    parameters = {name: value for name, value in url.query.items() if name not in LIBPQ_ONLY}
    context = None  # asyncpg follows `sslmode`
    if parameters.get("sslrootcert") == "system":  # the name of a file for asyncpg
        del parameters["sslrootcert"]
        context = ssl.create_default_context()
    connect_args = {
        "ssl": context,
        "dsn": f"postgresql://?{urlencode(parameters, doseq=True)}",
        "timeout": CONNECT_TIMEOUT_SECONDS,
        # Unlike the server's statement_timeout it also ends when the server has vanished.
        "command_timeout": settings.database_statement_timeout or None,
    }
    return create_async_engine(url.set(query={}), connect_args=connect_args, **options)


@contextmanager
def lock_schema(connection: Connection) -> Generator[None]:
    """Let one process at a time change the schema, until the end of the transaction."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('schema'))")
    # A schema change that waits for a table blocks every later query of that table.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    yield

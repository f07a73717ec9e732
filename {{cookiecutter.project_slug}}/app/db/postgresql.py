"""PostgreSQL through asyncpg."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.settings import DatabaseSettings

# Parameters of libpq which asyncpg would hand to the server, which does not know them.
LIBPQ_ONLY = {"channel_binding", "connect_timeout", "gssencmode"}


def create_engine(settings: DatabaseSettings, **options: object) -> AsyncEngine:
    """Return the engine; the URL's parameters are libpq's, `sslmode=verify-full` among them."""
    url = settings.database
    # Only in a DSN does asyncpg understand them.
    parameters = {name: value for name, value in url.query.items() if name not in LIBPQ_ONLY}
    if parameters.get("sslrootcert") == "system":
        parameters["sslrootcert"] = ssl.get_default_verify_paths().cafile or ""
    connect_args = {
        "dsn": f"postgresql://?{urlencode(parameters, doseq=True)}",
        "timeout": settings.database_pool_timeout,
        # Not the server's statement_timeout: this one also ends when the server has vanished.
        "command_timeout": settings.database_statement_timeout or None,
    }
    return create_async_engine(url.set(query={}), connect_args=connect_args, **options)


@contextmanager
def lock_schema(connection: Connection) -> Iterator[None]:
    """Let one process at a time change the schema, until the end of the transaction."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('schema'))")
    # Who waits for a table makes all others wait that come after.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    yield

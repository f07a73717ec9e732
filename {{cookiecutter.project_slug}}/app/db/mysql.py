"""MySQL and MariaDB through asyncmy."""

import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, DateTime, Table, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles

from app.db.settings import DatabaseSettings

CONNECT_TIMEOUT_SECONDS = 5
GRACE_SECONDS = 5
TLS_PARAMETERS = ("ssl-mode", "ssl_ca", "ssl_cert", "ssl_key")
READ_OPTIONS: dict[str, Any] = {}


def create_engine(settings: DatabaseSettings, **options: object) -> AsyncEngine:
    """Return an engine. The URL's `ssl-mode` means the same as for the `mysql` client."""
    url, timeout = settings.database, settings.database_statement_timeout
    command = "SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
    if timeout:
        # MySQL executes the first comment and MariaDB the second.
        command += f", innodb_lock_wait_timeout = {timeout}"
        command += f" /*!80000 , max_execution_time = {timeout * 1000} */"
        command += f" /*M! , max_statement_time = {timeout} */"
    connect_args = {
        "ssl": create_tls_context(url.query),
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "init_command": command,
        # Applies when the server has vanished.
        "read_timeout": timeout + GRACE_SECONDS if timeout else None,
    }
    url = url.difference_update_query(TLS_PARAMETERS)
    # The default level locks gaps of an index, where concurrent inserts block each other.
    options |= {"isolation_level": "READ COMMITTED"}
    return create_async_engine(url, connect_args=connect_args, **options)


def create_tls_context(query: Mapping[str, Any]) -> ssl.SSLContext | None:
    """Return the TLS context for `ssl-mode`, or None for DISABLED and PREFERRED, the default.

    Unlike the `mysql` client, the driver does not try TLS first with PREFERRED.

    REQUIRED verifies nothing, VERIFY_CA the certificate and VERIFY_IDENTITY also the host name
    (MySQL Reference Manual 6.2.3), against `ssl_ca` or the authorities of the system.
    """
    mode = str(query.get("ssl-mode", "PREFERRED")).upper()
    if mode in {"DISABLED", "PREFERRED"}:
        return None
    context = ssl.create_default_context(cafile=query.get("ssl_ca"))
    context.check_hostname = mode == "VERIFY_IDENTITY"
    context.verify_mode = ssl.CERT_NONE if mode == "REQUIRED" else ssl.CERT_REQUIRED
    if certificate := query.get("ssl_cert"):
        context.load_cert_chain(certificate, query.get("ssl_key"))
    return context


@event.listens_for(Table, "before_create")
def use_binary_collation(table: Table, *_arguments: object, **_options: object) -> None:
    """Compare text byte by byte: `à` is not `a`."""
    table.kwargs["mysql_charset"], table.kwargs["mysql_collate"] = "utf8mb4", "utf8mb4_bin"


@compiles(DateTime, "mysql")
def compile_datetime(*_arguments: object, **_options: object) -> str:
    """Return the column type of a time with microseconds."""
    return "DATETIME(6)"


@contextmanager
def lock_schema(connection: Connection) -> Generator[None]:
    """Let one process at a time change the schema of this database."""
    name = "CONCAT(LEFT(DATABASE(), 50), '.schema')"
    if not connection.exec_driver_sql(f"SELECT GET_LOCK({name}, 60)").scalar():
        raise OperationalError("GET_LOCK", None, TimeoutError("the schema is locked"))
    # A schema change that waits for a table blocks every later query of that table. The default is
    # to wait for a day or longer.
    connection.exec_driver_sql("SET SESSION lock_wait_timeout = 5")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK({name})")

"""Database errors as HTTP responses: 409 for conflicts and 503 for transient errors."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from fastapi import Request, Response
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog import get_logger

from app.core.errors import ConflictError, problem_response

# {% if cookiecutter.database == "postgresql" %}
# SQLSTATE (PostgreSQL, appendix A), or the extended result code of SQLite.
UNIQUE_VIOLATIONS = {
    "23505",
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
}
FOREIGN_KEY_VIOLATIONS = {"23503", sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY}
# Classes of SQLSTATE: connection, rolled back, resources, in use, operator intervention.
TRANSIENT_CLASSES = {"08", "40", "53", "55", "57"}
READ_ONLY = "25006"  # during a failover
# {% elif cookiecutter.database == "mysql" %}
# Error number (MySQL Error Reference, server errors), or the extended result code of SQLite.
UNIQUE_VIOLATIONS = {
    1062,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
}
FOREIGN_KEY_VIOLATIONS = {1451, 1452, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY}
# Too many connections, shutdown, lock timeout, deadlock, read-only, cancelled, killed, too slow.
TRANSIENT_NUMBERS = {1040, 1053, 1203, 1205, 1213, 1290, 1317, 1836, 1927, 1969, 3024}
CLIENT_NUMBERS = range(2000, 3000)  # the connection is lost
# {% else %}
# Extended result codes (sqlite.org/rescode.html).
UNIQUE_VIOLATIONS = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
FOREIGN_KEY_VIOLATIONS = {sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY}
# {% endif %}
log = get_logger("app.db")


def get_code(error: DBAPIError) -> object:
    """Return the code of the error, which depends on the database."""
    cause = error.orig
    # {% if cookiecutter.database == "postgresql" %}
    return getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorcode", None)
    # {% elif cookiecutter.database == "mysql" %}
    return getattr(cause, "sqlite_errorcode", None) or next(iter(getattr(cause, "args", ())), None)
    # {% else %}
    return getattr(cause, "sqlite_errorcode", None)
    # {% endif %}


@contextmanager
def unique(detail: str) -> Generator[None]:
    """Run a block that stores unique values.

    Raises:
        ConflictError: A value is taken; `detail` names which.
    """
    try:
        yield
    except IntegrityError as error:
        if get_code(error) in UNIQUE_VIOLATIONS:
            raise ConflictError(detail) from error
        raise


async def handle_integrity_error(_request: Request, error: IntegrityError) -> Response:
    """Return 409 for a violated unique or foreign key and re-raise programming errors."""
    if get_code(error) not in UNIQUE_VIOLATIONS | FOREIGN_KEY_VIOLATIONS:
        raise error
    log.info("conflict", error=type(error.orig).__name__)
    return problem_response(409, "The request conflicts with existing data.", "CONFLICT")


async def handle_database_error(
    _request: Request, error: DBAPIError | PoolTimeoutError
) -> Response:
    """Return 503 for transient errors and re-raise programming errors."""
    if isinstance(error, DBAPIError) and not is_transient(error):
        raise error
    cause = getattr(error, "orig", error)
    log.warning("database_unavailable", error=f"{type(cause).__name__}: {cause}")
    return problem_response(503, "The database is unavailable. Please retry.")


def is_transient(error: DBAPIError) -> bool:
    """Return whether the error is transient, so that a retry may succeed."""
    code = get_code(error)
    if code == sqlite3.SQLITE_ERROR:
        return False  # SQLite reports invalid statements as OperationalError
    # {% if cookiecutter.database == "postgresql" %}
    if str(code)[:2] in TRANSIENT_CLASSES or code == READ_ONLY:
        return True
    # {% elif cookiecutter.database == "mysql" %}
    # The driver reports many programming errors as OperationalError.
    if isinstance(code, int) and not isinstance(error.orig, sqlite3.Error):
        return code in TRANSIENT_NUMBERS or code in CLIENT_NUMBERS
    # {% endif %}
    return error.connection_invalidated or isinstance(error, OperationalError)


ERROR_HANDLERS: dict[type[Exception] | int, Any] = {
    IntegrityError: handle_integrity_error,
    DBAPIError: handle_database_error,
    PoolTimeoutError: handle_database_error,
}

"""Errors of the database as answers: 409, 503, and nothing of the driver's text."""

import sqlite3
from typing import Any

from fastapi import Request, Response
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog import get_logger

from app.core.errors import problem_response

# {% if cookiecutter.database == "postgresql" %}
# Connection, rolled back, resources, in use, operator (PostgreSQL, appendix A).
PASSING_CLASSES = {"08", "40", "53", "55", "57"}
# {% endif %}
log = get_logger("app.db")


async def handle_conflict(_request: Request, error: IntegrityError) -> Response:
    """Return 409: what is to be stored does not fit what is."""
    log.info("conflict", error=type(error.orig).__name__)
    return problem_response(409, "This conflicts with what exists.", "CONFLICT")


async def handle_unavailable(_request: Request, error: Exception) -> Response:
    """Return 503 for what passes, and raise what is our mistake."""
    if isinstance(error, DBAPIError) and not is_transient(error):
        raise error
    cause = getattr(error, "orig", error)
    log.warning("database_unavailable", error=f"{type(cause).__name__}: {cause}")
    return problem_response(503, "Please try again.")


def is_transient(error: DBAPIError) -> bool:
    """Whether the database is gone, busy or stopping, so that the same may succeed later."""
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # a wrong statement, which the other databases do not call operational
    # {% if cookiecutter.database == "postgresql" %}
    if str(getattr(error.orig, "sqlstate", ""))[:2] in PASSING_CLASSES:
        return True
    # {% endif %}
    return error.connection_invalidated or isinstance(error, OperationalError)


ERROR_HANDLERS: dict[type[Exception] | int, Any] = {
    IntegrityError: handle_conflict,
    DBAPIError: handle_unavailable,
    PoolTimeoutError: handle_unavailable,
    TimeoutError: handle_unavailable,
    ConnectionError: handle_unavailable,
}

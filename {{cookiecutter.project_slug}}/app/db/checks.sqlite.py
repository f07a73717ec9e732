"""Checks of the database, for `manage check`."""

from collections.abc import AsyncIterator

from sqlalchemy.exc import DBAPIError

from app.core.checks import Finding
from app.db.engine import create_engine
from app.db.schema import SchemaError, check_schema
from app.db.settings import DatabaseSettings


async def check_database(settings: DatabaseSettings) -> AsyncIterator[Finding]:
    """Report a database that does not respond or has an outdated schema."""
    engine = create_engine(settings)
    try:
        await check_schema(engine)
    except SchemaError as error:
        yield Finding("db.schema", "error", "The schema is outdated.", str(error))
    except DBAPIError as error:
        cause = type(error.orig).__name__
        message = f"The database does not respond ({cause})."
        yield Finding("db.unavailable", "error", message, "Check DATABASE_URL and the server.")
    finally:
        await engine.dispose()

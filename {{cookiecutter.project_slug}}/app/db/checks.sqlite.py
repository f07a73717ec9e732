"""Checks of the database, for `manage check`."""

from sqlalchemy.exc import DBAPIError

from app.core.checks import Finding
from app.db.engine import create_engine
from app.db.schema import SchemaError, check_schema
from app.db.settings import DatabaseSettings


async def check_database(settings: DatabaseSettings) -> list[Finding]:
    """Report a database that does not respond or has an outdated schema."""
    findings: list[Finding] = []
    engine = create_engine(settings)
    try:
        await check_schema(engine)
    except SchemaError as error:
        findings.append(Finding("db.schema", "error", "The schema is outdated.", str(error)))
    except DBAPIError as error:
        message = f"The database cannot be used: {error.orig}"
        hint = "Check DATABASE_URL and the server."
        findings.append(Finding("db.unavailable", "error", message, hint))
    finally:
        await engine.dispose()
    return findings

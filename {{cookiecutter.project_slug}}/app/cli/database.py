"""Database access for commands."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import create_engine
from app.db.errors import is_transient
# {% if cookiecutter.__alembic == "yes" %}
from app.db.migrate import SchemaError, check_schema, update_schema
# {% else %}
from app.db.schema import SchemaError, check_schema, update_schema
# {% endif %}
from app.db.settings import DatabaseSettings

# {% if cookiecutter.__alembic == "yes" %}
UPDATE_COMMAND = "manage migrate"
# {% else %}
UPDATE_COMMAND = "manage create-schema"
# {% endif %}

T = TypeVar("T")


def run_in_session(settings: DatabaseSettings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run `work` in a transaction, commit it and return its result.

    With UPDATE_SCHEMA_ON_STARTUP, the default of ENVIRONMENT=local, the schema is updated first.

    Raises:
        ClickException: The database is not available or its schema is outdated.
    """
    try:
        return asyncio.run(run_work(settings, work))
    except SchemaError:
        message = f"The database schema is outdated. Run: {UPDATE_COMMAND}"
        raise click.ClickException(message) from None
    except DBAPIError as error:
        if not is_transient(error):
            raise
        raise click.ClickException(f"The database is not available: {error.orig}") from None


async def run_work(settings: DatabaseSettings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run `work` in a transaction on an engine of its own."""
    if settings.update_schema_on_startup:
        await update_schema(settings)
    engine = create_engine(settings)
    try:
        await check_schema(engine)
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            return await work(session)
    finally:
        await engine.dispose()

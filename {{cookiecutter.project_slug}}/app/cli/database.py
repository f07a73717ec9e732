"""The command that updates the database schema, and database access for other commands."""

import asyncio
# {% if cookiecutter.auth == "none" %}
from collections.abc import Coroutine
# {% else %}
from collections.abc import Awaitable, Callable, Coroutine
# {% endif %}
from typing import Any, TypeVar

import click
from sqlalchemy.exc import DBAPIError
# {% if cookiecutter.auth != "none" %}
from sqlalchemy.ext.asyncio import AsyncSession
# {% endif %}

from app.cli.common import prepare
# {% if cookiecutter.auth == "none" %}
from app.db.errors import is_transient
from app.db.schema import update_schema
# {% else %}
from app.core.errors import AppError
from app.db.engine import create_engine
from app.db.errors import is_transient
from app.db.schema import SchemaError, check_schema, update_schema
from app.db.settings import DatabaseSettings
# {% endif %}

T = TypeVar("T")


# {% if cookiecutter.__alembic == "yes" %}
@click.command()
def migrate() -> None:
    """Run the missing migrations."""
    run(update_schema(prepare()))


# {% else %}
@click.command()
def create_schema() -> None:
    """Create the missing tables."""
    run(update_schema(prepare()))


# {% endif %}
def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that uses the database.

    Raises:
        ClickException: The database is unavailable, or its schema is outdated.
    """
    try:
        return asyncio.run(work)
    # {% if cookiecutter.auth != "none" %}
    except (AppError, SchemaError) as error:
        raise click.ClickException(str(error)) from None
    # {% endif %}
    except DBAPIError as error:
        if not is_transient(error):
            raise
        hint = "Check DATABASE_URL, and create the database if it is missing."
        raise click.ClickException(f"The database is unavailable ({error.orig}). {hint}") from None
# {% if cookiecutter.auth != "none" %}


def run_in_session(settings: DatabaseSettings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run `work` in a transaction, commit it and return its result.

    With UPDATE_SCHEMA_ON_STARTUP, the default of ENVIRONMENT=local, the schema is updated first.

    Raises:
        ClickException: The database is unavailable, its schema is outdated, or `work` raises an
            error of the service.
    """

    async def work_in_session() -> T:
        if settings.update_schema_on_startup:
            await update_schema(settings)
        engine = create_engine(settings)
        try:
            await check_schema(engine)
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                return await work(session)
        finally:
            await engine.dispose()

    return run(work_in_session())
# {% endif %}

"""Apply migrations."""

import asyncio

import click
from sqlalchemy.exc import DBAPIError

from app.cli.common import prepare
from app.db.errors import is_transient
from app.db.migrate import update_schema


@click.command()
def migrate() -> None:
    """Run the missing migrations."""
    try:
        asyncio.run(update_schema(prepare()))
    except DBAPIError as error:
        if not is_transient(error):
            raise
        hint = "Check DATABASE_URL, and create the database if it is missing."
        raise click.ClickException(f"The database is unavailable ({error.orig}). {hint}") from None

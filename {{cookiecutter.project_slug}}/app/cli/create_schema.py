"""Create the tables."""

import asyncio

import click

from app.cli.common import prepare
from app.db.schema import update_schema


@click.command()
def create_schema() -> None:
    """Create the tables that are missing in the database."""
    asyncio.run(update_schema(prepare()))

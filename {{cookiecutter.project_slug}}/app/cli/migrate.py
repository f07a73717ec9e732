"""Run the migrations."""

import asyncio

import click

from app.cli.common import prepare
from app.db.migrate import update_schema


@click.command()
def migrate() -> None:
    """Run the migrations that are missing in the database."""
    asyncio.run(update_schema(prepare()))

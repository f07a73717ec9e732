"""The database schema, created from the models: missing tables are created, none is altered.

Views and triggers are created by an event of the metadata:
`event.listen(Base.metadata, "after_create", DDL("CREATE VIEW ..."))`.
"""

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.base import Base
from app.db.engine import create_engine, lock_schema
from app.db.settings import DatabaseSettings


class SchemaError(Exception):
    """A table is missing in the database."""


async def update_schema(settings: DatabaseSettings) -> None:
    """Create the missing tables, without a statement timeout.

    One process creates them and the others wait.
    """
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0}))
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


async def upgrade(engine: AsyncEngine) -> None:
    """Create the missing tables."""
    async with engine.connect() as connection:
        complete = await connection.run_sync(is_complete)
        # A lock may have to be the first statement of its transaction.
        await connection.rollback()
        if not complete:
            await connection.run_sync(create_tables)


async def check_schema(engine: AsyncEngine) -> None:
    """Check that no table is missing.

    Raises:
        SchemaError: A table is missing; the message names the command that creates it.
    """
    async with engine.connect() as connection:
        if not await connection.run_sync(is_complete):
            raise SchemaError("tables are missing. Run: uv run manage create-schema")


def is_complete(connection: Connection) -> bool:
    """Return whether every model has its table."""
    return set(inspect(connection).get_table_names()) >= set(Base.metadata.tables)


def create_tables(connection: Connection) -> None:
    """Create the missing tables while no other process does."""
    with lock_schema(connection):
        Base.metadata.create_all(connection)
        connection.commit()

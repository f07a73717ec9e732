"""The schema, made from the models: missing tables are created, none is ever altered.

What is more than a table (a view, a trigger) hangs on an event of the metadata:
`event.listen(Base.metadata, "after_create", DDL("CREATE VIEW ..."))`.
"""

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.base import Base
from app.db.engine import create_engine, lock_schema
from app.db.settings import DatabaseSettings


class SchemaError(Exception):
    """The database lacks a table of this code."""


async def update_schema(settings: DatabaseSettings) -> None:
    """Create the missing tables; one process does it, the others wait.

    Its statements may take as long as they like.
    """
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0}))
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


async def upgrade(engine: AsyncEngine) -> None:
    """Create the tables that the database does not have."""
    async with engine.connect() as connection:
        complete = await connection.run_sync(is_complete)
        # A lock may have to be the first statement of its transaction.
        await connection.rollback()
        if not complete:
            await connection.run_sync(create_tables)


async def check_schema(engine: AsyncEngine) -> None:
    """Return if this code can work with the schema; SchemaError if a table is missing."""
    async with engine.connect() as connection:
        if not await connection.run_sync(is_complete):
            raise SchemaError


def is_complete(connection: Connection) -> bool:
    """Whether every model has its table."""
    return set(inspect(connection).get_table_names()) >= set(Base.metadata.tables)


def create_tables(connection: Connection) -> None:
    """Create what is missing, while no other process does."""
    with lock_schema(connection):
        Base.metadata.create_all(connection)
        connection.commit()

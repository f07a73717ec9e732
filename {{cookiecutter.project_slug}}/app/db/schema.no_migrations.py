"""The database schema: checks it, and brings it up to date."""

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.base import Base
from app.db.engine import BACKENDS, create_engine
from app.db.settings import DatabaseSettings

OUTDATED = "tables are missing. Run: uv run manage create-schema"


class SchemaError(Exception):
    """The database schema is older than the code."""


async def update_schema(settings: DatabaseSettings) -> None:
    # {% if cookiecutter.database == "sqlite" %}
    """Bring the schema up to date."""
    engine = create_engine(settings)
    # {% else %}
    """Bring the schema up to date, without a statement timeout."""
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0}))
    # {% endif %}
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema up to date. One process does so while the others wait."""
    async with engine.connect() as connection:
        if not await connection.run_sync(is_current):
            await connection.rollback()  # the lock begins a transaction of its own
            await connection.run_sync(apply)


async def check_schema(engine: AsyncEngine) -> None:
    """Check that the schema is up to date.

    Raises:
        SchemaError: It is not; the message names the command that updates it.
    """
    async with engine.connect() as connection:
        if not await connection.run_sync(is_current):
            raise SchemaError(OUTDATED)


def is_current(connection: Connection) -> bool:
    """Return whether every model has its table."""
    return set(inspect(connection).get_table_names()) >= set(Base.metadata.tables)


def apply(connection: Connection) -> None:
    """Create the missing tables. Existing tables are not altered.

    Views and triggers are created by an event of the metadata:
    `event.listen(Base.metadata, "after_create", DDL("CREATE VIEW ..."))`.
    """
    with BACKENDS[connection.dialect.name].lock_schema(connection):
        Base.metadata.create_all(connection)
        connection.commit()

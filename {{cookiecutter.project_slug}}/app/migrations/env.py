"""What Alembic runs: the migrations, under a lock, on the database of the settings."""

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from app.db import types
from app.db.engine import create_engine, lock_schema
from app.models import Base
from app.settings import load_settings


def render(_kind: str, element: object, _context: object) -> str | Literal[False]:
    """Write our types and defaults as such into a new migration, not as this database's SQL."""
    element = getattr(element, "arg", element)
    ours = type(element).__module__ == types.__name__
    return f"types.{type(element).__name__}()" if ours else False


OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    # SQLite cannot alter a table; with this Alembic copies it, and elsewhere alters it.
    "render_as_batch": True,
    "render_item": render,
}


def migrate(connection: Connection) -> None:
    # {% if cookiecutter.database == "mysql" %}
    """Run what the command asked for; MySQL commits after each statement that changes a table."""
    transactional = connection.dialect.name != "mysql"
    context.configure(connection=connection, transactional_ddl=transactional, **OPTIONS)
    # {% else %}
    """Run what the command asked for, as one transaction."""
    context.configure(connection=connection, transactional_ddl=True, **OPTIONS)
    # {% endif %}
    with lock_schema(connection), context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    """Do it on a connection of our own; the timeout of statements is the service's."""
    settings = load_settings().model_copy(update={"database_statement_timeout": 0})
    engine = create_engine(settings)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


def write_sql() -> None:
    """Write the statements instead of running them (`alembic upgrade head --sql`)."""
    context.configure(url=load_settings().database, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
elif connection := context.config.attributes.get("connection"):
    migrate(connection)
else:
    asyncio.run(connect_and_migrate())

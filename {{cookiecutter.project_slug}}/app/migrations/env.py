"""Alembic's environment: runs the migrations under a lock, on the configured database."""

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from app.db import types
from app.db.engine import create_engine, lock_schema
from app.models import Base
from app.settings import load_settings


def render(_kind: str, element: object, _context: object) -> str | Literal[False]:
    """Render the types of `app.db.types` by name in a new migration, not as SQL."""
    element = getattr(element, "arg", element)
    ours = type(element).__module__ == types.__name__
    return f"types.{type(element).__name__}()" if ours else False


OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    # Alembic copies the tables of SQLite, which cannot alter them.
    "render_as_batch": True,
    "render_item": render,
}


def migrate(connection: Connection) -> None:
    # {% if cookiecutter.database == "mysql" %}
    """Run the migrations. MySQL commits after each statement that changes a table."""
    transactional = connection.dialect.name != "mysql"
    context.configure(connection=connection, transactional_ddl=transactional, **OPTIONS)
    # {% else %}
    """Run the migrations in one transaction."""
    context.configure(connection=connection, transactional_ddl=True, **OPTIONS)
    # {% endif %}
    with lock_schema(connection), context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    """Run the migrations on a new connection, without a statement timeout."""
    settings = load_settings().model_copy(update={"database_statement_timeout": 0})
    engine = create_engine(settings)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


def write_sql() -> None:
    """Print the statements instead of running them (`alembic upgrade head --sql`)."""
    context.configure(url=load_settings().database, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
elif connection := context.config.attributes.get("connection"):
    migrate(connection)
else:
    asyncio.run(connect_and_migrate())

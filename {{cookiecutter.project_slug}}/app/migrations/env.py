"""Alembic's environment: runs the migrations under a lock, on the configured database."""

import asyncio
from typing import Any, Literal

# {% if cookiecutter.database == "sqlite" %}
from alembic import context
# {% else %}
from alembic import command, context
# {% endif %}
# {% if cookiecutter.database == "mysql" %}
from alembic.operations.ops import DropTableOp, MigrationScript, ModifyTableOps
# {% endif %}
# {% if cookiecutter.database != "sqlite" %}
from alembic.util import CommandError
# {% endif %}
from sqlalchemy import Connection

from app.db import types
from app.db.engine import create_engine, lock_schema
# {% if cookiecutter.database != "sqlite" %}
from app.db.url import BACKEND
# {% endif %}
from app.models import Base
from app.settings import load_settings


def render(_kind: str, element: object, _context: object) -> str | Literal[False]:
    """Render the types of `app.db.types` by name in a new migration, not as SQL."""
    element = getattr(element, "arg", element)
    ours = type(element).__module__ == types.__name__
    return f"types.{type(element).__name__}()" if ours else False


# {% if cookiecutter.database == "mysql" %}
def keep_indexes_of_dropped_tables(
    _context: object, _revision: object, scripts: list[MigrationScript]
) -> None:
    """Drop a table as a whole: MySQL refuses to drop an index that a foreign key needs."""
    for script in scripts:
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            dropped = {op.table_name for op in operations.ops if isinstance(op, DropTableOp)}
            operations.ops = [
                op
                for op in operations.ops
                if not (isinstance(op, ModifyTableOps) and op.table_name in dropped)
            ]


# {% endif %}
OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    # Alembic copies the tables of SQLite, which cannot alter them.
    "render_as_batch": True,
    "render_item": render,
    # {% if cookiecutter.database == "mysql" %}
    "process_revision_directives": keep_indexes_of_dropped_tables,
    # {% endif %}
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


# {% if cookiecutter.database != "sqlite" %}
def refuse_other_database(backend: str) -> None:
    """Refuse to compare the models with another kind of database than production's.

    Raises:
        CommandError: The command writes or checks migrations on such a database.
    """
    if backend == BACKEND or context.config.cmd_opts is None:
        return
    if context.config.cmd_opts.cmd[0] in (command.check, command.revision):
        reason = f"Migrations are written on {BACKEND}, and the configured database is {backend}."
        raise CommandError(f"{reason} Run: make migration, or make check-migrations")


# {% endif %}
async def connect_and_migrate() -> None:
    """Run the migrations on a new connection, without a statement timeout."""
    settings = load_settings().model_copy(update={"database_statement_timeout": 0})
    engine = create_engine(settings)
    # {% if cookiecutter.database != "sqlite" %}
    refuse_other_database(engine.dialect.name)
    # {% endif %}
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

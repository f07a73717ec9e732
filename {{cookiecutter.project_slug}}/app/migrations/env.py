"""Alembic's environment: runs the migrations under a lock, on the configured database."""

import asyncio
from graphlib import TopologicalSorter
from typing import Any, Literal

# {% if cookiecutter.database == "sqlite" %}
from alembic import context
# {% else %}
from alembic import command, context
# {% endif %}
# {% if cookiecutter.database == "mysql" %}
from alembic.operations.ops import DropTableOp, MigrationScript, ModifyTableOps
# {% else %}
from alembic.operations.ops import DropTableOp, MigrationScript
# {% endif %}
from alembic.util import CommandError
from sqlalchemy import Connection

from app.db import types
from app.db.engine import BACKENDS, create_engine
# {% if cookiecutter.database != "sqlite" %}
from app.db.settings import BACKEND
# {% endif %}
from app.models import Base
from app.settings import load_settings


def render(_kind: str, element: object, _context: object) -> str | Literal[False]:
    """Render the types of `app.db.types` by name in a new migration, not as SQL."""
    if isinstance(element, types.ExactDecimal):
        return f"types.ExactDecimal({element.precision}, {element.scale})"
    ours = type(element).__module__ == types.__name__
    return f"types.{type(element).__name__}()" if ours else False


def sort_dropped_tables(
    _context: object, _revision: object, scripts: list[MigrationScript]
) -> None:
    """Drop tables before those that they refer to. Alembic drops them in arbitrary order.

    Raises:
        CommandError: `alembic revision --autogenerate` has found no changes.
    """
    for script in scripts:
        (upgrade,), (downgrade,) = script.upgrade_ops_list, script.downgrade_ops_list
        if upgrade.is_empty() and getattr(context.config.cmd_opts, "autogenerate", False):
            raise CommandError("The models have no changes.")
        drops = {op.table_name: op for op in upgrade.ops if isinstance(op, DropTableOp)}
        references = {name: find_references(op) - {name} for name, op in drops.items()}
        order = [name for name in TopologicalSorter(references).static_order() if name in drops]
        upgrade.ops = [op for op in upgrade.ops if not isinstance(op, DropTableOp)]
        upgrade.ops += [drops[name] for name in reversed(order)]
        upgrade.reverse_into(downgrade)
        # {% if cookiecutter.database == "mysql" %}
        # MySQL refuses to drop an index that a foreign key needs; it goes with its table.
        for direction in (upgrade, downgrade):
            dropped = {op.table_name for op in direction.ops if isinstance(op, DropTableOp)}
            direction.ops = [
                op
                for op in direction.ops
                if not (isinstance(op, ModifyTableOps) and op.table_name in dropped)
            ]
        # {% endif %}


def find_references(operation: DropTableOp) -> set[str]:
    """Return the names of the tables that a table refers to."""
    return {key.target_fullname.rpartition(".")[0] for key in operation.to_table().foreign_keys}


OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    # Alembic copies the tables of SQLite, which cannot alter them.
    "render_as_batch": True,
    "render_item": render,
    "process_revision_directives": sort_dropped_tables,
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
    with BACKENDS[connection.dialect.name].lock_schema(connection), context.begin_transaction():
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
    # {% if cookiecutter.database == "sqlite" %}
    """Run the migrations on a new connection."""
    engine = create_engine(load_settings())
    # {% else %}
    """Run the migrations on a new connection, without a statement timeout."""
    settings = load_settings().model_copy(update={"database_statement_timeout": 0})
    engine = create_engine(settings)
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

"""Errors of Alembic."""

import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, String, create_engine

ENVIRONMENT = """
from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table, create_engine

metadata = MetaData()
Table("orders", metadata, Column("id", Integer, primary_key=True))
with create_engine("sqlite:///{folder}/test.db").connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


def config_with(**migrations: str | None) -> Config:
    """Return the configuration of a folder that has migrations, each with its predecessor."""
    folder = Path(tempfile.mkdtemp())
    (folder / "env.py").write_text(ENVIRONMENT.format(folder=folder))
    (folder / "versions").mkdir()
    for name, previous in migrations.items():
        source = f"revision = {name!r}\ndown_revision = {previous!r}\ndef upgrade(): ...\n"
        (folder / "versions" / f"{name}.py").write_text(source)
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


def reproduce_two_heads() -> None:
    command.upgrade(config_with(first=None, left="first", right="first"), "head")


def reproduce_outdated_database() -> None:
    command.revision(config_with(first=None), autogenerate=True)


def reproduce_change_without_migration() -> None:
    config = config_with(first=None)
    command.upgrade(config, "head")
    command.check(config)


def reproduce_unknown_revision() -> None:
    config = config_with(first=None)
    command.upgrade(config, "head")
    versions = Path(config.get_main_option("script_location")) / "versions"
    (versions / "first.py").rename(versions / "first.txt")
    command.upgrade(config, "head")


def reproduce_constraint_without_batch() -> None:
    with create_engine("sqlite://").connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        operations.create_unique_constraint("uq_orders_id", "orders", ["id"])


def reproduce_column_without_default() -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (id int)")
        connection.exec_driver_sql("INSERT INTO orders VALUES (1)")
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("orders", recreate="auto") as batch:
            batch.add_column(Column("colour", String, nullable=False))

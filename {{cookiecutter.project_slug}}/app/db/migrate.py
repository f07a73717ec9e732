"""The database schema, maintained by Alembic migrations."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog import get_logger

from app.db.engine import create_engine
from app.db.settings import DatabaseSettings

# Alembic's own table. Reading it through Alembic writes two log lines each time.
VERSIONS = table("alembic_version", column("version_num"))


class SchemaError(Exception):
    """The database schema is older than the code."""


async def update_schema(settings: DatabaseSettings) -> None:
    """Run the missing migrations, without a statement timeout.

    One process runs them and the others wait. A schema that is newer than the code stays as it is.
    """
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0}))
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


async def upgrade(engine: AsyncEngine) -> None:
    """Run the missing migrations."""
    async with engine.connect() as connection:
        up_to_date = await connection.run_sync(is_at_head)
        # Alembic does not commit a transaction that was begun before.
        await connection.rollback()
        if not up_to_date:
            await connection.run_sync(run_migrations)


async def check_schema(engine: AsyncEngine) -> None:
    """Check that no migration is missing.

    Raises:
        SchemaError: Migrations are missing; the message names the command that runs them.
    """
    async with engine.connect() as connection:
        if not await connection.run_sync(is_at_head):
            raise SchemaError("migrations are missing. Run: uv run manage migrate")


def is_at_head(connection: Connection) -> bool:
    """Return whether no migration is missing. An unknown one belongs to a newer version."""
    if not inspect(connection).has_table(VERSIONS.name):
        return False
    scripts = load_scripts()
    applied = set(connection.scalars(select(VERSIONS.c.version_num)))
    known = {script.revision for script in scripts.walk_revisions()}
    if applied - known:
        get_logger("app.db").warning("schema_is_newer", revisions=sorted(applied - known))
    return bool(applied - known) or applied == set(scripts.get_heads())


def run_migrations(connection: Connection) -> None:
    """Run `alembic upgrade head` on this connection."""
    config = create_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create_config() -> Config:
    """Return Alembic's configuration, which does not depend on pyproject.toml."""
    config = Config()
    config.set_main_option("script_location", "app:migrations")
    return config


@cache
def load_scripts() -> ScriptDirectory:
    """Return the migrations of this version of the code."""
    return ScriptDirectory.from_config(create_config())

"""The schema, kept by Alembic's migrations."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog import get_logger

from app.db.engine import create_engine
from app.db.settings import DatabaseSettings

# Alembic's own; asking for it through Alembic writes two lines into the log each time.
VERSIONS = table("alembic_version", column("version_num"))


class SchemaError(Exception):
    """The schema of the database is older than this code."""


async def update_schema(settings: DatabaseSettings) -> None:
    """Bring the schema to this version's; one process does it, the others wait.

    Its statements may take as long as they like. A schema newer than the code is left alone.
    """
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0}))
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


async def upgrade(engine: AsyncEngine) -> None:
    """Run the migrations that the database has not seen."""
    async with engine.connect() as connection:
        up_to_date = await connection.run_sync(is_at_head)
        # Alembic leaves a transaction alone that it did not begin.
        await connection.rollback()
        if not up_to_date:
            await connection.run_sync(run_migrations)


async def check_schema(engine: AsyncEngine) -> None:
    """Return if this code can work with the schema; SchemaError if migrations are missing."""
    async with engine.connect() as connection:
        if not await connection.run_sync(is_at_head):
            raise SchemaError


def is_at_head(connection: Connection) -> bool:
    """Whether no migration is missing; one that this code does not know is of a newer version."""
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
    config = make_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def make_config() -> Config:
    """Return Alembic's configuration; an installed package has no pyproject.toml."""
    config = Config()
    config.set_main_option("script_location", "app:migrations")
    return config


@cache
def load_scripts() -> ScriptDirectory:
    """Return the migrations of this code."""
    return ScriptDirectory.from_config(make_config())

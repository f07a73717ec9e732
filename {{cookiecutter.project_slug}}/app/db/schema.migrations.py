"""The database schema: checks it, and brings it up to date."""

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
OUTDATED = "migrations are missing. Run: uv run manage migrate"


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
    """Return whether no migration is missing. An unknown one belongs to a newer version."""
    if not inspect(connection).has_table(VERSIONS.name):
        return False
    scripts = load_scripts()
    applied = set(connection.scalars(select(VERSIONS.c.version_num)))
    unknown = applied - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        hint = "If no newer version is deployed, see docs/common-errors/migrations.md."
        get_logger("app.db").warning("schema_is_newer", revisions=sorted(unknown), hint=hint)
    return bool(unknown) or applied == set(scripts.get_heads())


def apply(connection: Connection) -> None:
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

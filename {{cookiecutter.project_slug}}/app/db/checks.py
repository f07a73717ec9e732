"""Checks of the database, for `manage check`."""

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.checks import Finding
from app.db.engine import PROBE_CONNECTIONS, create_engine
from app.db.schema import SchemaError, check_schema
from app.db.settings import BACKEND, DatabaseSettings
# {% if cookiecutter.database == "postgresql" %}

TLS_PARAMETER, VERIFIED = "sslmode", ("verify-ca", "verify-full")
MAX_CONNECTIONS = "SELECT current_setting('max_connections')::integer"
IS_ADMINISTRATOR = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
# {% elif cookiecutter.database == "mysql" %}

TLS_PARAMETER, VERIFIED = "ssl-mode", ("verify_ca", "verify_identity")
MAX_CONNECTIONS = "SELECT @@max_connections"
IS_ADMINISTRATOR = "SELECT CURRENT_USER() LIKE 'root@%'"
# {% endif %}
LOCAL_HOSTS = (None, "localhost", "127.0.0.1", "::1")


async def check_database(settings: DatabaseSettings) -> list[Finding]:
    """Report a database that does not respond, is not safe to use or has an outdated schema."""
    findings: list[Finding] = []
    is_server = settings.database.get_backend_name() == BACKEND
    if is_server and not is_verified(settings.database):
        message = "The connection does not verify the certificate of the server."
        hint = f"Add {TLS_PARAMETER}={VERIFIED[-1]} to DATABASE_URL."
        findings.append(Finding("db.tls", "warning", message, hint))
    engine = create_engine(settings)
    try:
        if is_server:
            findings += await check_server(engine, settings)
        await check_schema(engine)
    except SchemaError as error:
        findings.append(Finding("db.schema", "error", "The schema is outdated.", str(error)))
    except DBAPIError as error:
        message = f"The database cannot be used: {error.orig}"
        hint = "Check DATABASE_URL and the server, and create the database if it is missing."
        findings.append(Finding("db.unavailable", "error", message, hint))
    finally:
        await engine.dispose()
    return findings


async def check_server(engine: AsyncEngine, settings: DatabaseSettings) -> list[Finding]:
    """Report too few connections and excessive rights."""
    findings: list[Finding] = []
    async with engine.connect() as connection:
        limit = (await connection.execute(text(MAX_CONNECTIONS))).scalar_one()
        is_administrator = (await connection.execute(text(IS_ADMINISTRATOR))).scalar_one()
    pool = settings.database_pool_size + settings.database_max_overflow
    if (needed := (pool + PROBE_CONNECTIONS) * settings.workers) >= limit:
        message = f"The workers may open {needed} connections, and the server allows {limit}."
        hint = "Lower WORKERS, DATABASE_POOL_SIZE or DATABASE_MAX_OVERFLOW."
        findings.append(Finding("db.connections", "error", message, hint))
    if is_administrator:
        message = "The service connects as an administrator of the server."
        hint = "Create a user that owns only this database."
        findings.append(Finding("db.administrator", "warning", message, hint))
    return findings


def is_verified(url: URL) -> bool:
    """Return whether the server is local, or the connection verifies its certificate."""
    mode = str(url.query.get(TLS_PARAMETER, "")).lower()
    return url.host in LOCAL_HOSTS or mode in VERIFIED

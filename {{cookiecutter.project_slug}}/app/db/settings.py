"""Settings of the database connection."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, PlainValidator, Secret
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.core.settings import PLACEHOLDER, CoreSettings

# The kind of database that staging and production require.
BACKEND = "{{ cookiecutter.database }}"
DRIVERS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    # {% elif cookiecutter.database == "mysql" %}
    "mysql": "mysql+asyncmy",
    "mariadb": "mysql+asyncmy",
    # {% endif %}
    "sqlite": "sqlite+aiosqlite",
}
URL_ERRORS = (ArgumentError, ValueError)
# {% if cookiecutter.database == "mysql" %}
PARAMETERS = {"charset", "ssl-mode", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket"}
SSL_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
# {% endif %}
LOCAL_DATABASE = make_url("sqlite+aiosqlite:///local.db")


def parse_database_url(text: str) -> URL:
    """Return the URL with the driver of this service, whichever driver it names.

    Raises:
        ValueError: It is not a database URL. The message does not repeat it.
    """
    scheme, _, rest = text.partition(":")
    driver = DRIVERS.get(scheme.partition("+")[0])
    if not driver:
        raise ValueError(f"must begin with {BACKEND}://")
    try:
        url = make_url(f"{driver}:{rest}")
    except URL_ERRORS:
        raise ValueError("is not a database URL") from None
    # {% if cookiecutter.database == "mysql" %}
    if unknown := url.query.keys() - PARAMETERS:
        raise ValueError(f"must not have the parameter {min(unknown)}")
    if str(url.query.get("ssl-mode", "PREFERRED")).upper() not in SSL_MODES:
        raise ValueError(f"ssl-mode must be one of {', '.join(SSL_MODES)}")
    # {% endif %}
    return url


class DatabaseSettings(CoreSettings):
    """Settings of the database connection."""

    database_url: Secret[Annotated[URL, PlainValidator(parse_database_url)]] | None = None
    # {% if cookiecutter.database == "postgresql" %}
    """Database URL, as in postgresql://user:password@localhost:5432/name. Default: local.db."""
    # {% elif cookiecutter.database == "mysql" %}
    """Database URL, as in mysql://user:password@localhost:3306/name. Default: local.db."""
    # {% else %}
    """Database URL, as in sqlite:////var/lib/app/app.db. Default: local.db."""
    # {% endif %}
    database_pool_size: int = Field(default=10, ge=0, le=1000)
    """Connections that each process keeps open; 0 opens one for each request."""
    database_max_overflow: int = Field(default=5, ge=0, le=1000)
    """Additional connections under load."""
    # {% if cookiecutter.database != "sqlite" %}
    database_statement_timeout: int = Field(default=30, ge=0)
    """Seconds after which a statement is cancelled; 0 disables it."""
    # {% endif %}
    update_schema_on_startup: bool = Field(
        default_factory=lambda known: known["environment"] == "local"
    )
    """Update the schema at startup. Default: only with ENVIRONMENT=local."""

    @property
    def database(self) -> URL:
        """The database URL, or the local SQLite file if none is set."""
        return self.database_url.get_secret_value() if self.database_url else LOCAL_DATABASE

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        if not self.database_url or self.database.get_backend_name() != BACKEND:
            yield f"DATABASE_URL: must be a {BACKEND}:// URL"
        # {% if cookiecutter.database == "sqlite" %}
        if self.database.database in (None, "", ":memory:"):
            yield "DATABASE_URL: must name a file"
        # {% endif %}
        if PLACEHOLDER.search(self.database.render_as_string(hide_password=False)):
            yield "DATABASE_URL: contains a placeholder"

"""Settings of the database connection."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, NonNegativeInt, PlainValidator, Secret
from sqlalchemy import URL

from app.core.settings import PLACEHOLDER, CoreSettings
from app.db.url import BACKEND, LOCAL_DATABASE, parse_database_url


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
    database_statement_timeout: NonNegativeInt = 30
    """Seconds after which a statement is cancelled; 0 disables it."""
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
        if PLACEHOLDER.search(self.database.render_as_string(hide_password=False)):
            yield "DATABASE_URL: contains a placeholder"

"""DATABASE_URL: any common spelling, read into one with the driver that we use."""

from contextlib import suppress

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# What production must have.
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
LOCAL_DATABASE = make_url("sqlite+aiosqlite:///local.db")


def parse_database_url(text: str) -> URL:
    """Return the URL with our driver; ValueError, which tells nothing of the text, if it is none.

    Whatever driver the text names, ours is taken. User and password are percent-encoded (RFC 3986
    section 3.2.1).
    """
    scheme, _, rest = text.partition(":")
    driver = DRIVERS.get(scheme.partition("+")[0])
    if not driver:
        raise ValueError(f"must begin with {BACKEND}://")
    with suppress(ArgumentError, ValueError):
        return make_url(f"{driver}:{rest}")
    raise ValueError("is not a URL of a database")

"""DATABASE_URL in any common spelling."""

from contextlib import suppress

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# The database that production requires.
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
    """Return the URL with the driver of this service, whichever driver it names.

    The user name and the password are percent-encoded (RFC 3986 section 3.2.1).

    Raises:
        ValueError: It is not a database URL. The message does not repeat it.
    """
    scheme, _, rest = text.partition(":")
    driver = DRIVERS.get(scheme.partition("+")[0])
    if not driver:
        raise ValueError(f"must begin with {BACKEND}://")
    with suppress(ArgumentError, ValueError):
        return make_url(f"{driver}:{rest}")
    raise ValueError("is not a database URL")

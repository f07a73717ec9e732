"""Tests of DATABASE_URL."""

import pytest

from app.db.settings import parse_database_url

# {% if cookiecutter.database == "postgresql" %}
USER = "u:p%40%3A%2F%25%23"


@pytest.mark.parametrize(
    "text",
    [f"postgres://{USER}@h/d", f"postgresql+psycopg2://{USER}@h:5432/d?sslmode=require"],
)
def test_common_spellings_are_accepted(text: str) -> None:
    url = parse_database_url(text)
    assert (url.drivername, url.host, url.database) == ("postgresql+asyncpg", "h", "d")
    assert (url.username, url.password) == ("u", "p@:/%#")


# {% elif cookiecutter.database == "mysql" %}
USER = "u:p%40%3A%2F%25%23"


@pytest.mark.parametrize(
    "text",
    [f"mysql+aiomysql://{USER}@h:3306/d", f"mariadb+pymysql://{USER}@h/d"],
)
def test_common_spellings_are_accepted(text: str) -> None:
    url = parse_database_url(text)
    assert (url.drivername, url.host, url.database) == ("mysql+asyncmy", "h", "d")
    assert (url.username, url.password) == ("u", "p@:/%#")


# {% else %}

# {% endif %}
def test_sqlite_url_is_accepted() -> None:
    url = parse_database_url("sqlite:///local.db")

    assert url.render_as_string() == "sqlite+aiosqlite:///local.db"


@pytest.mark.parametrize("text", ["canary://h", "sqlite://h:canary/d"])
def test_invalid_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"must begin|is not a database URL") as error:
        parse_database_url(text)
    assert "canary" not in str(error.value)

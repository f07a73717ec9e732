"""Tests of database URLs."""

import pytest

# {% if cookiecutter.database == "sqlite" %}
from app.db.settings import parse_database_url
# {% else %}
from app.db.settings import BACKEND, parse_database_url
from tests.databases import make_test_database
# {% endif %}


def test_sqlite_url_is_accepted() -> None:
    url = parse_database_url("sqlite:///local.db")

    assert url.render_as_string() == "sqlite+aiosqlite:///local.db"


def test_invalid_url_is_refused_and_not_repeated() -> None:
    for text in ("canary://h", "sqlite://h:canary/d"):
        with pytest.raises(ValueError, match=r"must begin|is not a database URL") as error:
            parse_database_url(text)
        assert "canary" not in str(error.value)
# {% if cookiecutter.database == "postgresql" %}


def test_common_spellings_are_accepted() -> None:
    for scheme, options in (("postgres", ""), ("postgresql+psycopg2", "?sslmode=require")):
        url = parse_database_url(f"{scheme}://u:p%40%3A%2F%25%23@h/d{options}")

        assert (url.drivername, url.host, url.database) == ("postgresql+asyncpg", "h", "d")
        assert (url.username, url.password) == ("u", "p@:/%#")
# {% elif cookiecutter.database == "mysql" %}


def test_common_spellings_are_accepted() -> None:
    for scheme in ("mysql+aiomysql", "mariadb+pymysql"):
        url = parse_database_url(f"{scheme}://u:p%40%3A%2F%25%23@h/d")

        assert (url.drivername, url.host, url.database) == ("mysql+asyncmy", "h", "d")
        assert (url.username, url.password) == ("u", "p@:/%#")


def test_unknown_ssl_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^ssl-mode must be one of DISABLED, "):
        parse_database_url("mysql://h/d?ssl-mode=odd")
# {% endif %}
# {% if cookiecutter.database != "sqlite" %}


def test_database_without_test_in_its_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", f"{BACKEND}://u@127.0.0.1:1/shop")
    with pytest.raises(RuntimeError, match="must contain `test`"), make_test_database():
        pass
# {% endif %}

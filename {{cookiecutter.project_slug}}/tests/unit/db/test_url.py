"""Tests of database URLs."""

import pytest

from app.db.settings import parse_database_url


def test_sqlite_url_is_accepted() -> None:
    url = parse_database_url("sqlite:///local.db")

    assert url.render_as_string() == "sqlite+aiosqlite:///local.db"


def test_invalid_url_is_refused_and_not_repeated() -> None:
    for text in ("canary://h", "sqlite://h:canary/d"):
        with pytest.raises(ValueError, match=r"must begin|is not a database URL") as error:
            parse_database_url(text)
        assert "canary" not in str(error.value)

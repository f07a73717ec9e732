"""Tests of the PostgreSQL backend."""

import pytest

from app.db import postgresql
from app.db.settings import BACKEND, parse_database_url
from tests.clients import MakeSettings
from tests.databases import make_test_database


def test_parameters_of_libpq_do_not_reach_the_driver(make_settings: MakeSettings) -> None:
    url = "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require"

    engine = postgresql.create_engine(make_settings(database_url=url))

    assert not engine.url.query


def test_common_spellings_are_accepted() -> None:
    for scheme, options in (("postgres", ""), ("postgresql+psycopg2", "?sslmode=require")):
        url = parse_database_url(f"{scheme}://u:p%40%3A%2F%25%23@h/d{options}")

        assert (url.drivername, url.host, url.database) == ("postgresql+asyncpg", "h", "d")
        assert (url.username, url.password) == ("u", "p@:/%#")


def test_database_without_test_in_its_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", f"{BACKEND}://u@127.0.0.1:1/shop")
    with pytest.raises(RuntimeError, match="must contain `test`"), make_test_database():
        pass

"""Tests of the PostgreSQL backend."""

from app.db import postgresql
from tests.clients import MakeSettings


def test_parameters_of_libpq_do_not_reach_the_driver(make_settings: MakeSettings) -> None:
    url = "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require"

    engine = postgresql.create_engine(make_settings(database_url=url))

    assert not engine.url.query

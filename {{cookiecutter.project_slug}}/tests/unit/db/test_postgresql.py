from typing import Any

from app.db import postgresql


def test_the_parameters_of_libpq_do_not_reach_the_driver(make_settings: Any) -> None:
    text = "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require"
    engine = postgresql.create_engine(make_settings(database_url=text))
    assert not engine.url.query

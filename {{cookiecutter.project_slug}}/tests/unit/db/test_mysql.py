"""Tests of the MySQL backend."""

import ssl

import pytest
from sqlalchemy import make_url

from app.db.mysql import create_tls_context
from app.db.settings import BACKEND, parse_database_url
from tests.databases import make_test_database


@pytest.mark.parametrize(
    ("query", "verify_mode", "check_hostname"),
    [
        ("?ssl-mode=REQUIRED", ssl.CERT_NONE, False),
        ("?ssl-mode=verify_ca", ssl.CERT_REQUIRED, False),
        ("?ssl-mode=VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
    ],
)
def test_ssl_mode_determines_what_is_verified(
    query: str, verify_mode: int, check_hostname: bool
) -> None:
    context = create_tls_context(make_url(f"mysql://h/d{query}").query)

    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (verify_mode, check_hostname)


def test_without_ssl_mode_there_is_no_tls() -> None:
    assert create_tls_context({}) is None


def test_common_spellings_are_accepted() -> None:
    for scheme in ("mysql+aiomysql", "mariadb+pymysql"):
        url = parse_database_url(f"{scheme}://u:p%40%3A%2F%25%23@h/d")

        assert (url.drivername, url.host, url.database) == ("mysql+asyncmy", "h", "d")
        assert (url.username, url.password) == ("u", "p@:/%#")


def test_parameter_that_the_driver_would_reject_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^ssl-mode must be one of DISABLED, "):
        parse_database_url("mysql://h/d?ssl-mode=odd")
    with pytest.raises(ValueError, match="must not have the parameter sslmode"):
        parse_database_url("mysql://h/d?sslmode=canary")


def test_database_without_test_in_its_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", f"{BACKEND}://u@127.0.0.1:1/shop")
    with pytest.raises(RuntimeError, match="must contain `test`"), make_test_database():
        pass

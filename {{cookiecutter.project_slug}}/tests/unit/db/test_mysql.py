"""Tests of the MySQL backend."""

import ssl

import pytest
from sqlalchemy import make_url

from app.db.mysql import create_tls_context


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

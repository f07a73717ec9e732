import ssl

import pytest
from sqlalchemy import make_url

from app.db.mysql import make_tls_context


@pytest.mark.parametrize(
    ("query", "verifies", "names_host"),
    [
        ("?ssl-mode=REQUIRED", ssl.CERT_NONE, False),
        ("?ssl-mode=verify_ca", ssl.CERT_REQUIRED, False),
        ("?ssl-mode=VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
    ],
)
def test_it_verifies_as_much_as_asked(query: str, verifies: int, names_host: bool) -> None:
    context = make_tls_context(make_url(f"mysql://h/d{query}").query)
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (verifies, names_host)


def test_there_may_be_no_tls() -> None:
    assert make_tls_context({}) is None
    with pytest.raises(ValueError, match="ssl-mode"):
        make_tls_context({"ssl-mode": "x"})

import pytest

from app.core.compression import prefers_gzip


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("deflate, gzip ; q=1.0", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=0.2, identity;q=0.8", False),
        ("notgzip", False),
        ("gzip;q=nan", False),
        ("gzip;q=2", False),
        ("", False),
    ],
)
def test_gzip_is_sent_where_it_is_preferred(accepted: str, expected: bool) -> None:
    assert prefers_gzip(accepted) is expected

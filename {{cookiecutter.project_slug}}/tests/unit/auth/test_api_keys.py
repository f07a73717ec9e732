import re
from typing import Any

import pytest

from app.auth.api_keys import compute_checksum, digest_key, make_key, read_key_id
from app.core.settings import DISTRIBUTION

BODY = DISTRIBUTION + "_" + "0123456789abcdef" + "_" + "f" * 64
KEY = BODY + compute_checksum(BODY)


def test_a_key_names_its_service_and_its_id_and_no_two_are_the_same() -> None:
    key_id, text = make_key()
    assert re.fullmatch(DISTRIBUTION + "_" + key_id + "_[0-9a-f]{72}", text)
    assert read_key_id(text) == key_id
    assert len({make_key() for _ in range(100)}) == 100


def test_the_checksum_is_crc32() -> None:
    assert compute_checksum("123456789") == "cbf43926"  # the check value of CRC-32/ISO-HDLC


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY[:-1] + ("0" if KEY[-1] != "0" else "1"),
        KEY.replace("f" * 64, "e" * 64),
        KEY.upper(),
        f" {KEY} ",
        f"{KEY}\n",
        f"{KEY}0",
        KEY[:-1],
        KEY.replace(DISTRIBUTION, "other"),
        KEY.replace("0123", "٠١٢٣"),  # digits, but not ours
        "é" * len(KEY),
        "\0",
        "x" * 1_000_000,
    ],
)
def test_what_is_no_key_of_ours_is_known_without_a_look_up(text: str) -> None:
    assert read_key_id(KEY) == "0123456789abcdef"
    assert read_key_id(text) is None


def test_a_digest_depends_on_the_key_and_on_the_secret_of_the_service(make_settings: Any) -> None:
    digests = {
        digest_key(text, make_settings(secret_key=secret))
        for text in ("a", "b")
        for secret in (None, "1", "2")
    }
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {64}

import re

import pytest

from app.auth.api_keys import compute_checksum, digest_key, generate_key, parse_key_id
from app.core.settings import SERVICE_NAME
from tests.clients import MakeSettings

BODY = SERVICE_NAME + "_0123456789abcdef_" + "f" * 64
KEY = BODY + compute_checksum(BODY)


class TestGenerateKey:
    def test_key_contains_service_and_id(self) -> None:
        key_id, key = generate_key()

        assert re.fullmatch(f"{SERVICE_NAME}_{key_id}_" + "[0-9a-f]{72}", key)
        assert parse_key_id(key) == key_id

    def test_keys_differ(self) -> None:
        assert len({generate_key() for _ in range(100)}) == 100

    def test_checksum_is_crc32(self) -> None:
        assert compute_checksum("123456789") == "cbf43926"  # check value of CRC-32/ISO-HDLC


class TestParseKeyId:
    def test_valid_key_returns_id(self) -> None:
        assert parse_key_id(KEY) == "0123456789abcdef"

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), id="wrong-checksum"),
            pytest.param(KEY.replace("f" * 64, "e" * 64), id="wrong-secret"),
            pytest.param(f"{KEY}\n", id="line-feed"),
            pytest.param(KEY.replace(SERVICE_NAME, "other"), id="other-service"),
        ],
    )
    def test_other_text_returns_none(self, text: str) -> None:
        assert parse_key_id(text) is None


class TestDigestKey:
    def test_depends_on_key_and_secret_key(self, make_settings: MakeSettings) -> None:
        digests = {
            digest_key(text, make_settings(secret_key=secret_key))
            for text in ("a", "b")
            for secret_key in (None, "1", "2")
        }

        assert len(digests) == 6
        assert {len(digest) for digest in digests} == {64}

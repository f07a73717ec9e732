import json
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
import pytest

from app.auth.rsa_keys import parse_private_key
from app.auth.tokens import InvalidTokenError, TokenPair, TokenService, new_token_id
from tests.users import forge, make_pem, make_public_pem, read_part

USER, SESSION = uuid.uuid4(), uuid.uuid4()
CLAIMS = {"iss", "aud", "sub", "sid", "type", "iat", "nbf", "exp", "jti"}
WEEK = timedelta(days=7)


class AnyHeader(dict[str, Any]):
    """Is equal to whatever is expected of it."""

    __hash__ = None

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


@pytest.fixture
def tokens(make_settings: Any) -> TokenService:
    settings = make_settings(rsa_public_keys=[make_public_pem("old")])
    return TokenService(settings, settings.private_key)


def issue(tokens: TokenService, life: timedelta = WEEK) -> TokenPair:
    return tokens.issue(USER, SESSION, "0" * 32, datetime.now(UTC) + life)


def test_what_a_token_says_and_nothing_of_the_person(tokens: TokenService) -> None:
    pair = issue(tokens)
    for token, kind in ((pair.access_token, "access"), (pair.refresh_token, "refresh")):
        claims = read_part(token, 1)
        assert claims.keys() == CLAIMS
        assert (claims["sub"], claims["sid"], claims["type"]) == (str(USER), str(SESSION), kind)
        assert (claims["iss"], claims["aud"]) == (tokens.issuer, tokens.audience)
        assert claims["iat"] == claims["nbf"]
    assert read_part(pair.refresh_token, 1)["jti"] == "0" * 32


def test_the_header_says_kind_and_key(tokens: TokenService) -> None:
    pair = issue(tokens)
    for token, kind in ((pair.access_token, "at+jwt"), (pair.refresh_token, "rt+jwt")):
        assert read_part(token, 0) == {"alg": "RS256", "typ": kind, "kid": tokens.kid}


def test_access_lasts_15_minutes_and_refresh_7_days(tokens: TokenService) -> None:
    pair = issue(tokens)
    access, refresh = (read_part(token, 1) for token in (pair.access_token, pair.refresh_token))
    assert access["exp"] - access["iat"] == pair.expires_in == 900
    assert refresh["exp"] - refresh["iat"] == 7 * 24 * 3600
    assert abs(access["iat"] - datetime.now(UTC).timestamp()) < 5
    assert pair.token_type == "Bearer"  # noqa: S105 - the word of the RFC


def test_no_token_outlives_its_session(tokens: TokenService) -> None:
    pair = issue(tokens, timedelta(minutes=5))
    access, refresh = (read_part(token, 1) for token in (pair.access_token, pair.refresh_token))
    assert access["exp"] == refresh["exp"]
    assert access["exp"] - access["iat"] == pair.expires_in
    assert 299 <= pair.expires_in <= 300


def test_ids_are_128_bits_and_differ() -> None:
    ids = {new_token_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(bytes.fromhex(token_id)) for token_id in ids} == {16}


def test_the_key_id_is_the_thumbprint(tokens: TokenService) -> None:
    def encode(number: int) -> str:
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        return urlsafe_b64encode(raw).decode().rstrip("=")

    numbers = parse_private_key(make_pem()).public_key().public_numbers()
    members = {"e": encode(numbers.e), "kty": "RSA", "n": encode(numbers.n)}
    digest = sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    assert tokens.kid == urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_token_of_another_known_key_is_read(tokens: TokenService, make_settings: Any) -> None:
    old = TokenService(make_settings(), parse_private_key(make_pem("old")))
    assert tokens.read(issue(old).access_token, "access").sub == USER
    with pytest.raises(InvalidTokenError):
        old.read(issue(tokens).access_token, "access")


def test_a_token_is_of_one_kind(tokens: TokenService) -> None:
    pair = issue(tokens)
    assert tokens.read(pair.refresh_token, "refresh").jti == "0" * 32
    with pytest.raises(InvalidTokenError):
        tokens.read(pair.refresh_token, "access")
    with pytest.raises(InvalidTokenError):
        tokens.read(pair.access_token, "refresh")


def test_the_library_is_allowed_one_algorithm(
    tokens: TokenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also if our own look at the header were gone.
    monkeypatch.setattr(jwt, "get_unverified_header", lambda token: AnyHeader(read_part(token, 0)))
    for algorithm in ("RS384", "RS512", "PS256"):
        token = forge(issue(tokens).access_token, algorithm=algorithm)
        with pytest.raises(InvalidTokenError):
            tokens.read(token, "access")


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\ud800.a.b", "é.a.b", "a" * 8193])
def test_any_other_text_is_no_token(tokens: TokenService, token: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.read(token, "access")

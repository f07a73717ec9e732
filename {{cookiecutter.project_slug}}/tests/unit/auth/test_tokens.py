"""Tests of issuing and verifying tokens."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.auth.keys import parse_private_key
from app.auth.models import UserSession
from app.auth.tokens import InvalidTokenError, TokenPair, TokenService, create_token_id
from app.core.settings import SERVICE_NAME
from tests.users import forge, make_pem, make_public_pem, read_part

USER, SESSION = uuid.uuid4(), uuid.uuid4()
CLAIMS = {"iss", "aud", "sub", "sid", "type", "iat", "nbf", "exp", "jti"}
WEEK = timedelta(days=7)


@pytest.fixture
def tokens(make_settings: Any) -> TokenService:
    settings = make_settings(rsa_public_keys=[make_public_pem("old")])
    return TokenService(settings, settings.private_key)


def issue(tokens: TokenService, lifetime: timedelta = WEEK) -> TokenPair:
    now = datetime.now(UTC)
    session = UserSession(id=SESSION, user_id=USER, expires_at=now + lifetime)
    return tokens.issue(session, "0" * 32, now)


class TestIssue:
    def test_tokens_have_registered_claims_and_no_personal_data(self, tokens: TokenService) -> None:
        pair = issue(tokens)

        access, refresh = (read_part(token, 1) for token in (pair.access_token, pair.refresh_token))
        assert access.keys() == CLAIMS | {"client_id"}
        assert refresh.keys() == CLAIMS
        assert access["client_id"] == SERVICE_NAME
        for claims, kind in ((access, "access"), (refresh, "refresh")):
            assert (claims["sub"], claims["sid"]) == (str(USER), str(SESSION))
            assert claims["iss"] == claims["aud"] == SERVICE_NAME
            assert claims["type"] == kind
            assert claims["iat"] == claims["nbf"]
        for token, typ in ((pair.access_token, "at+jwt"), (pair.refresh_token, "rt+jwt")):
            assert read_part(token, 0) == {"alg": "RS256", "typ": typ, "kid": tokens.kid}

    def test_lifetimes_are_15_minutes_and_7_days(self, tokens: TokenService) -> None:
        pair = issue(tokens)

        access, refresh = (read_part(token, 1) for token in (pair.access_token, pair.refresh_token))
        assert access["exp"] - access["iat"] == pair.expires_in == 900
        assert refresh["exp"] - refresh["iat"] == 7 * 24 * 3600

    def test_ids_have_128_random_bits(self) -> None:
        ids = {create_token_id() for _ in range(1000)}

        assert len(ids) == 1000
        assert {len(bytes.fromhex(token_id)) for token_id in ids} == {16}


class TestRead:
    def test_token_of_additional_key_is_accepted(
        self, tokens: TokenService, make_settings: Any
    ) -> None:
        old = TokenService(make_settings(), parse_private_key(make_pem("old")))

        assert tokens.read(issue(old).access_token, "access").sub == USER
        with pytest.raises(InvalidTokenError):
            old.read(issue(tokens).access_token, "access")

    def test_token_of_other_type_is_refused(self, tokens: TokenService) -> None:
        pair = issue(tokens)

        assert tokens.read(pair.refresh_token, "refresh").jti == "0" * 32
        with pytest.raises(InvalidTokenError):
            tokens.read(pair.refresh_token, "access")

    def test_library_accepts_one_algorithm(
        self, tokens: TokenService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # PyJWT must refuse it even if the comparison of the header were missing.
        header = {"alg": "RS256", "typ": "at+jwt", "kid": tokens.kid}
        monkeypatch.setattr("app.auth.tokens.jwt.get_unverified_header", lambda _token: header)

        with pytest.raises(InvalidTokenError):
            tokens.read(forge(issue(tokens).access_token, algorithm="RS512"), "access")

    def test_malformed_token_is_refused(self, tokens: TokenService) -> None:
        with pytest.raises(InvalidTokenError):
            tokens.read("\ud800.a.b", "access")

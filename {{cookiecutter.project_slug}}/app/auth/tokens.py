"""Tokens: JWT signed with RS256, access tokens as in RFC 9068 and refresh tokens like them."""

import secrets
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel, ConfigDict, Field

from app.auth.errors import challenge
from app.auth.token_settings import AuthSettings
from app.core.errors import AppError

Kind = Literal["access", "refresh"]

ALGORITHM = "RS256"
TYPES: dict[Kind, str] = {"access": "at+jwt", "refresh": "rt+jwt"}
CLOCK_SKEW = 30  # seconds that the clocks of our machines may differ
MAX_TOKEN_LENGTH = 8192
# What parsers raise that meet what no one has signed.
UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError)

Moment = Annotated[int, Field(ge=0, lt=2**53)]
Id = Annotated[uuid.UUID, Field(strict=False)]


class InvalidTokenError(AppError):
    """The token is not ours, not of this kind, expired, or its session is over."""

    status_code, code = 401, "INVALID_TOKEN"
    detail = "The token is not valid."
    headers = challenge(error="invalid_token")


class Claims(BaseModel):
    """What a token says (RFC 9068 section 2.2), with its kind and its session."""

    model_config = ConfigDict(strict=True)

    type: Kind
    sub: Id
    sid: Id
    jti: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    iat: Moment
    nbf: Moment
    exp: Moment


class TokenPair(BaseModel):
    """What a sign-in gives (RFC 6749 section 5.1); `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the word of the RFC
    expires_in: int


class TokenService:
    """Issues tokens with one key, and reads those of it and of the others we know."""

    def __init__(self, settings: AuthSettings, private_key: RSAPrivateKey) -> None:
        self.issuer, self.audience = settings.token_issuer, settings.token_audience
        self.lifetimes: dict[Kind, int] = {
            "access": settings.access_token_minutes * 60,
            "refresh": settings.refresh_token_days * 24 * 3600,
        }
        self.private_key = private_key
        self.kid = make_kid(private_key.public_key())
        keys = [private_key.public_key(), *settings.rsa_public_keys]
        self.public_keys = {make_kid(key): key for key in keys}

    def issue(
        self, user_id: uuid.UUID, session_id: uuid.UUID, refresh_id: str, session_end: datetime
    ) -> TokenPair:
        """Return tokens for a session, neither of which outlives it."""
        now, end = int(datetime.now(UTC).timestamp()), int(session_end.timestamp())
        access_end = min(now + self.lifetimes["access"], end)
        who: dict[str, Any] = {"sub": str(user_id), "sid": str(session_id), "iat": now, "nbf": now}
        return TokenPair(
            access_token=self.sign("access", exp=access_end, jti=new_token_id(), **who),
            refresh_token=self.sign("refresh", exp=end, jti=refresh_id, **who),
            expires_in=access_end - now,
        )

    def sign(self, kind: Kind, **claims: str | int) -> str:
        """Return a token that says this."""
        ours = {"iss": self.issuer, "aud": self.audience, "type": kind}
        header = {"typ": TYPES[kind], "kid": self.kid}
        return jwt.encode({**ours, **claims}, self.private_key, ALGORITHM, header)

    def read(self, token: str, kind: Kind) -> Claims:
        """Return what a valid token of this kind says; InvalidTokenError for any other text."""
        # Padding is not of JWS (RFC 7515 section 2), but the library ignores it.
        if len(token) > MAX_TOKEN_LENGTH or "=" in token:
            raise InvalidTokenError
        try:
            claims = Claims.model_validate(self.verify(token, kind))
        except UNREADABLE:
            raise InvalidTokenError from None
        is_over = claims.exp <= datetime.now(UTC).timestamp()
        if is_over or claims.type != kind or claims.exp - claims.iat > self.lifetimes[kind]:
            raise InvalidTokenError
        return claims

    def verify(self, token: str, kind: Kind) -> dict[str, Any]:
        """Return the claims if one of our keys signed them; errors of many kinds (RFC 8725)."""
        header = jwt.get_unverified_header(token)
        # Ours have these members and no others: nothing in a header can choose algorithm or key.
        if header != {"alg": ALGORITHM, "typ": TYPES[kind], "kid": header["kid"]}:
            raise InvalidTokenError
        claims: dict[str, Any] = jwt.decode(
            token,
            self.public_keys[header["kid"]],
            algorithms=[ALGORITHM],
            issuer=self.issuer,
            audience=self.audience,
            leeway=CLOCK_SKEW,
            options={"require": ["iss", "aud"], "strict_aud": True},
        )
        return claims

    def describe_keys(self) -> list[dict[str, str]]:
        """Return the public keys as members of a JWK Set (RFC 7517 section 5)."""
        return [
            {"use": "sig", "alg": ALGORITHM, "kid": kid, **describe_key(key)}
            for kid, key in self.public_keys.items()
        ]


def new_token_id() -> str:
    """Return 128 random bits."""
    return secrets.token_hex(16)


def describe_key(key: RSAPublicKey) -> dict[str, str]:
    """Return the required members of the key's JWK (RFC 7518 section 6.3.1)."""
    jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {"e": jwk["e"], "kty": "RSA", "n": jwk["n"]}


def make_kid(key: RSAPublicKey) -> str:
    """Return the key's SHA-256 thumbprint (RFC 7638 section 3)."""
    digest = sha256(orjson.dumps(describe_key(key), option=orjson.OPT_SORT_KEYS)).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()

"""JSON Web Tokens signed with RS256: access tokens (RFC 9068) and similar refresh tokens."""

import hmac
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
from app.auth.models import UserSession
from app.auth.settings import AuthSettings
from app.core.errors import AppError
from app.core.settings import SERVICE_NAME

TokenType = Literal["access", "refresh"]

ALGORITHM = "RS256"
HEADER_TYPES: dict[TokenType, str] = {"access": "at+jwt", "refresh": "rt+jwt"}
CLOCK_SKEW = 30  # seconds
MAX_TOKEN_LENGTH = 8192
# The parsers raise all of these for tokens that nobody signed.
PARSER_ERRORS = (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError)

Timestamp = Annotated[int, Field(ge=0, lt=2**53)]
Id = Annotated[uuid.UUID, Field(strict=False)]


class InvalidTokenError(AppError):
    """The token is forged, expired or of another type, or its user or session is not valid."""

    status_code, code = 401, "INVALID_TOKEN"
    detail = "The token is not valid."
    headers = challenge(error="invalid_token")


class Claims(BaseModel):
    """The verified claims of a token (RFC 9068 section 2.2), its type and its session."""

    model_config = ConfigDict(strict=True)

    type: TokenType
    sub: Id
    sid: Id
    jti: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    iat: Timestamp
    nbf: Timestamp
    exp: Timestamp


class TokenPair(BaseModel):
    """An access token and a refresh token (RFC 6749 section 5.1)."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the value that the RFC requires
    expires_in: int = Field(description="Remaining lifetime of the access token in seconds.")


class TokenService:
    """Issues and verifies tokens."""

    def __init__(self, settings: AuthSettings, private_key: RSAPrivateKey) -> None:
        self.lifetimes: dict[TokenType, int] = {
            "access": settings.access_token_minutes * 60,
            "refresh": settings.refresh_token_days * 24 * 3600,
        }
        self.private_key = private_key
        self.kid = compute_kid(private_key.public_key())
        keys = [private_key.public_key(), *settings.rsa_public_keys]
        self.public_keys = {compute_kid(key): key for key in keys}

    def issue(self, session: UserSession, refresh_id: str, issued_at: datetime) -> TokenPair:
        """Return tokens for a session, neither of which outlives it.

        The refresh token depends on the arguments and the signing key only, so that a repeated
        request gets the same one. `issued_at` is the time of its first issue.
        """
        now, end = int(datetime.now(UTC).timestamp()), int(session.expires_at.timestamp())
        access_end = min(now + self.lifetimes["access"], end)
        claims: dict[str, Any] = {"sub": str(session.user_id), "sid": str(session.id)}
        return TokenPair(
            access_token=self.sign(
                "access", now, access_end, jti=create_token_id(), client_id=SERVICE_NAME, **claims
            ),
            refresh_token=self.sign(
                "refresh", int(issued_at.timestamp()), end, jti=refresh_id, **claims
            ),
            expires_in=access_end - now,
        )

    def sign(self, token_type: TokenType, issued_at: int, end: int, **claims: str) -> str:
        """Return a token with these claims and those that every token has."""
        common = {"iss": SERVICE_NAME, "aud": SERVICE_NAME, "type": token_type}
        times = {"iat": issued_at, "nbf": issued_at, "exp": end}
        header = {"typ": HEADER_TYPES[token_type], "kid": self.kid}
        return jwt.encode({**common, **times, **claims}, self.private_key, ALGORITHM, header)

    def read(self, token: str, token_type: TokenType) -> Claims:
        """Return the claims of a valid token of this type (RFC 8725).

        Raises:
            InvalidTokenError: The token is anything else.
        """
        # RFC 7515 section 2 forbids padding, but PyJWT ignores it.
        if len(token) > MAX_TOKEN_LENGTH or "=" in token:
            raise InvalidTokenError
        try:
            header = jwt.get_unverified_header(token)
            expected = {"alg": ALGORITHM, "typ": HEADER_TYPES[token_type], "kid": header["kid"]}
            payload = jwt.decode(
                token,
                self.public_keys[header["kid"]],
                algorithms=[ALGORITHM],
                issuer=SERVICE_NAME,
                audience=SERVICE_NAME,
                leeway=CLOCK_SKEW,
                options={"require": ["iss", "aud"], "strict_aud": True},
            )
            claims = Claims.model_validate(payload)
        except PARSER_ERRORS:
            raise InvalidTokenError from None
        # PyJWT applies the leeway to `exp`, too, and other members of the header mean other rules.
        has_expired = claims.exp <= datetime.now(UTC).timestamp()
        is_too_long = claims.exp - claims.iat > self.lifetimes[token_type]
        if header != expected or claims.type != token_type or has_expired or is_too_long:
            raise InvalidTokenError
        return claims

    def list_jwks(self) -> list[dict[str, str]]:
        """Return the public keys as members of a JWK Set (RFC 7517 section 5)."""
        return [
            {"use": "sig", "alg": ALGORITHM, "kid": kid, **to_jwk(key)}
            for kid, key in self.public_keys.items()
        ]


def create_token_id() -> str:
    """Return 128 random bits in hexadecimal."""
    return secrets.token_hex(16)


def derive_successor(claims: Claims) -> str:
    """Return the id of the refresh token that replaces this one.

    Every process derives the same id, also after the signing key was changed. It need not be
    secret: a token with this id is of no use without our signature.
    """
    key = bytes.fromhex(claims.jti)
    return hmac.digest(key, b"successor" + claims.sid.bytes, "sha256").hex()[:32]


def to_jwk(key: RSAPublicKey) -> dict[str, str]:
    """Return the required members of the key's JWK (RFC 7518 section 6.3.1)."""
    jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {"e": jwk["e"], "kty": "RSA", "n": jwk["n"]}


def compute_kid(key: RSAPublicKey) -> str:
    """Return the SHA-256 thumbprint of the key (RFC 7638 section 3)."""
    digest = sha256(orjson.dumps(to_jwk(key), option=orjson.OPT_SORT_KEYS)).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()

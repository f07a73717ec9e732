"""Access tokens of the OpenID provider (RFC 9068, and similar ones)."""

from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog import get_logger

from app.auth.errors import challenge
from app.auth.provider import Provider
from app.auth.settings import AuthSettings
from app.core.errors import AppError

CLOCK_SKEW = 30  # seconds
MAX_TOKEN_LENGTH = 16 * 1024
# The parsers raise all of these for tokens that nobody signed.
PARSER_ERRORS = (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
UNSUPPORTED_HEADERS = {"b64", "crit", "zip"}
# What reveals the kind of a token if its header does not.
KIND_CLAIMS = {"token_use": "access", "typ": "Bearer"}  # Amazon Cognito, Keycloak
SCOPE_CLAIMS = {"scope", "scp"}
ID_TOKEN_CLAIMS = {"at_hash", "c_hash", "nonce"}  # OpenID Connect Core 1.0 sections 2 and 3.3.2.11

Timestamp = Annotated[int, Field(ge=0, lt=2**53)]

log = get_logger("app.auth")


class InvalidTokenError(AppError):
    """The token is forged, expired or of another kind, or its user was deactivated."""

    status_code, code = 401, "INVALID_TOKEN"
    detail = "The token is not valid."
    headers = challenge(error="invalid_token")


class Claims(BaseModel):
    """The verified claims of an access token (RFC 9068 section 2.2)."""

    model_config = ConfigDict(strict=True, extra="allow")

    iss: str
    sub: Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$")]
    iat: Timestamp
    nbf: Timestamp = 0
    exp: Timestamp
    scope: str | list[str] = ""
    scp: str | list[str] = ""  # the same at Entra ID and Okta

    @property
    def scopes(self) -> set[str]:
        """The granted scopes."""
        values = (self.scope, self.scp)
        return {s for v in values for s in (v.split(" ") if isinstance(v, str) else v) if s}


async def read_token(token: str, provider: Provider, settings: AuthSettings) -> Claims:
    """Return the claims of a valid access token (RFC 8725).

    Raises:
        InvalidTokenError: The token is anything else. The log contains the reason.
        ProviderUnavailableError: The provider's keys are not known.
    """
    try:
        # RFC 7515 section 2 forbids padding, but PyJWT ignores it.
        if len(token) > MAX_TOKEN_LENGTH or "=" in token:
            raise jwt.DecodeError("padded or too long")
        header = jwt.get_unverified_header(token)
        key = await provider.find_key(header["kid"])
        if key is None or UNSUPPORTED_HEADERS & header.keys():
            raise jwt.DecodeError("unknown key or unsupported header")
        payload = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],  # which the header does not choose
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            leeway=CLOCK_SKEW,
        )
        claims = Claims.model_validate(payload)
        check_lifetime(claims, settings.oidc_max_token_hours)
        check_kind(header, payload, require_at_jwt=settings.oidc_require_at_jwt)
    except PARSER_ERRORS as error:
        reason = str(error) if isinstance(error, jwt.PyJWTError) else type(error).__name__
        if isinstance(error, ValidationError):
            reason = f"invalid claim {error.errors()[0]['loc'][0]}"
        log.info("token_rejected", reason=reason)
        raise InvalidTokenError from None
    return claims


def check_lifetime(claims: Claims, max_hours: int) -> None:
    """Raise ExpiredSignatureError if the token has expired or lives for too long."""
    if claims.exp <= datetime.now(UTC).timestamp():  # PyJWT applies the leeway to it
        raise jwt.ExpiredSignatureError("Signature has expired")
    if claims.exp - claims.iat > max_hours * 3600:
        raise jwt.ExpiredSignatureError("lifetime is longer than OIDC_MAX_TOKEN_HOURS")


def check_kind(header: dict[str, Any], payload: dict[str, Any], *, require_at_jwt: bool) -> None:
    """Raise InvalidTokenError of PyJWT for ID tokens, refresh tokens and other tokens."""
    kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    if kind == "at+jwt" or (kind == "jwt" and not require_at_jwt and has_access_claims(payload)):
        return
    raise jwt.InvalidTokenError("not an access token")


def has_access_claims(payload: dict[str, Any]) -> bool:
    """Return whether the claims are those of an access token without a header type."""
    for name, kind in KIND_CLAIMS.items():
        if name in payload:
            return bool(payload[name] == kind)
    return bool(SCOPE_CLAIMS & payload.keys()) and not ID_TOKEN_CLAIMS & payload.keys()

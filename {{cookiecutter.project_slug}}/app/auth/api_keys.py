"""Who calls: the client whose key is in the header `X-API-Key`.

A key is `prefix_id_secret` with a checksum. The id finds it; prefix and checksum let it be told
from other text, by us before the store is asked and by those who scan for leaks. The secret is
not kept: only a digest of the whole key is.
"""

import hmac
import re
import secrets
from hashlib import sha256
from typing import Annotated
from zlib import crc32

from fastapi import APIRouter, Depends, Request
from fastapi.security import APIKeyHeader
from limits import RateLimitItemPerMinute
from structlog import get_logger
from structlog.contextvars import bind_contextvars

# {% if cookiecutter.database == "none" %}
from app.auth.configured_keys import ApiClient, ApiKey, KeysDep
# {% else %}
from app.auth.clients import ApiClient, ApiKey
# {% endif %}
from app.auth.errors import (
    InsufficientScopeError,
    InvalidRequestError,
    NotAuthenticatedError,
    challenge,
)
from app.auth.key_settings import AuthSettings
# {% if cookiecutter.database != "none" %}
from app.auth.stored_keys import KeysDep
# {% endif %}
from app.core.errors import AppError
from app.core.rate_limit import RateLimiterDep
from app.core.settings import DISTRIBUTION

HEADER = "X-API-Key"
FORM = re.compile(DISTRIBUTION + "_([0-9a-f]{16})_[0-9a-f]{64}[0-9a-f]{8}")
SCOPES = ("read", "write")

log = get_logger("app.auth")
header = APIKeyHeader(name=HEADER, auto_error=False)
router = APIRouter()  # API keys are managed by commands, not by requests


class InvalidApiKeyError(AppError):
    """The key is unknown, expired or revoked; which of these, nobody learns."""

    status_code, code = 401, "INVALID_API_KEY"
    detail = "The API key is not valid."
    headers = challenge()


def make_key() -> tuple[str, str]:
    """Return the id of a new key, and the key."""
    key_id = secrets.token_hex(8)
    text = f"{DISTRIBUTION}_{key_id}_{secrets.token_hex(32)}"
    return key_id, text + compute_checksum(text)


def compute_checksum(text: str) -> str:
    """Return the CRC-32 of the text in hex."""
    return f"{crc32(text.encode()):08x}"


def read_key_id(text: str) -> str | None:
    """Return the id in a key, or None for what was never one of ours."""
    match = FORM.fullmatch(text)
    if match is None or compute_checksum(text[:-8]) != text[-8:]:
        return None
    return match[1]


def digest_key(text: str, settings: AuthSettings) -> str:
    """Return what is kept of a key: HMAC-SHA256 (RFC 2104), worth nothing without SECRET_KEY."""
    pepper = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return hmac.new(pepper.encode(), text.encode(), sha256).hexdigest()


async def find_key(keys: KeysDep, text: str, settings: AuthSettings) -> ApiKey | None:
    """Return the key, or None if it is not valid."""
    key_id = read_key_id(text)
    key = await keys.find(key_id) if key_id else None
    digest = digest_key(text, settings)
    if key and hmac.compare_digest(digest.encode(), key.digest.encode()):
        return key
    log.warning("authn_key_fail", key_id=key_id)
    return None


async def get_key(
    request: Request,
    keys: KeysDep,
    limiter: RateLimiterDep,
    text: Annotated[str | None, Depends(header)],
) -> ApiKey:
    """Return the key of the request.

    Raises:
        NotAuthenticatedError: There is none.
        InvalidRequestError: There are two.
        InvalidApiKeyError: It is not valid.
        RateLimitedError: It is not valid, like too many before it from the same address.
    """
    if len(request.headers.getlist(HEADER)) > 1:
        raise InvalidRequestError
    if not text:
        raise NotAuthenticatedError
    settings: AuthSettings = request.app.state.settings
    key = await find_key(keys, text, settings)
    if key is None:
        address = request.client.host if request.client else ""
        limit = RateLimitItemPerMinute(settings.invalid_keys_per_minute)
        await limiter.hit(f"invalid-keys:{address}", limit)
        raise InvalidApiKeyError
    bind_contextvars(key_id=key.key_id)
    # {% if cookiecutter.database != "none" %}
    await keys.note_use(key)
    # {% endif %}
    return key


async def get_current_user(
    request: Request, key: Annotated[ApiKey, Depends(get_key)], limiter: RateLimiterDep
) -> ApiClient:
    """Return the client who calls.

    A key with the scope `read` may GET, one with `write` may do the rest. Raises
    InsufficientScopeError, RateLimitedError, and what `get_key` raises.
    """
    if per_minute := request.app.state.settings.api_key_requests_per_minute:
        await limiter.hit(f"key:{key.key_id}", RateLimitItemPerMinute(per_minute))
    scope = "read" if request.method in ("GET", "HEAD") else "write"
    if scope not in key.scopes.split("+"):
        log.warning("authz_fail", scope=scope)
        raise InsufficientScopeError(scope)
    return key.client


CurrentUser = Annotated[ApiClient, Depends(get_current_user)]

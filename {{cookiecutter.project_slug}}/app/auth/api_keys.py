"""Authentication by an API key in the header `X-API-Key`.

A key is `<service>_<id>_<secret><checksum>`. The id finds the stored key. The service's name and
the checksum let secret scanners recognize leaked keys, and let the service reject other text
without looking it up. Only a digest of the key is stored.
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
from app.auth.configured_keys import ApiClient, ApiKey, KeyServiceDep
# {% else %}
from app.auth.clients import ApiClient, ApiKey
# {% endif %}
from app.auth.errors import (
    InsufficientScopeError,
    InvalidApiKeyError,
    InvalidRequestError,
    NotAuthenticatedError,
)
from app.auth.key_settings import AuthSettings
# {% if cookiecutter.database != "none" %}
from app.auth.stored_keys import KeyServiceDep
# {% endif %}
from app.core.rate_limit import RateLimiterDep, get_client_network, open_rate_limiter
from app.core.settings import DISTRIBUTION

HEADER = "X-API-Key"
KEY = re.compile(DISTRIBUTION + "_([0-9a-f]{16})_[0-9a-f]{64}[0-9a-f]{8}")
SCOPES = ("read", "write")
INVALID_KEYS = RateLimitItemPerMinute(100)

log = get_logger("app.auth")
header = APIKeyHeader(name=HEADER, auto_error=False)
router = APIRouter(lifespan=open_rate_limiter)  # without routes: commands manage API keys


def generate_key() -> tuple[str, str]:
    """Return the id of a new key, and the key."""
    key_id = secrets.token_hex(8)
    text = f"{DISTRIBUTION}_{key_id}_{secrets.token_hex(32)}"
    return key_id, text + compute_checksum(text)


def compute_checksum(text: str) -> str:
    """Return the CRC-32 of the text as 8 hexadecimal digits."""
    return f"{crc32(text.encode()):08x}"


def parse_key_id(text: str) -> str | None:
    """Return the id in a key, or None if the text is not a key of this service."""
    match = KEY.fullmatch(text)
    if match is None or compute_checksum(text[:-8]) != text[-8:]:
        return None
    return match[1]


def digest_key(text: str, settings: AuthSettings) -> str:
    """Return the HMAC-SHA256 of a key (RFC 2104) in hexadecimal digits.

    Without SECRET_KEY, a stolen digest cannot be compared with guessed keys.
    """
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return hmac.new(secret_key.encode(), text.encode(), sha256).hexdigest()


async def find_key(keys: KeyServiceDep, text: str, settings: AuthSettings) -> ApiKey | None:
    """Return the valid key with this text, or None."""
    key_id = parse_key_id(text)
    key = await keys.find(key_id) if key_id else None
    digest = digest_key(text, settings)
    if key and hmac.compare_digest(digest.encode(), key.digest.encode()):
        return key
    log.warning("api_key_rejected", key_id=key_id)
    return None


async def get_api_key(
    request: Request,
    keys: KeyServiceDep,
    limiter: RateLimiterDep,
    text: Annotated[str | None, Depends(header)],
) -> ApiKey:
    """Return the API key of the request.

    Raises:
        NotAuthenticatedError: The header is missing.
        InvalidRequestError: The header occurs more than once.
        InvalidApiKeyError: The key is not valid.
        RateLimitedError: The key is not valid, like too many others from the same network.
    """
    if len(request.headers.getlist(HEADER)) > 1:
        raise InvalidRequestError
    if not text:
        raise NotAuthenticatedError
    key = await find_key(keys, text, request.app.state.settings)
    if key is None:
        await limiter.hit(f"invalid-keys:{get_client_network(request)}", INVALID_KEYS)
        raise InvalidApiKeyError
    bind_contextvars(key_id=key.key_id)
    # {% if cookiecutter.database != "none" %}
    await keys.record_use(key)
    # {% endif %}
    return key


async def get_current_user(
    request: Request, key: Annotated[ApiKey, Depends(get_api_key)], limiter: RateLimiterDep
) -> ApiClient:
    """Return the client that owns the request's API key.

    GET and HEAD require the scope `read`, other methods `write`.

    Raises:
        RateLimitedError: The key is over API_KEY_REQUESTS_PER_MINUTE.
        InsufficientScopeError: The key does not have the scope.
    """
    if per_minute := request.app.state.settings.api_key_requests_per_minute:
        await limiter.hit(f"key:{key.key_id}", RateLimitItemPerMinute(per_minute))
    scope = "read" if request.method in ("GET", "HEAD") else "write"
    if scope not in key.scopes.split("+"):
        log.warning("authz_fail", scope=scope)
        raise InsufficientScopeError(scope)
    return key.client


CurrentUser = Annotated[ApiClient, Depends(get_current_user)]

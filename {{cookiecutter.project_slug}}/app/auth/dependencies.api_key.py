"""Authentication of requests by an API key in the header `X-API-Key`."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader
from limits import RateLimitItemPerMinute
from structlog import get_logger
from structlog.contextvars import bind_contextvars

from app.auth.api_keys import HEADER, digest_key, parse_key_id
# {% if cookiecutter.database == "none" %}
from app.auth.configured_keys import ApiClient, ApiKey, KeyServiceDep
# {% endif %}
from app.auth.errors import (
    InsufficientScopeError,
    InvalidRequestError,
    NotAuthenticatedError,
    challenge,
)
# {% if cookiecutter.database != "none" %}
from app.auth.models import ApiClient, ApiKey
# {% endif %}
from app.auth.settings import AuthSettings
# {% if cookiecutter.database != "none" %}
from app.auth.stored_keys import KeyServiceDep
# {% endif %}
from app.core.errors import AppError
from app.core.rate_limit import RateLimiterDep, get_client_network

INVALID_KEYS = RateLimitItemPerMinute(100)

log = get_logger("app.auth")
header = APIKeyHeader(name=HEADER, auto_error=False)


class InvalidApiKeyError(AppError):
    """The key is unknown, expired or revoked. The response does not reveal which."""

    status_code, code = 401, "INVALID_API_KEY"
    detail = "The API key is invalid, expired or revoked."
    headers = challenge()


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
    key = await keys.record_use(key)
    if key is None:
        raise InvalidApiKeyError
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

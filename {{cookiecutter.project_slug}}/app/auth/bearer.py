"""Authentication of requests by an access token of the OpenID provider (RFC 6750)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.security import OpenIdConnect, SecurityScopes
from fastapi.security.utils import get_authorization_scheme_param
from structlog import get_logger
from structlog.contextvars import bind_contextvars

from app.auth.access_tokens import Claims, read_token
from app.auth.errors import InsufficientScopeError, InvalidRequestError, NotAuthenticatedError
from app.auth.provider import Metadata, Provider
# {% if cookiecutter.database != "none" %}
from app.auth.provider_users import User, get_user
# {% endif %}
from app.core.errors import problems
from app.core.health import API_PREFIX, add_readiness_check
from app.core.rate_limit import open_rate_limiter
# {% if cookiecutter.database != "none" %}
from app.db.session import SessionDep
# {% endif %}

LOGIN_PATH = f"{API_PREFIX}/auth/openid-configuration"

log = get_logger("app.auth")
# Relative to the documentation pages, which a proxy may serve under a path prefix.
header = OpenIdConnect(openIdConnectUrl=LOGIN_PATH.removeprefix("/"), auto_error=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open what requests share. The service is ready as soon as the provider's keys are known."""
    app.state.provider = Provider(app.state.settings.oidc_issuer)
    add_readiness_check(app, "oidc_provider", app.state.provider.get_metadata)
    async with open_rate_limiter(app):
        yield


router = APIRouter(tags=["auth"], lifespan=lifespan)


@router.get(LOGIN_PATH, responses=problems(503))
async def read_login_metadata(request: Request) -> Metadata:
    """Return where clients log users in, by authorization code with PKCE, and with which scopes."""
    metadata: Metadata = await request.app.state.provider.get_metadata()
    scopes = request.app.state.settings.oidc_docs_scopes
    login = {"grant_types_supported": ["authorization_code"], "scopes_supported": scopes}
    return metadata.model_copy(update=login)


async def get_claims(
    request: Request,
    needed: SecurityScopes,
    authorization: Annotated[str | None, Depends(header)],
) -> Claims:
    """Return the claims of the access token, with the scopes that service and route require.

    Raises:
        NotAuthenticatedError: The request has no token.
        InvalidRequestError: The request has several `Authorization` headers.
        InvalidTokenError: The token is not valid.
        InsufficientScopeError: The token does not have a scope.
    """
    if len(request.headers.getlist("authorization")) > 1:
        raise InvalidRequestError
    scheme, token = get_authorization_scheme_param(authorization)
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticatedError
    settings = request.app.state.settings
    claims = await read_token(token, request.app.state.provider, settings)
    scopes = [*settings.oidc_required_scopes, *needed.scopes]
    if not claims.scopes.issuperset(scopes):
        log.warning("authz_fail", scope=" ".join(scopes))
        raise InsufficientScopeError(" ".join(scopes))
    return claims


ClaimsDep = Annotated[Claims, Depends(get_claims)]


# {% if cookiecutter.database == "none" %}
async def get_current_user(claims: ClaimsDep) -> Claims:
    """Return the claims of the current user. The id is `sub`, unique for each `iss`."""
    bind_contextvars(user_id=claims.sub)
    return claims


CurrentUser = Annotated[Claims, Depends(get_current_user)]
# {% else %}
async def get_current_user(session: SessionDep, claims: ClaimsDep) -> User:
    """Return the current user, who is created at the first request.

    Raises:
        InvalidTokenError: The user was deactivated.
    """
    user = await get_user(session, claims)
    bind_contextvars(user_id=str(user.id))
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
# {% endif %}

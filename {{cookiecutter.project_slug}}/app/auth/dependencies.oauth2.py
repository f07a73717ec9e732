"""Authentication of requests by an access token of the OpenID provider (RFC 6750)."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OpenIdConnect, SecurityScopes
from fastapi.security.utils import get_authorization_scheme_param
from structlog import get_logger
from structlog.contextvars import bind_contextvars

from app.auth.access_tokens import Claims, read_token
from app.auth.errors import InsufficientScopeError, InvalidRequestError, NotAuthenticatedError
# {% if cookiecutter.database != "none" %}
from app.auth.models import User
from app.auth.users import get_user
# {% endif %}
from app.core.settings import API_PREFIX
# {% if cookiecutter.database != "none" %}
from app.db.session import SessionDep
# {% endif %}

LOGIN_PATH = f"{API_PREFIX}/auth/openid-configuration"

log = get_logger("app.auth")
# Relative to the documentation pages, which a proxy may serve under a path prefix.
header = OpenIdConnect(openIdConnectUrl=LOGIN_PATH.removeprefix("/"), auto_error=False)


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

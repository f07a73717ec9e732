"""Authentication of requests by the access token in the `Authorization` header (RFC 6750)."""

from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import ClientDisconnect
from structlog import get_logger
from structlog.contextvars import bind_contextvars

from app.auth.errors import InsufficientScopeError, InvalidRequestError, NotAuthenticatedError
from app.auth.models import User
from app.auth.sessions import SessionService
from app.auth.users import UserService
from app.core.settings import API_PREFIX
from app.db.session import SessionDep

# Reads the header and adds the "Authorize" button to the documentation.
bearer = OAuth2PasswordBearer(f"{API_PREFIX}/auth/login", auto_error=False)


async def get_session_service(request: Request, session: SessionDep) -> SessionService:
    """Return the session service of the request."""
    state = request.app.state
    return SessionService(session, state.tokens, state.settings)


async def get_user_service(request: Request, session: SessionDep) -> UserService:
    """Return the user service of the request.

    Raises:
        ClientDisconnect: The client has left. No password is hashed for it.
    """
    if await request.is_disconnected():
        raise ClientDisconnect
    state = request.app.state
    return UserService(session, state.passwords, state.settings)


SessionServiceDep = Annotated[SessionService, Depends(get_session_service)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]


async def get_current_user(
    request: Request, sessions: SessionServiceDep, token: Annotated[str | None, Depends(bearer)]
) -> User:
    """Return the user of the access token.

    Each request reads the session, so that ending it ends its access tokens at once.

    Raises:
        NotAuthenticatedError: The request has no token.
        InvalidRequestError: The request has several `Authorization` headers.
        InvalidTokenError: The token is not valid, or its session has ended.
    """
    if len(request.headers.getlist("authorization")) > 1:
        raise InvalidRequestError
    if not token:
        raise NotAuthenticatedError
    current = await sessions.find(sessions.tokens.read(token, "access"))
    bind_contextvars(user_id=str(current.user_id))
    return current.user


CurrentUser = Annotated[User, Depends(get_current_user)]


async def require_superuser(user: CurrentUser) -> None:
    """Allow superusers only.

    Raises:
        InsufficientScopeError: The current user is not a superuser.
    """
    if not user.is_superuser:
        get_logger("app.auth").warning("authz_fail", scope="superuser")
        raise InsufficientScopeError("superuser")


async def forbid_storing(response: Response) -> None:
    """Keep the response out of caches (RFC 6749 section 5.1) and out of compression (BREACH)."""
    response.headers["Cache-Control"] = "no-store"

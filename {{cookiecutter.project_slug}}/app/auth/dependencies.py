"""Who calls: the user of the access token in the header `Authorization` (RFC 6750)."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from structlog import get_logger
from structlog.contextvars import bind_contextvars

from app.auth.accounts import UserService
from app.auth.errors import InsufficientScopeError, InvalidRequestError, NotAuthenticatedError
from app.auth.sessions import SessionService
from app.auth.users import User, UserSession
from app.core.health import API_PREFIX
from app.db.session import SessionDep

# Reads the header, and is the button in the documentation.
bearer = OAuth2PasswordBearer(f"{API_PREFIX}/auth/login", auto_error=False)


async def get_session_service(request: Request, session: SessionDep) -> SessionService:
    """Return what starts and ends sessions."""
    state = request.app.state
    return SessionService(session, state.tokens, state.settings)


async def get_user_service(request: Request, session: SessionDep) -> UserService:
    """Return what makes and checks users."""
    state = request.app.state
    return UserService(session, state.passwords, state.settings)


SessionServiceDep = Annotated[SessionService, Depends(get_session_service)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]


async def get_current_session(
    request: Request, sessions: SessionServiceDep, token: Annotated[str | None, Depends(bearer)]
) -> UserSession:
    """Return the caller's session, with its user.

    The database is asked each time, so that the end of a session is the end of its tokens. Raises
    NotAuthenticatedError, InvalidTokenError, InvalidRequestError.
    """
    if len(request.headers.getlist("authorization")) > 1:
        raise InvalidRequestError
    if not token:
        raise NotAuthenticatedError
    current = await sessions.find(sessions.tokens.read(token, "access"))
    bind_contextvars(user_id=str(current.user_id))
    return current


CurrentSession = Annotated[UserSession, Depends(get_current_session)]


async def get_current_user(current: CurrentSession) -> User:
    """Return the user who calls; NotAuthenticatedError, InvalidTokenError, InvalidRequestError."""
    return current.user


CurrentUser = Annotated[User, Depends(get_current_user)]


async def require_superuser(caller: CurrentUser) -> None:
    """Raise InsufficientScopeError unless the caller is a superuser."""
    if not caller.is_superuser:
        get_logger("app.auth").warning("authz_fail", scope="superuser")
        raise InsufficientScopeError("superuser")

"""Who calls: the user of the access token in the header `Authorization` (RFC 6750)."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.security import OAuth2PasswordBearer
from structlog import get_logger

from app.auth.accounts import Accounts
from app.auth.errors import InsufficientScopeError, InvalidRequestError, NotAuthenticatedError
from app.auth.passwords import Passwords
from app.auth.sessions import Sessions
from app.auth.signing import find_private_key
from app.auth.tokens import Tokens
from app.auth.users import User, UserSession
from app.core.config import Settings
from app.core.health import API_PREFIX
from app.core.logging import log_context
from app.db.session import SessionDep

# Reads the header, and is the button in the documentation.
bearer = OAuth2PasswordBearer(f"{API_PREFIX}/auth/login", auto_error=False)


def open_auth(app: FastAPI, settings: Settings) -> None:
    """Give the application its keys; ValueError if there is none that can be read."""
    app.state.tokens = Tokens(settings, find_private_key(settings))
    app.state.passwords = Passwords(settings.password_hash_cost)


def get_sessions(request: Request, session: SessionDep) -> Sessions:
    """Return what starts and ends sessions."""
    state = request.app.state
    return Sessions(session, state.tokens, state.settings)


def get_accounts(request: Request, session: SessionDep) -> Accounts:
    """Return what makes and checks users."""
    state = request.app.state
    return Accounts(session, state.passwords, state.settings)


SessionsDep = Annotated[Sessions, Depends(get_sessions)]
AccountsDep = Annotated[Accounts, Depends(get_accounts)]


async def get_current_session(
    request: Request, sessions: SessionsDep, token: Annotated[str | None, Depends(bearer)]
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
    if context := log_context.get():
        context["user_id"] = str(current.user_id)
    return current


CurrentSessionDep = Annotated[UserSession, Depends(get_current_session)]


async def get_caller(current: CurrentSessionDep) -> User:
    """Return the user who calls; NotAuthenticatedError, InvalidTokenError, InvalidRequestError."""
    return current.user


CallerDep = Annotated[User, Depends(get_caller)]


async def require_superuser(caller: CallerDep) -> None:
    """Raise InsufficientScopeError unless the caller is a superuser."""
    if not caller.is_superuser:
        get_logger("app.auth").warning("authz_fail", scope="superuser")
        raise InsufficientScopeError("superuser")

"""The routes of sign-up, sign-in and users."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from structlog import get_logger

from app.auth import jwks
from app.auth.dependencies import (
    CurrentSession,
    CurrentUser,
    SessionServiceDep,
    UserServiceDep,
    get_current_user,
    require_superuser,
)
from app.auth.passwords import PasswordHasher
from app.auth.schemas import (
    Email,
    PasswordChange,
    RefreshTokenBody,
    SignUp,
    UserQuery,
    UserRead,
    UserUpdate,
)
from app.auth.throttle import LoginThrottleDep
from app.auth.token_settings import AuthSettings
from app.auth.tokens import InvalidTokenError, TokenPair, TokenService
from app.auth.users import User
from app.core.errors import AppError, Problem
from app.core.health import API_PREFIX
from app.db.pagination import Page, Rows, paginate
from app.db.session import SessionDep

EMAIL = TypeAdapter(Email)
PROBLEM: dict[str, Any] = {"model": Problem}

public = APIRouter(prefix="/auth", tags=["auth"], responses={401: PROBLEM, 429: PROBLEM})
private = APIRouter(
    prefix="/auth",
    tags=["auth"],
    dependencies=[Depends(get_current_user)],
    responses={401: PROBLEM},
)
admin = APIRouter(
    tags=["users"],
    dependencies=[Depends(require_superuser)],
    responses={401: PROBLEM, 403: PROBLEM},
)
log = get_logger("app.auth")


class SignUpClosedError(AppError):
    """The operator makes the users."""

    status_code, code = 403, "SIGN_UP_CLOSED"
    detail = "Ask the operator for an account."


@public.post(
    "/sign-up",
    response_model=UserRead,
    status_code=201,
    responses={403: PROBLEM, 409: PROBLEM},
)
async def sign_up(
    new: SignUp, accounts: UserServiceDep, throttle: LoginThrottleDep, request: Request
) -> User:
    """Make a user. An address that is taken gives 409, so the number of tries is limited."""
    if not request.app.state.settings.sign_up_enabled:
        raise SignUpClosedError
    await throttle.count_sign_up()
    return await accounts.create(new.email, new.password)


@public.post("/login")
async def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    accounts: UserServiceDep,
    sessions: SessionServiceDep,
    throttle: LoginThrottleDep,
) -> TokenPair:
    """Start a session, which ends the user's earlier one. `username` is the e-mail address."""
    try:
        email = EMAIL.validate_python(form.username)
    except ValidationError:
        email = None
    async with throttle.guess_password(email or form.username):
        user_id = await accounts.authenticate(email, form.password)
    tokens = await sessions.start(user_id)
    log.info("authn_login_success", user_id=str(user_id))
    return tokens


@public.post("/refresh")
async def refresh_tokens(
    body: RefreshTokenBody, sessions: SessionServiceDep, throttle: LoginThrottleDep
) -> TokenPair:
    """Exchange a refresh token, which works once: a copy that comes later ends the session."""
    async with throttle.count_failures(InvalidTokenError):
        claims = sessions.tokens.read(body.refresh_token, "refresh")
        await throttle.count_refresh(claims.sub)
        tokens = await sessions.refresh(claims)
    log.info("authn_token_refresh", user_id=str(claims.sub))
    return tokens


@private.post("/logout", status_code=204)
async def log_out(
    body: RefreshTokenBody, current: CurrentSession, sessions: SessionServiceDep
) -> None:
    """End the session of both tokens."""
    if sessions.tokens.read(body.refresh_token, "refresh").sid != current.id:
        raise InvalidTokenError
    await sessions.end(current)
    log.info("authn_logout", user_id=str(current.user_id))


@private.get("/me", response_model=UserRead)
async def read_me(user: CurrentUser) -> User:
    """Read who you are."""
    return user


@private.patch("/me", response_model=UserRead)
async def update_me(changes: UserUpdate, user: CurrentUser, accounts: UserServiceDep) -> User:
    """Change the fields that are sent."""
    return await accounts.update(user, changes)


@private.post("/me/password", responses={400: PROBLEM, 409: PROBLEM, 429: PROBLEM})
async def change_password(
    change: PasswordChange,
    current: CurrentSession,
    accounts: UserServiceDep,
    sessions: SessionServiceDep,
    throttle: LoginThrottleDep,
) -> TokenPair:
    """Set another password. The other sessions end, and this one goes on with new tokens."""
    session_id, user = current.id, current.user
    async with throttle.guess_password(user.email):
        await accounts.change_password(user, change.current_password, change.new_password)
    return await sessions.renew(session_id)


@admin.get("/users", response_model=Page[UserRead])
async def list_users(session: SessionDep, query: Annotated[UserQuery, Query()]) -> Rows[User]:
    """List a page of the users, oldest first; for superusers."""
    return await paginate(session, select(User).order_by(User.created_at, User.id), query)


@asynccontextmanager
async def open_auth(app: FastAPI) -> AsyncIterator[None]:
    """Load the signing key and create the password hasher at startup.

    Raises:
        ValueError: The local signing key cannot be read.
    """
    settings: AuthSettings = app.state.settings
    app.state.tokens = TokenService(settings, jwks.find_private_key(settings))
    app.state.passwords = PasswordHasher(settings.password_hash_cost)
    yield


router = APIRouter(lifespan=open_auth)
for part in (public, private, admin):
    router.include_router(part, prefix=API_PREFIX)
router.include_router(jwks.router)

"""HTTP routes of registration, login and users."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from structlog import get_logger

from app.auth.dependencies import (
    CurrentUser,
    SessionServiceDep,
    UserServiceDep,
    forbid_storing,
    require_superuser,
)
from app.auth.events import log_after_commit
from app.auth.keys import get_signing_key
from app.auth.models import User
from app.auth.passwords import PasswordHasher
from app.auth.schemas import (
    Email,
    JwkSet,
    PasswordChange,
    RefreshTokenBody,
    SignUp,
    UserRead,
    UserUpdate,
)
from app.auth.settings import AuthSettings
from app.auth.throttle import LoginThrottleDep
from app.auth.tokens import TokenPair, TokenService
from app.core.errors import AppError, problems
from app.core.rate_limit import open_rate_limiter
from app.core.settings import API_PREFIX
from app.db.pagination import Page, PageQuery, Rows, paginate
from app.db.session import SessionDep

EMAIL = TypeAdapter(Email)
EVERYONE = select(User)
# Browsers of any origin may read the keys. A new key is published longer than caches live.
PUBLIC_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
log = get_logger("app.auth")

auth = APIRouter(
    prefix="/auth",
    tags=["auth"],
    dependencies=[Depends(forbid_storing)],
    max_body_size=16 * 1024,  # a form takes more time to parse than JSON
)
users = APIRouter(tags=["users"], dependencies=[Depends(require_superuser)])
keys = APIRouter(tags=["auth"])


class SignUpClosedError(AppError):
    """Only the operator may create users."""

    status_code, code = 403, "SIGN_UP_CLOSED"
    detail = "Sign-up is disabled. Ask the operator for an account."


@auth.post(
    "/sign-up",
    response_model=UserRead,
    status_code=201,
    responses=problems(403, 409, 429, 503),
)
async def sign_up(
    data: SignUp, accounts: UserServiceDep, throttle: LoginThrottleDep, request: Request
) -> User:
    """Create a user. The number of requests per client is limited."""
    if not request.app.state.settings.sign_up_enabled:
        raise SignUpClosedError
    await throttle.count_sign_up()
    return await accounts.create(data.email, data.password)


@auth.post("/login", responses=problems(401, 429, 503))
async def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    accounts: UserServiceDep,
    sessions: SessionServiceDep,
    throttle: LoginThrottleDep,
) -> TokenPair:
    """Start a session and return its tokens. `username` is the e-mail address."""
    try:
        email = EMAIL.validate_python(form.username)
    except ValidationError:
        email = None
    async with throttle.limit_guesses(email or form.username):
        user = await accounts.authenticate(email, form.password)
        tokens = await sessions.start(user)
    log_after_commit(sessions.session, log.info, "authn_login_success", user_id=str(user.id))
    return tokens


@auth.post("/refresh", responses=problems(401, 429))
async def refresh_tokens(
    body: RefreshTokenBody, sessions: SessionServiceDep, throttle: LoginThrottleDep
) -> TokenPair:
    """Exchange a refresh token for new tokens.

    Each refresh token works once. If it is used again some seconds later, the session ends.
    """
    async with throttle.limit_failures():
        return await sessions.refresh(sessions.tokens.read(body.refresh_token, "refresh"))


@auth.post("/logout", status_code=204, responses=problems(401, 429))
async def log_out(
    body: RefreshTokenBody, sessions: SessionServiceDep, throttle: LoginThrottleDep
) -> None:
    """End the session of the refresh token. No access token is required."""
    async with throttle.limit_failures():
        await sessions.end(sessions.tokens.read(body.refresh_token, "refresh"))


@auth.get("/me", response_model=UserRead, responses=problems(400, 401))
async def read_me(user: CurrentUser) -> User:
    """Return the current user."""
    return user


@auth.patch("/me", response_model=UserRead, responses=problems(400, 401))
async def update_me(changes: UserUpdate, user: CurrentUser, accounts: UserServiceDep) -> User:
    """Change the submitted fields of the current user."""
    return await accounts.update(user, changes)


@auth.post("/me/password", responses=problems(400, 401, 409, 429, 503))
async def change_password(
    change: PasswordChange,
    user: CurrentUser,
    accounts: UserServiceDep,
    sessions: SessionServiceDep,
    throttle: LoginThrottleDep,
) -> TokenPair:
    """Change the password and return the tokens of a new session. All other sessions end."""
    async with throttle.limit_guesses(user.email):
        await accounts.change_password(user, change.current_password, change.new_password)
    return await sessions.start(user, is_only_session=True)


@users.get("/users", response_model=Page[UserRead], responses=problems(400, 401, 403, 404))
async def list_users(session: SessionDep, query: Annotated[PageQuery, Query()]) -> Rows[User]:
    """Return a page of users, the oldest first. Only for superusers."""
    return await paginate(session, EVERYONE, query, sort="created_at", scope=EVERYONE)


class JwkSetResponse(JSONResponse):
    """A response with a JWK Set (RFC 7517 section 8.5.2)."""

    media_type = "application/jwk-set+json"


@keys.get("/.well-known/jwks.json", response_class=JwkSetResponse)
async def read_public_keys(request: Request, response: Response) -> JwkSet:
    """Return the public keys that verify tokens."""
    response.headers.update(PUBLIC_HEADERS)
    return JwkSet(keys=request.app.state.tokens.list_jwks())


@asynccontextmanager
async def open_auth(app: FastAPI) -> AsyncGenerator[None]:
    """Open what authentication needs at startup and close it at shutdown.

    Raises:
        ValueError: The local signing key cannot be read.
    """
    settings: AuthSettings = app.state.settings
    app.state.tokens = TokenService(settings, get_signing_key(settings.private_key))
    app.state.passwords = PasswordHasher(settings.password_hash_cost)
    async with open_rate_limiter(app):
        yield


router = APIRouter(lifespan=open_auth)
router.include_router(auth, prefix=API_PREFIX)
router.include_router(users, prefix=API_PREFIX)
router.include_router(keys)

"""User sessions, which refresh tokens continue (RFC 9700 section 4.14.2)."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager
from structlog import get_logger

from app.auth.events import log_after_commit
from app.auth.models import User, UserSession, change_rows
from app.auth.passwords import InvalidCredentialsError
from app.auth.settings import AuthSettings
from app.auth.tokens import (
    Claims,
    InvalidTokenError,
    TokenPair,
    TokenService,
    create_token_id,
    derive_successor,
)

MAX_SESSION_LIFETIME = timedelta(days=30)
# Built once, because every authenticated request executes it.
FIND_SESSION = (
    select(UserSession)
    .join(UserSession.user)
    .where(UserSession.id == bindparam("sid"), UserSession.expires_at > bindparam("now"))
    .where(User.id == bindparam("sub"), User.is_active)
    .options(contains_eager(UserSession.user))
)

log = get_logger("app.auth")


class SessionService:
    """Starts, continues and ends sessions."""

    def __init__(self, session: AsyncSession, tokens: TokenService, settings: AuthSettings) -> None:
        self.session = session
        self.tokens = tokens
        self.idle_time = timedelta(days=settings.refresh_token_days)
        self.leeway = timedelta(seconds=settings.refresh_leeway_seconds)
        self.single_session = settings.single_session

    async def start(self, user: User, *, is_only_session: bool = False) -> TokenPair:
        """Start a session and return its tokens.

        With `is_only_session`, or the setting SINGLE_SESSION, all other sessions of the user end.
        Otherwise only the expired ones are deleted.

        Raises:
            InvalidCredentialsError: The user was deactivated or the password was changed after it
                was verified.
        """
        # This changes nothing, but locks the user's row on every database, so that concurrent
        # logins wait. It refuses a login that was verified before the password was changed.
        lock = (
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash, User.is_active)
            .values(updated_at=User.updated_at)
        )
        if not await change_rows(self.session, lock):
            raise InvalidCredentialsError
        now = datetime.now(UTC)
        replaced = [UserSession.user_id == user.id]
        if not is_only_session and not self.single_session:
            replaced.append(UserSession.expires_at < now)
        await end_sessions(self.session, *replaced)
        token_id = create_token_id()
        started = UserSession(
            user_id=user.id,
            token_digest=digest(token_id),
            expires_at=now + min(self.idle_time, MAX_SESSION_LIFETIME),
        )
        self.session.add(started)
        await self.session.flush()
        return self.tokens.issue(started, token_id, now)

    async def find(self, claims: Claims) -> UserSession:
        """Return the session of a token together with its user.

        Raises:
            InvalidTokenError: The session has ended, or the user is inactive or deleted.
        """
        parameters = {"sid": claims.sid, "sub": claims.sub, "now": datetime.now(UTC)}
        found: UserSession | None = await self.session.scalar(FIND_SESSION, parameters)
        if found is None:
            raise InvalidTokenError
        return found

    async def refresh(self, claims: Claims) -> TokenPair:
        """Exchange a refresh token for its successor.

        Within the leeway the same token returns the same successor again, so that a client can
        repeat a request whose response was lost.

        Raises:
            InvalidTokenError: The session has ended, or the token was used before. In the latter
                case the session ends, because one of its two users must be a thief.
        """
        used, successor, now = digest(claims.jti), derive_successor(claims), datetime.now(UTC)
        # A single statement, so that only one of several concurrent requests rotates the token.
        is_rotated = await change_rows(
            self.session,
            update(UserSession)
            .where(UserSession.id == claims.sid, UserSession.token_digest == used)
            .values(token_digest=digest(successor), previous_token_digest=used, rotated_at=now),
        )
        current = await self.find(claims)
        rotated_at = current.rotated_at or current.created_at
        who = {"user_id": str(current.user_id), "session_id": str(current.id)}
        if is_rotated:
            session_end = current.created_at + MAX_SESSION_LIFETIME
            current.expires_at = min(now + self.idle_time, session_end)
            log_after_commit(self.session, log.info, "authn_token_refresh", **who)
        # Without leeway, not even a concurrent request may use the token again.
        elif used != current.previous_token_digest or abs(now - rotated_at) >= self.leeway:
            log_after_commit(self.session, log.warning, "authn_token_reuse", **who)
            await end_sessions(self.session, UserSession.id == current.id)
            await self.session.commit()  # the error response would roll it back
            raise InvalidTokenError
        return self.tokens.issue(current, successor, rotated_at)

    async def end(self, claims: Claims) -> None:
        """End the session of a refresh token.

        Raises:
            InvalidTokenError: The session has already ended.
        """
        current = await self.find(claims)
        if not await end_sessions(self.session, UserSession.id == current.id):
            raise InvalidTokenError
        log_after_commit(self.session, log.info, "authn_logout", user_id=str(current.user_id))


async def end_sessions(session: AsyncSession, *conditions: ColumnElement[bool]) -> int:
    """End the sessions that meet every condition, and return their number."""
    return await change_rows(session, delete(UserSession).where(*conditions))


def digest(token_id: str) -> str:
    """Return the stored form of a token id, which is random and therefore needs no salt."""
    return sha256(token_id.encode()).hexdigest()

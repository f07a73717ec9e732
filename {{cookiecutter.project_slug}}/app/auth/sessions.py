"""Sessions: a sign-in that lasts by refresh tokens, each good for one use (RFC 9700 4.14.2)."""

import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager
from structlog import get_logger

from app.auth.errors import challenge
from app.auth.token_settings import AuthSettings
from app.auth.tokens import Claims, InvalidTokenError, TokenPair, TokenService, new_token_id
from app.auth.users import User, UserSession, change_rows
from app.core.errors import AppError

log = get_logger("app.auth")


class RefreshSupersededError(AppError):
    """The refresh token was used a moment ago: its successor is on the way to the same client."""

    status_code, code = 401, "REFRESH_SUPERSEDED"
    detail = "The token was used a moment ago."
    headers = challenge(error="invalid_token")


class SessionService:
    """Starts, continues and ends sessions. A user has one at a time."""

    def __init__(self, session: AsyncSession, tokens: TokenService, settings: AuthSettings) -> None:
        self.session = session
        self.tokens = tokens
        self.idle_time = timedelta(days=settings.refresh_token_days)
        self.life_time = timedelta(days=settings.session_days)
        self.leeway = timedelta(seconds=settings.refresh_leeway_seconds)

    async def start(self, user_id: uuid.UUID) -> TokenPair:
        """Return the tokens of a new session, which ends the earlier ones.

        Raises InvalidTokenError if there is no such user, or not any more.
        """
        # Sign-ins of one user wait for each other here; SQLite lets only one write anyway.
        active = select(User.id).where(User.id == user_id, User.is_active)
        if not await self.session.scalar(active.with_for_update()):
            raise InvalidTokenError
        now = datetime.now(UTC)
        await self.session.execute(delete(UserSession).where(UserSession.user_id == user_id))
        await self.session.execute(delete(UserSession).where(UserSession.expires_at < now))
        token_id = new_token_id()
        started = UserSession(
            user_id=user_id,
            token_digest=digest(token_id),
            expires_at=now + min(self.idle_time, self.life_time),
        )
        self.session.add(started)
        await self.session.flush()
        return self.tokens.issue(user_id, started.id, token_id, started.expires_at)

    async def find(self, claims: Claims) -> UserSession:
        """Return the session of a token, with its user; InvalidTokenError if either is gone."""
        found = await self.session.scalar(
            select(UserSession)
            .join(UserSession.user)
            .where(UserSession.id == claims.sid, UserSession.expires_at > datetime.now(UTC))
            .where(User.id == claims.sub, User.is_active)
            .options(contains_eager(UserSession.user))
        )
        if found is None:
            raise InvalidTokenError
        return found

    async def refresh(self, claims: Claims) -> TokenPair:
        """Return new tokens for a refresh token, which is used up.

        Raises:
            InvalidTokenError: Its session is over, or it was used before; then its session ends,
                as whoever used it first may be a thief.
            RefreshSupersededError: It was used a moment ago, by a client that asks twice.
        """
        old, token_id = digest(claims.jti), new_token_id()
        # One statement, so that of many at once with the same token one finds it.
        unused = update(UserSession).where(
            UserSession.id == claims.sid, UserSession.token_digest == old
        )
        is_rotated = await change_rows(
            self.session,
            unused.values(
                token_digest=digest(token_id),
                previous_token_digest=old,
                rotated_at=datetime.now(UTC),
            ),
        )
        current = await self.find(claims)
        if not is_rotated:
            await self.handle_reuse(current, old)
        return self.extend(current, token_id)

    async def renew(self, session_id: uuid.UUID) -> TokenPair:
        """Return new tokens for a session, the one that its user keeps; InvalidTokenError."""
        current = await self.session.get(UserSession, session_id)
        if current is None:
            raise InvalidTokenError
        others = (UserSession.user_id == current.user_id, UserSession.id != session_id)
        await self.session.execute(delete(UserSession).where(*others))
        token_id = new_token_id()
        current.previous_token_digest, current.token_digest = current.token_digest, digest(token_id)
        current.rotated_at = datetime.now(UTC)
        return self.extend(current, token_id)

    def extend(self, current: UserSession, token_id: str) -> TokenPair:
        """Return tokens for a session that lives on; refreshing does not make it live for ever."""
        end = current.created_at + self.life_time
        current.expires_at = min(datetime.now(UTC) + self.idle_time, end)
        return self.tokens.issue(current.user_id, current.id, token_id, current.expires_at)

    async def handle_reuse(self, current: UserSession, used: str) -> None:
        """Raise RefreshSupersededError, or end the session and raise InvalidTokenError."""
        since = datetime.now(UTC) - (current.rotated_at or current.created_at)
        if used == current.previous_token_digest and since <= self.leeway:
            raise RefreshSupersededError
        log.warning("authn_token_reuse", user_id=str(current.user_id), session_id=str(current.id))
        await self.end(current)
        # The error answer would roll it back.
        await self.session.commit()
        raise InvalidTokenError

    async def end(self, current: UserSession) -> None:
        """End the session: its tokens work no more."""
        await self.session.delete(current)


def digest(token_id: str) -> str:
    """Return what is kept of a token's id, which is random enough to need no salt."""
    return sha256(token_id.encode()).hexdigest()

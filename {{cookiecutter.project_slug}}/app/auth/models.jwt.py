"""Tables of users and their sessions."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UpdateBase
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Record
from app.db.types import UTCDateTime


class User(Record):
    """A person who can log in. Inactive users cannot log in."""

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str | None] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(60))
    is_active: Mapped[bool] = mapped_column(default=True)
    is_superuser: Mapped[bool] = mapped_column(default=False)


Index("ix_users_created_at", User.created_at, User.id)


class UserSession(Record):
    """A login and the one refresh token that continues it.

    Only SHA-256 digests of token ids are stored. A digest cannot be turned back into a token.
    """

    __tablename__ = "user_sessions"

    user_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    token_digest: Mapped[str] = mapped_column(String(64))
    previous_token_digest: Mapped[str | None] = mapped_column(String(64))
    rotated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(lazy="raise")


async def change_rows(session: AsyncSession, statement: UpdateBase) -> int:
    """Execute the statement after pending changes; return the number of changed or deleted rows."""
    # Otherwise the user's row is locked after those of the sessions, and a login may deadlock.
    await session.flush()
    connection = await session.connection()
    return (await connection.execute(statement)).rowcount

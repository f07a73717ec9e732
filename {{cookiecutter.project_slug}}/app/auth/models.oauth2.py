"""Table of the OpenID provider's users who have used the service."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Record


class User(Record):
    """A user, identified by issuer and subject: e-mail addresses change their owners."""

    __tablename__ = "users"

    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)


Index("ix_users_issuer", User.issuer, User.subject, unique=True)

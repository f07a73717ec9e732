"""Tables of API clients and their keys."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Record
from app.db.types import UTCDateTime


class ApiClient(Record):
    """A program that calls the API. It may have several keys; items belong to the client."""

    __tablename__ = "api_clients"

    name: Mapped[str] = mapped_column(String(63), unique=True)


class ApiKey(Record):
    """An API key of a client. `scopes` is `read`, `write` or `read+write`."""

    __tablename__ = "api_keys"

    client_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("api_clients.id", ondelete="CASCADE"), index=True
    )
    key_id: Mapped[str] = mapped_column(String(16), unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    client: Mapped[ApiClient] = relationship(lazy="raise")

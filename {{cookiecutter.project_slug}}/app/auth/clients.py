"""The tables of the clients and their API keys."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Record
from app.db.types import UTCDateTime


class ApiClient(Record):
    """A program that calls, and to which things belong whichever of its keys it shows."""

    __tablename__ = "api_clients"

    name: Mapped[str] = mapped_column(String(63), unique=True)


class ApiKey(Record):
    """A key of a client; of its secret there is only a digest. `scopes` is such as `read+write`."""

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

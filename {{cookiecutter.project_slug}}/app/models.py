"""The tables. Put every model here, so that `Base.metadata` knows them all."""

import uuid
from decimal import Decimal

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Base, Record
from app.db.types import Money

__all__ = ["Base", "Item", "Tag"]


class Tag(Base):
    """A word on an item, at most once."""

    __tablename__ = "item_tags"

    item_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("items.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(50), primary_key=True, index=True)


class Item(Record):
    """Something for sale. A deleted one stays, inactive, and so does its SKU."""

    __tablename__ = "items"

    sku: Mapped[str] = mapped_column(String(50), unique=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    description: Mapped[str | None] = mapped_column(String(2000))
    price: Mapped[Decimal] = mapped_column(Money, index=True)
    is_active: Mapped[bool] = mapped_column(default=True)

    tags: Mapped[list[Tag]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise", order_by="Tag.name"
    )

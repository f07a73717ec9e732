"""Database tables. Define or import every model here, so that `Base.metadata` has all tables."""

import uuid
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

# {% if cookiecutter.auth != "none" %}
from app.auth import models as auth_models
# {% endif %}
from app.db.base import Base, Record
from app.db.types import ExactDecimal

# {% if cookiecutter.auth == "none" %}
__all__ = ["Base", "Item", "Tag"]
# {% else %}
__all__ = ["Base", "Item", "Tag", "auth_models"]
# {% endif %}


class Tag(Base):
    """A tag of an item."""

    __tablename__ = "item_tags"

    item_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("items.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(50), primary_key=True, index=True)


class Item(Record):
    """Something for sale. A deleted item stays in the table, inactive, and keeps its SKU."""

    __tablename__ = "items"

    # {% if cookiecutter.auth != "none" %}
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("{{ cookiecutter.__owners }}.id", ondelete="CASCADE"))
    # {% endif %}
    sku: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    price: Mapped[Decimal] = mapped_column(ExactDecimal(12, 2))
    is_active: Mapped[bool] = mapped_column(default=True)

    tags: Mapped[list[Tag]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise", order_by="Tag.name"
    )


# Each sort order has an index. It begins with the columns that every query filters by.
# {% if cookiecutter.auth == "none" %}
Index("ix_items_sku", Item.sku, unique=True)
Index("ix_items_created_at", Item.is_active, Item.created_at, Item.id)
Index("ix_items_name", Item.is_active, Item.name, Item.id)
Index("ix_items_price", Item.is_active, Item.price, Item.id)
# {% else %}
Index("ix_items_sku", Item.owner_id, Item.sku, unique=True)
Index("ix_items_created_at", Item.owner_id, Item.is_active, Item.created_at, Item.id)
Index("ix_items_name", Item.owner_id, Item.is_active, Item.name, Item.id)
Index("ix_items_price", Item.owner_id, Item.is_active, Item.price, Item.id)
# {% endif %}

"""The tables of the items."""

import uuid
from decimal import Decimal

# {% if cookiecutter.auth == "none" %}
from sqlalchemy import ForeignKey, String
# {% else %}
from sqlalchemy import ForeignKey, Index, String
# {% endif %}
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Base, Record
from app.db.types import Money


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

    # {% if cookiecutter.auth == "none" %}
    sku: Mapped[str] = mapped_column(String(50), unique=True)
    # {% else %}
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("{{ cookiecutter.__owners }}.id", ondelete="CASCADE"))
    sku: Mapped[str] = mapped_column(String(50))
    # {% endif %}
    name: Mapped[str] = mapped_column(String(200), index=True)
    description: Mapped[str | None] = mapped_column(String(2000))
    price: Mapped[Decimal] = mapped_column(Money, index=True)
    is_active: Mapped[bool] = mapped_column(default=True)

    tags: Mapped[list[Tag]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise", order_by="Tag.name"
    )
# {% if cookiecutter.auth != "none" %}


Index(None, Item.owner_id, Item.sku, unique=True)
# {% endif %}

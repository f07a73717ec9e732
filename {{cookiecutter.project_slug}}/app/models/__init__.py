"""The tables. Import every model here, so that `Base.metadata` knows them all."""

from app.db.base import Base
from app.models.items import Item, Tag

__all__ = ["Base", "Item", "Tag"]

"""Items: the rules and the queries."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

# {% if cookiecutter.auth == "none" %}
from sqlalchemy import ColumnElement, Select, select, update
# {% else %}
from sqlalchemy import ColumnElement, Select, and_, select, update
# {% endif %}
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from app.core.errors import BusinessRuleError, NotFoundError
from app.db.pagination import Rows, paginate
from app.models.items import Item, Tag
from app.schemas.items import ItemCreate, ItemQuery, ItemUpdate

MAX_PRICE_FACTOR = 2
SORT_COLUMNS = {"name": Item.name, "price": Item.price, "created_at": Item.created_at}


@dataclass
class ItemService:
    """The items that the caller may see; who that is, this class alone decides."""

    session: AsyncSession
    # {% if cookiecutter.auth != "none" %}
    owner_id: uuid.UUID
    # {% endif %}

    @property
    def visible(self) -> ColumnElement[bool]:
        """What every query asks for."""
        # {% if cookiecutter.auth == "none" %}
        return Item.is_active.is_(True)
        # {% else %}
        return and_(Item.is_active, Item.owner_id == self.owner_id)
        # {% endif %}

    def select(self) -> Select[Item]:
        """Return the query that all others start from."""
        return select(Item).where(self.visible).options(selectinload(Item.tags))

    async def find(self, query: ItemQuery) -> Rows[Item]:
        """Return a page of the items that fit."""
        found = self.select()
        if query.tag is not None:
            found = found.where(Item.tags.any(Tag.name == query.tag))
        if query.search is not None:
            found = found.where(Item.name.icontains(query.search, autoescape=True))
        column = SORT_COLUMNS[query.sort.removeprefix("-")]
        order = column.desc() if query.sort.startswith("-") else column.asc()
        return await paginate(self.session, found.order_by(order, Item.id), query)

    async def get(self, item_id: uuid.UUID) -> Item:
        """Return the item; NotFoundError."""
        item = await self.session.scalar(self.select().where(Item.id == item_id))
        if item is None:
            raise NotFoundError("There is no such item.")
        return item

    async def create(self, new: ItemCreate) -> Item:
        """Return the new item; IntegrityError if its SKU is or was taken."""
        item = Item(**new.model_dump(exclude={"tags"}), tags=make_tags(new.tags, []))
        # {% if cookiecutter.auth != "none" %}
        item.owner_id = self.owner_id
        # {% endif %}
        self.session.add(item)
        await self.session.flush()
        return item

    async def update(self, item_id: uuid.UUID, changes: ItemUpdate) -> Item:
        """Return the changed item; NotFoundError, BusinessRuleError."""
        # Changes of one item wait for each other here: SQLite has no FOR UPDATE.
        unchanged = {"updated_at": Item.updated_at}
        visible = update(Item).where(Item.id == item_id, self.visible)
        await self.session.execute(visible.values(unchanged))
        item = await self.get(item_id)
        values = changes.model_dump()
        check_price_change(item.price, values.get("price", item.price))
        if "tags" in values:
            values["tags"] = make_tags(values["tags"], item.tags)
        for name, value in values.items():
            setattr(item, name, value)
        await self.session.flush()
        return item

    async def delete(self, item_id: uuid.UUID) -> None:
        """Make the item inactive; NotFoundError."""
        item = await self.get(item_id)
        item.is_active = False


def make_tags(names: Iterable[str], present: Iterable[Tag]) -> list[Tag]:
    """Return a tag for each name, in order: the present one if there is."""
    tags = {tag.name: tag for tag in present}
    return [tags.get(name) or Tag(name=name) for name in sorted(set(names))]


def check_price_change(old: Decimal, new: Decimal) -> None:
    """Raise BusinessRuleError if a price more than doubles, which is likely a slip."""
    if old and new > old * MAX_PRICE_FACTOR:
        raise BusinessRuleError("A price may at most double in one change.")

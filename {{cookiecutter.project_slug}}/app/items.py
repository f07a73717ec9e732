"""Items: the rules and the queries, then the routes."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
# {% if cookiecutter.auth == "none" %}
from sqlalchemy import ColumnElement, Select, select, update
# {% else %}
from sqlalchemy import ColumnElement, Select, and_, select, update
# {% endif %}
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

# {% if cookiecutter.auth != "none" %}
from app.auth import CurrentUser
# {% endif %}
from app.core.errors import BusinessRuleError, NotFoundError, Problem
from app.db.pagination import Page, Rows, paginate
from app.db.session import SessionDep
from app.models import Item, Tag
from app.schemas import ItemCreate, ItemQuery, ItemRead, ItemUpdate

router = APIRouter(prefix="/items", tags=["items"])
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
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


# {% if cookiecutter.auth == "none" %}
async def get_item_service(session: SessionDep) -> ItemService:
    """Return the items."""
    return ItemService(session)


ItemServiceDep = Annotated[ItemService, Depends(get_item_service)]
# {% else %}
async def get_item_service(session: SessionDep, caller: CurrentUser) -> ItemService:
    """Return the caller's items."""
    return ItemService(session, caller.id)


ItemServiceDep = Annotated[ItemService, Depends(get_item_service)]
# {% endif %}


@router.get("", response_model=Page[ItemRead])
async def list_items(items: ItemServiceDep, query: Annotated[ItemQuery, Query()]) -> Rows[Item]:
    """List a page of the items."""
    return await items.find(query)


@router.post("", response_model=ItemRead, status_code=201, responses={409: {"model": Problem}})
async def create_item(
    items: ItemServiceDep, new: ItemCreate, request: Request, response: Response
) -> Item:
    """Create an item. A SKU is never used twice, not even after its item was deleted: 409."""
    item = await items.create(new)
    response.headers["Location"] = f"{request.url.path}/{item.id}"
    return item


@router.get("/{item_id}", response_model=ItemRead, responses=NOT_FOUND)
async def read_item(items: ItemServiceDep, item_id: uuid.UUID) -> Item:
    """Read an item."""
    return await items.get(item_id)


@router.patch("/{item_id}", response_model=ItemRead, responses=NOT_FOUND)
async def update_item(items: ItemServiceDep, item_id: uuid.UUID, changes: ItemUpdate) -> Item:
    """Change the fields that are sent."""
    return await items.update(item_id, changes)


@router.delete("/{item_id}", status_code=204, responses=NOT_FOUND)
async def delete_item(items: ItemServiceDep, item_id: uuid.UUID) -> None:
    """Delete an item."""
    await items.delete(item_id)

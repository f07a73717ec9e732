"""Items: business rules and routes."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

# {% if cookiecutter.auth != "none" %}
from app.auth import CurrentUser
# {% endif %}
from app.core.errors import BusinessRuleError, NotFoundError, problems
from app.db.errors import unique
from app.db.pagination import Page, Rows, paginate
from app.db.session import SessionDep
from app.db.types import utc_now
from app.models import Item, Tag
from app.schemas import ItemCreate, ItemQuery, ItemRead, ItemUpdate

MAX_PRICE_FACTOR = 2
# Statements are built once: building one for each request takes as long as executing it.
# {% if cookiecutter.auth == "none" %}
ITEMS = select(Item)
# {% else %}
ITEMS = select(Item).where(Item.owner_id == bindparam("owner_id"))
# {% endif %}
ACTIVE_ITEMS = ITEMS.where(Item.is_active).options(selectinload(Item.tags))
ITEM_BY_ID = ACTIVE_ITEMS.where(Item.id == bindparam("item_id"))


@dataclass
class ItemService:
    # {% if cookiecutter.auth == "none" %}
    """Operations on items.

    Every query starts from ACTIVE_ITEMS, so deleted items are not found.
    """
    # {% else %}
    """Operations on the items of one owner.

    Every query starts from ACTIVE_ITEMS, so neither items of other owners nor deleted items are
    found.
    """
    # {% endif %}

    session: AsyncSession
    # {% if cookiecutter.auth != "none" %}
    owner_id: uuid.UUID
    # {% endif %}

    async def list_page(self, query: ItemQuery) -> Rows[Item]:
        """Return a page of the items that match the filters.

        Raises:
            NotFoundError: The item of `query.after` does not exist.
        """
        statement = ACTIVE_ITEMS
        if query.tag is not None:
            statement = statement.where(Item.tags.any(Tag.name == query.tag))
        if query.search is not None:
            # This reads every item of the list. docs/{{ cookiecutter.database }}.md has a remedy.
            statement = statement.where(Item.name.icontains(query.search, autoescape=True))
        # {% if cookiecutter.auth == "none" %}
        return await paginate(self.session, statement, query, sort=query.sort, scope=ITEMS)
        # {% else %}
        return await paginate(
            self.session, statement, query, sort=query.sort, scope=ITEMS, owner_id=self.owner_id
        )
        # {% endif %}

    async def get(self, item_id: uuid.UUID) -> Item:
        """Return an item.

        Raises:
            NotFoundError: No active item has this id.
        """
        # {% if cookiecutter.auth == "none" %}
        item = await self.session.scalar(ITEM_BY_ID, {"item_id": item_id})
        # {% else %}
        key = {"item_id": item_id, "owner_id": self.owner_id}
        item = await self.session.scalar(ITEM_BY_ID, key)
        # {% endif %}
        if item is None:
            raise NotFoundError("Item not found.")
        return item

    async def create(self, data: ItemCreate) -> Item:
        """Create an item.

        Raises:
            ConflictError: An item has or had this SKU.
        """
        item = Item(**data.model_dump(exclude={"tags"}), tags=create_tags(data.tags, []))
        # {% if cookiecutter.auth != "none" %}
        item.owner_id = self.owner_id
        # {% endif %}
        self.session.add(item)
        with unique("An item with this SKU exists or has existed."):
            await self.session.flush()
        return item

    async def update(self, item_id: uuid.UUID, data: ItemUpdate) -> Item:
        """Change the submitted fields and leave the others as they are.

        Raises:
            NotFoundError: No active item has this id.
            BusinessRuleError: The price would more than double.
        """
        changes = data.model_dump()
        if changes:
            # Locks the row by its key alone, or requests deadlock. SQLite has no FOR UPDATE.
            lock = update(Item).where(Item.id == item_id).values(updated_at=utc_now())
            await self.session.execute(lock)
        item = await self.get(item_id)
        check_price_increase(item.price, changes.get("price", item.price))
        if "tags" in changes:
            changes["tags"] = create_tags(changes["tags"], item.tags)
        for name, value in changes.items():
            setattr(item, name, value)
        await self.session.flush()
        return item

    async def delete(self, item_id: uuid.UUID) -> None:
        """Deactivate an item. Its SKU stays reserved.

        Raises:
            NotFoundError: No active item has this id.
        """
        item = await self.get(item_id)
        item.is_active = False


def create_tags(names: Iterable[str], present: Iterable[Tag]) -> list[Tag]:
    """Return a tag for each name in alphabetical order, reusing those that are present."""
    tags = {tag.name: tag for tag in present}
    return [tags.get(name) or Tag(name=name) for name in sorted(set(names))]


def check_price_increase(old: Decimal, new: Decimal) -> None:
    """Reject a price that more than doubles, which is usually a typing error.

    Raises:
        BusinessRuleError: The new price is more than twice the old one.
    """
    if old and new > old * MAX_PRICE_FACTOR:
        raise BusinessRuleError("The price may at most double in one update.")


ItemId = Annotated[uuid.UUID, Path(description="Id of the item.")]
CONFLICT = problems(409, description="An item has or had this SKU.")
NOT_FOUND = problems(404, description="No active item has this id.")
PRICE_RULE = problems(400, description="The price would more than double.")
UNKNOWN_AFTER = problems(404, description="No item has the id in `after`.")

router = APIRouter(prefix="/items", tags=["items"])


# {% if cookiecutter.auth == "none" %}
async def get_item_service(session: SessionDep) -> ItemService:
    """Return the service of the request."""
    return ItemService(session)


ItemServiceDep = Annotated[ItemService, Depends(get_item_service)]
# {% else %}
async def get_item_service(session: SessionDep, user: CurrentUser) -> ItemService:
    """Return the service for the items of the current user."""
    return ItemService(session, user.id)


ItemServiceDep = Annotated[ItemService, Depends(get_item_service)]
# {% endif %}


@router.get("", response_model=Page[ItemRead], responses=UNKNOWN_AFTER)
async def list_items(items: ItemServiceDep, query: Annotated[ItemQuery, Query()]) -> Rows[Item]:
    """List items, one page at a time.

    To get the next page, repeat the request with `next` of this page as `after`.
    """
    return await items.list_page(query)


@router.post("", response_model=ItemRead, status_code=201, responses=CONFLICT)
async def create_item(
    items: ItemServiceDep, data: ItemCreate, request: Request, response: Response
) -> Item:
    """Create an item. A SKU cannot be used again, even after its item was deleted."""
    item = await items.create(data)
    response.headers["Location"] = f"{request.url.path}/{item.id}"
    return item


@router.get("/{item_id}", response_model=ItemRead, responses=NOT_FOUND)
async def read_item(items: ItemServiceDep, item_id: ItemId) -> Item:
    """Return an item."""
    return await items.get(item_id)


@router.patch("/{item_id}", response_model=ItemRead, responses=PRICE_RULE | NOT_FOUND)
async def update_item(items: ItemServiceDep, item_id: ItemId, data: ItemUpdate) -> Item:
    """Change the submitted fields of an item. The price may at most double in one update."""
    return await items.update(item_id, data)


@router.delete("/{item_id}", status_code=204, responses=NOT_FOUND)
async def delete_item(items: ItemServiceDep, item_id: ItemId) -> None:
    """Delete an item."""
    await items.delete(item_id)

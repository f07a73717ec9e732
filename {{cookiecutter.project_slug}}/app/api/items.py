"""Routes of the items."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

# {% if cookiecutter.auth != "none" %}
from app.auth import CurrentUser
# {% endif %}
from app.core.errors import problems
from app.db.pagination import Page, Rows
from app.db.session import SessionDep
from app.models.items import Item
from app.schemas.items import ItemCreate, ItemQuery, ItemRead, ItemUpdate
from app.services.items import ItemService

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

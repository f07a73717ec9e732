"""The routes of the items."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

# {% if cookiecutter.auth != "none" %}
from app.auth import CurrentUser
# {% endif %}
from app.core.errors import Problem
from app.db.pagination import Page, Rows
from app.db.session import SessionDep
from app.models.items import Item
from app.schemas.items import ItemCreate, ItemQuery, ItemRead, ItemUpdate
from app.services.items import ItemService

router = APIRouter(prefix="/items", tags=["items"])
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


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

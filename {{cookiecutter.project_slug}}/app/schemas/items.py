"""Request and response bodies of the items."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import MISSING, BaseModel, BeforeValidator, ConfigDict, Field

from app.core.schemas import RequestSchema, Text
from app.db.fields import decimal_string
from app.db.pagination import PageQuery

ItemSku = Annotated[str, Field(pattern=r"^[A-Z0-9-]+$", max_length=50, examples=["MUG-01"])]
ItemName = Annotated[Text, Field(min_length=1, max_length=200, examples=["Mug"])]
ItemDescription = Annotated[Text, Field(max_length=2000)]
ItemPrice = Annotated[Decimal, decimal_string(12, 2), Field(examples=["9.90"])]
TagName = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=50, examples=["kitchen"])]
TagNames = Annotated[list[TagName], Field(max_length=20)]
ItemSort = Literal["name", "-name", "price", "-price", "created_at", "-created_at"]


class ItemCreate(RequestSchema):
    """The values of a new item."""

    sku: ItemSku
    name: ItemName
    description: ItemDescription | None = None
    price: ItemPrice
    tags: TagNames = Field(default_factory=list)


class ItemUpdate(RequestSchema):
    """The fields to change. Absent fields stay as they are; null clears the description."""

    name: ItemName | MISSING = MISSING
    description: ItemDescription | MISSING | None = MISSING
    price: ItemPrice | MISSING = MISSING
    tags: TagNames | MISSING = MISSING


class ItemQuery(PageQuery):
    """Filters and sort order of a list of items."""

    tag: TagName | None = Field(default=None, description="Only items with this tag.")
    search: Annotated[Text, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Only items whose name contains this text, in either case."
    )
    sort: ItemSort = Field(default="-created_at", description="Sort field; `-` sorts descending.")


class ItemRead(BaseModel):
    """An item."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    sku: str
    name: str
    description: str | None
    price: Decimal
    tags: list[Annotated[str, BeforeValidator(lambda tag: getattr(tag, "name", tag))]]
    created_at: datetime
    updated_at: datetime

"""Request and response bodies."""

import re
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    MISSING,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from app.core.schemas import RequestSchema, Text
from app.db.pagination import PageQuery

MONEY = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"


def parse_price(value: object) -> Decimal:
    """Return the amount of a string such as `9.90`.

    Raises:
        ValueError: It is another string or a JSON number, which is not exact.
    """
    if not (isinstance(value, str) and re.fullmatch(MONEY, value)):
        raise ValueError("must be a string such as 9.90")
    return Decimal(value).quantize(Decimal("0.01"))


Sku = Annotated[str, Field(pattern=r"^[A-Z0-9-]+$", max_length=50, examples=["MUG-01"])]
Name = Annotated[Text, Field(min_length=1, max_length=200, examples=["Mug"])]
Description = Annotated[Text, Field(max_length=2000)]
Price = Annotated[
    Decimal,
    PlainValidator(parse_price),
    WithJsonSchema({"type": "string", "pattern": MONEY, "maxLength": 13, "examples": ["9.90"]}),
]
TagName = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=50, examples=["kitchen"])]
TagNames = Annotated[list[TagName], Field(max_length=20)]
Sort = Literal["name", "-name", "price", "-price", "created_at", "-created_at"]


class ItemCreate(RequestSchema):
    """The values of a new item."""

    sku: Sku
    name: Name
    description: Description | None = None
    price: Price
    tags: TagNames = Field(default_factory=list)


class ItemUpdate(RequestSchema):
    """The fields to change. Absent fields stay as they are; null clears the description."""

    name: Name | MISSING = MISSING
    description: Description | MISSING | None = MISSING
    price: Price | MISSING = MISSING
    tags: TagNames | MISSING = MISSING


class ItemQuery(PageQuery):
    """Filters and sort order of a list of items."""

    tag: TagName | None = Field(default=None, description="Only items with this tag.")
    search: Annotated[Text, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Only items whose name contains this text, in either case."
    )
    sort: Sort = Field(default="-created_at", description="Sort field; `-` sorts descending.")


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

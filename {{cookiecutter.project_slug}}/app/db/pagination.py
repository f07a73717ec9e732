"""Lists in pages."""

from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy import Select, func
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import RequestSchema

T = TypeVar("T")


def refuse_fancy_digits(value: object) -> object:
    """Return the value; ValueError for a text that Python reads as an integer and nobody else."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("must be digits")
    return value


Digits = BeforeValidator(refuse_fancy_digits)


class PageQuery(RequestSchema):
    """Which part of a list; a resource adds its filters and its sort fields."""

    skip: Annotated[int, Field(ge=0, le=2**31 - 1), Digits] = 0
    limit: Annotated[int, Field(ge=1, le=100), Digits] = 20


class Page(BaseModel, Generic[T]):
    """A part of a list, and how many there are in all; past the end there are no items."""

    items: list[T]
    total: int


class Rows(NamedTuple, Generic[T]):
    """What becomes a Page."""

    items: list[T]
    total: int


async def paginate(session: AsyncSession, query: Select[T], page: PageQuery) -> Rows[T]:
    """Return a page of an ordered query, whose order must be total."""
    counted: Select[Any] = query.order_by(None).with_only_columns(
        func.count(), maintain_column_froms=True
    )
    rows = await session.scalars(query.offset(page.skip).limit(page.limit))
    return Rows(list(rows), await session.scalar(counted) or 0)

"""Pages of lists. The cost of a page does not grow with the length of the list."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFoundError
from app.core.schemas import RequestSchema
from app.db.base import Record

MAX_SKIP = 10_000
MAX_TOTAL = 1_000

T = TypeVar("T")
R = TypeVar("R", bound=Record)


def require_ascii_digits(value: object) -> object:
    """Return the value.

    Raises:
        ValueError: It is text that only Python reads as an integer, such as `1_000` or `٣`.
    """
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("must be digits")
    return value


Digits = BeforeValidator(require_ascii_digits)


class PageQuery(RequestSchema):
    """Query parameters of a list. A resource adds its filters and its sort order."""

    limit: Annotated[int, Field(ge=1, le=100, description="Items on the page."), Digits] = 20
    skip: Annotated[
        int,
        Field(ge=0, le=MAX_SKIP, description="Items to skip. Use `after` to go further."),
        Digits,
    ] = 0
    after: uuid.UUID | None = Field(
        default=None, description="`next` of the previous page: return the items behind it."
    )


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    total: int = Field(description=f"Items in the whole list, counted up to {MAX_TOTAL}.")
    is_total_exact: bool = Field(description="False if the list has more items than `total`.")
    next: uuid.UUID | None = Field(description="`after` of the next page; null on the last page.")


@dataclass
class Rows(Generic[R]):
    """The rows of a `Page`."""

    items: list[R]
    total: int
    is_total_exact: bool
    next: uuid.UUID | None


async def paginate(
    session: AsyncSession, statement: Select[R], query: PageQuery, *, sort: str, scope: Select[R]
) -> Rows[R]:
    """Return a page of the rows that a statement selects.

    Args:
        session: The session of the request.
        statement: Selects the whole list.
        query: Which page to return.
        sort: Name of a column that is never null; `-` sorts descending. Equal values are sorted
            by id. An index should have the columns of the filters, this column and the id.
        scope: Selects the rows in which `query.after` is looked up, deleted ones included, so that
            paging goes on when the row is deleted meanwhile.

    Raises:
        NotFoundError: The row of `query.after` does not exist.
    """
    model = statement.column_descriptions[0]["entity"]
    descending, name = sort.startswith("-"), sort.removeprefix("-")
    columns = (getattr(model, name), model.id)
    order = [column.desc() if descending else column for column in columns]
    page = statement.order_by(*order)
    if query.after:
        last = scope.where(model.id == query.after).with_only_columns(*columns)
        values = (await session.execute(last)).one_or_none()
        if values is None:
            raise NotFoundError("The item of `after` does not exist.")
        # Not every database seeks in an index for a query that also reads the rows.
        behind = statement.with_only_columns(model.id).where(is_behind(columns, values, descending))
        ids = behind.order_by(*order).limit(query.skip + query.limit + 1).subquery()
        page = page.join(ids, ids.c.id == model.id)
    page = page.offset(query.skip).limit(query.limit + 1)
    found = list(await session.scalars(page))
    rows, has_more = found[: query.limit], len(found) > query.limit
    total = query.skip + len(rows)
    if has_more or query.after or (query.skip and not rows):
        total = await count(session, statement)
    return Rows(
        items=rows,
        total=min(total, MAX_TOTAL),
        is_total_exact=total <= MAX_TOTAL,
        next=rows[-1].id if has_more else None,
    )


def is_behind(
    columns: Sequence[ColumnElement[Any]], values: Sequence[Any], descending: bool
) -> ColumnElement[bool]:
    """Return the condition that a row comes later in the order than the given values.

    The condition has two equivalent forms, because each database can use an index for only one of
    them.
    """
    column, key = columns
    value, row_id = literal(values[0], column.type), literal(values[1], key.type)
    if descending:
        ordered = tuple_(column, key) < tuple_(value, row_id)
        return and_(ordered, or_(column < value, and_(column == value, key < row_id)))
    ordered = tuple_(column, key) > tuple_(value, row_id)
    return and_(ordered, or_(column > value, and_(column == value, key > row_id)))


async def count(session: AsyncSession, statement: Select[Any]) -> int:
    """Return how many rows a statement selects, or MAX_TOTAL + 1 if there are more."""
    model = statement.column_descriptions[0]["entity"]
    bounded = statement.with_only_columns(model.id).order_by(None).limit(MAX_TOTAL + 1)
    return await session.scalar(select(func.count()).select_from(bounded.subquery())) or 0

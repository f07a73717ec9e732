"""Pages of lists. The cost of a page does not grow with the length of the list."""

import operator
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field
# {% if cookiecutter.database == "mysql" %}
from sqlalchemy import Select, and_, bindparam, func, or_, select
# {% else %}
from sqlalchemy import Select, bindparam, func, select, tuple_
# {% endif %}
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
    session: AsyncSession,
    statement: Select[R],
    query: PageQuery,
    *,
    sort: str,
    scope: Select[R],
    **parameters: object,
) -> Rows[R]:
    """Return a page of the rows that a statement selects.

    Args:
        session: The session of the request.
        statement: Selects the whole list. A constant is fastest: its pages are built once.
        query: Which page to return.
        sort: Name of a column that is never null; `-` sorts descending. Equal values are sorted
            by id. An index should have the columns of the filters, this column and the id.
        scope: Selects the rows in which `query.after` is looked up. If it selects deleted rows,
            paging goes on when the row is deleted meanwhile.
        parameters: Values of the bind parameters of `statement` and `scope`.

    Raises:
        NotFoundError: The row of `query.after` does not exist.
    """
    page, total, last = build_statements(statement, scope, sort, behind=query.after is not None)
    parameters |= {"skip": query.skip, "limit": query.limit + 1}
    if query.after:
        found = (await session.execute(last, parameters | {"after": query.after})).one_or_none()
        if found is None:
            raise NotFoundError("The item of `after` does not exist.")
        # {% if cookiecutter.database == "mysql" %}
        parameters |= {"end": query.skip + query.limit + 1}
        # {% endif %}
        parameters |= {"last_value": found[0], "last_id": found[1]}
    rows = (await session.execute(page, parameters)).all()
    count = rows[0][1] if rows else await session.scalar(total, parameters) or 0
    items = [row[0] for row in rows[: query.limit]]
    return Rows(
        items=items,
        total=min(count, MAX_TOTAL),
        is_total_exact=count <= MAX_TOTAL,
        next=items[-1].id if len(rows) > query.limit else None,
    )


@lru_cache
def build_statements(
    statement: Select[Any], scope: Select[Any], sort: str, *, behind: bool
) -> tuple[Select[Any, int], Select[int], Select[Any, Any]]:
    """Return the statements for a page, for the total and for the row of `after`.

    Each row of the page has the total as its second column. Building the statements for each
    request would take as long as executing them.
    """
    model = statement.column_descriptions[0]["entity"]
    column, key = getattr(model, sort.removeprefix("-")), model.id
    order = (column.desc(), key.desc()) if sort.startswith("-") else (column, key)
    bounded = statement.with_only_columns(key).limit(MAX_TOTAL + 1).subquery()
    total = select(func.count()).select_from(bounded)
    page = statement.add_columns(total.scalar_subquery()).order_by(*order)
    if behind:
        comes_later: Any = operator.lt if sort.startswith("-") else operator.gt
        value = bindparam("last_value", type_=column.type)
        row_id = bindparam("last_id", type_=key.type)
        # {% if cookiecutter.database == "mysql" %}
        # MySQL does not seek in an index for row values, nor for a query that reads other columns.
        is_behind = or_(comes_later(column, value), and_(column == value, comes_later(key, row_id)))
        ids = statement.with_only_columns(key).where(is_behind).order_by(*order)
        window = ids.limit(bindparam("end")).subquery()
        page = page.join(window, window.c.id == key)
        # {% else %}
        page = page.where(comes_later(tuple_(column, key), tuple_(value, row_id)))
        # {% endif %}
    last = scope.where(key == bindparam("after")).with_only_columns(column, key)
    return page.offset(bindparam("skip")).limit(bindparam("limit")), total, last

"""Print the plans of the statements that page through 10,000 items, as a line of JSON.

Run by the project's own Python on an empty database. The project has no users.
"""

import asyncio
import json
import uuid
from typing import Any, get_args

from app.db.engine import create_engine
from app.db.schema import upgrade
from app.items import ItemService
from app.models import Item
from app.schemas import ItemQuery, ItemSort
from app.settings import Settings
from sqlalchemy import event, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

ITEMS = 10_000
ANALYZE = {"mysql": "ANALYZE TABLE items", "postgresql": "VACUUM ANALYZE items"}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN"}


async def explain_pages() -> dict[str, list[str]]:
    """Return the plan of the first and of the next page in each order."""
    engine = create_engine(Settings())
    await upgrade(engine)
    rows = [
        {"sku": f"A-{number}", "name": f"Mug {number % 100}", "price": number % 100}
        for number in range(ITEMS)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(Item), rows)
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as connection:
        await connection.execute(text(ANALYZE.get(engine.dialect.name, "ANALYZE")))
    plans = {}
    for sort in get_args(ItemSort):
        last, plans[f"{sort} first"] = await explain_page(engine, ItemQuery(sort=sort))
        _, plans[f"{sort} next"] = await explain_page(engine, ItemQuery(sort=sort, after=last))
    await engine.dispose()
    return plans


async def explain_page(engine: AsyncEngine, query: ItemQuery) -> tuple[uuid.UUID | None, list[str]]:
    """Return the `next` of a page, and the rows of the plan of the statement that reads it."""
    executed: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:  # noqa: ANN401 of the driver
        executed.append((statement, parameters))

    async with AsyncSession(engine) as session:
        event.listen(engine.sync_engine, "before_cursor_execute", record)
        page = await ItemService(session).list_page(query)
        event.remove(engine.sync_engine, "before_cursor_execute", record)
        ((statement, parameters),) = [one for one in executed if "LIMIT" in one[0]]
        explain = EXPLAIN.get(engine.dialect.name, "EXPLAIN")
        connection = await session.connection()
        plan = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
        return page.next, [" ".join(map(str, row)) for row in plan]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(explain_pages())))  # noqa: T201 read by the test

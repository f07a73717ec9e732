"""Tests of the item endpoints."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import event, insert, select

from app.db.pagination import MAX_TOTAL
from app.models import Base, Item
# {% if cookiecutter.structure == "modular" %}
from app.schemas.items import ItemRead, ItemSort
# {% else %}
from app.schemas import ItemRead, ItemSort
# {% endif %}
from tests.clients import MakeApp, connect_user
from tests.problems import check_problem

ITEMS_URL = "/api/v1/items"
MUG = {"sku": "MUG-01", "name": "Mug", "price": "9.90", "tags": ["kitchen", "blue"]}


@pytest.fixture
def statements(app: FastAPI, user_client: AsyncClient) -> Iterator[list[str]]:
    """The SQL statements about items that are executed from now on."""
    executed: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "item" in statement:
            executed.append(statement)

    event.listen(app.state.engine.sync_engine, "before_cursor_execute", record)
    yield executed
    event.remove(app.state.engine.sync_engine, "before_cursor_execute", record)


async def create_item(client: AsyncClient, **values: Any) -> dict[str, Any]:
    body = {**MUG, "sku": uuid.uuid4().hex.upper(), **values}
    response = await client.post(ITEMS_URL, json=body)
    assert response.status_code == 201, response.text
    item: dict[str, Any] = response.json()
    return item


async def list_names(client: AsyncClient, **query: Any) -> list[str]:
    response = await client.get(ITEMS_URL, params=query)
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


class TestCreateItem:
    async def test_returns_created_item_with_location(self, user_client: AsyncClient) -> None:
        response = await user_client.post(ITEMS_URL, json=MUG)

        assert response.status_code == 201
        item = response.json()
        assert item | MUG | {"tags": ["blue", "kitchen"], "description": None} == item
        assert item["created_at"].endswith("Z")
        assert ItemRead.model_validate_json(response.content).tags == item["tags"]
        assert response.headers["location"] == f"{ITEMS_URL}/{item['id']}"
        assert (await user_client.get(f"{ITEMS_URL}/{item['id']}")).json() == item

    async def test_duplicate_sku_returns_409(self, user_client: AsyncClient) -> None:
        await user_client.post(ITEMS_URL, json=MUG)

        problem = check_problem(await user_client.post(ITEMS_URL, json=MUG), 409, "CONFLICT")

        assert problem.detail == "An item with this SKU exists or has existed."

    async def test_sku_of_deleted_item_returns_409(self, user_client: AsyncClient) -> None:
        item = (await user_client.post(ITEMS_URL, json=MUG)).json()
        await user_client.delete(f"{ITEMS_URL}/{item['id']}")

        check_problem(await user_client.post(ITEMS_URL, json=MUG), 409, "CONFLICT")

    async def test_concurrent_requests_with_one_sku_create_one_item(
        self, make_app: MakeApp, own_database_url: str
    ) -> None:
        async with connect_user(make_app(database_url=own_database_url)) as client:
            responses = await asyncio.gather(*(client.post(ITEMS_URL, json=MUG) for _ in range(5)))

        assert sorted(response.status_code for response in responses) == [201] + [409] * 4

    async def test_invalid_fields_return_422_with_their_names(
        self, user_client: AsyncClient, statements: list[str]
    ) -> None:
        body = {"sku": "mug", "name": "", "price": "1.999", "tags": ["A b"], "is_active": False}

        response = await user_client.post(ITEMS_URL, json=body)

        problem = check_problem(response, 422, "VALIDATION_ERROR")
        assert {error.loc[1] for error in problem.errors} == set(body)
        assert statements == []


class TestListItems:
    async def test_without_items_returns_empty_page(self, user_client: AsyncClient) -> None:
        response = await user_client.get(ITEMS_URL)

        assert response.json() == {"items": [], "total": 0, "is_total_exact": True, "next": None}

    async def test_sort_orders_items(self, user_client: AsyncClient) -> None:
        for name, price in {"b": "2", "c": "10", "a": "9.50"}.items():
            await create_item(user_client, name=name, price=price)

        assert await list_names(user_client) == ["a", "c", "b"]  # newest first
        assert await list_names(user_client, sort="-price") == ["c", "a", "b"]

    @pytest.mark.parametrize(("sort", "parameter"), [("price", "skip"), ("-price", "after")])
    async def test_paging_through_equal_prices_returns_each_item_once(
        self, user_client: AsyncClient, sort: str, parameter: str
    ) -> None:
        created = {(await create_item(user_client, price="1"))["id"] for _ in range(7)}
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 3, "sort": sort}

        for number in (1, 2, 3):
            page = (await user_client.get(ITEMS_URL, params=query)).json()
            seen += [item["id"] for item in page["items"]]
            assert (page["total"], page["next"] is None) == (7, number == 3)
            query[parameter] = len(seen) if parameter == "skip" else page["next"]

        assert (len(seen), set(seen)) == (7, created)

    async def test_after_deleted_item_continues(self, user_client: AsyncClient) -> None:
        for name in ("a", "b", "c"):
            await create_item(user_client, name=name)
        page = (await user_client.get(ITEMS_URL, params={"limit": 1, "sort": "name"})).json()
        await user_client.delete(f"{ITEMS_URL}/{page['next']}")

        assert await list_names(user_client, sort="name", after=page["next"]) == ["b", "c"]

    async def test_total_is_counted_up_to_a_bound(
        self, app: FastAPI, user_client: AsyncClient
    ) -> None:
        await create_item(user_client)
        async with app.state.sessions.begin() as session:
            row = (await session.execute(select(Item.__table__))).mappings().one()
            copies = [{**row, "id": uuid.uuid4(), "sku": str(n)} for n in range(MAX_TOTAL - 1)]
            await session.execute(insert(Item), copies)

        page = (await user_client.get(ITEMS_URL)).json()
        assert (page["total"], page["is_total_exact"]) == (MAX_TOTAL, True)

        await create_item(user_client)
        page = (await user_client.get(ITEMS_URL)).json()
        assert (page["total"], page["is_total_exact"]) == (MAX_TOTAL, False)

    def test_every_sort_order_has_an_index(self) -> None:
        ends = {tuple(index.columns.keys()[-2:]) for index in Base.metadata.tables["items"].indexes}

        assert {(sort.removeprefix("-"), "id") for sort in get_args(ItemSort)} <= ends

    async def test_tag_filters_items(self, user_client: AsyncClient) -> None:
        await create_item(user_client, name="a", tags=["x", "y"])
        await create_item(user_client, name="b", tags=["y"])

        assert await list_names(user_client, tag="x") == ["a"]
        assert await list_names(user_client, tag="z") == []

    async def test_search_matches_part_of_name_literally(self, user_client: AsyncClient) -> None:
        for name in ("100% Mug", "1000 mugs", "a_b", "a\\b"):
            await create_item(user_client, name=name)

        assert await list_names(user_client, search="MUG", sort="name") == ["100% Mug", "1000 mugs"]
        assert await list_names(user_client, search="0%") == ["100% Mug"]
        assert await list_names(user_client, search="_") == ["a_b"]
        assert await list_names(user_client, search="\\") == ["a\\b"]

    async def test_invalid_query_returns_422_with_its_names(
        self, user_client: AsyncClient, statements: list[str]
    ) -> None:
        query: dict[str, Any] = {"limit": 101, "sort": "sku", "tag": "A", "unknown": 1}

        response = await user_client.get(ITEMS_URL, params=query)

        problem = check_problem(response, 422, "VALIDATION_ERROR")
        assert {error.loc[1] for error in problem.errors} == set(query)
        assert statements == []

    async def test_executes_two_statements(
        self, user_client: AsyncClient, statements: list[str]
    ) -> None:
        for _ in range(10):
            await create_item(user_client)
        statements.clear()

        assert len(await list_names(user_client)) == 10

        assert len(statements) == 2  # the items, and their tags


class TestUpdateItem:
    async def test_changes_only_submitted_fields(self, user_client: AsyncClient) -> None:
        item = await create_item(user_client, description="blue")
        path, body = f"{ITEMS_URL}/{item['id']}", {"name": "Cup", "description": None}

        changed = (await user_client.patch(path, json=body)).json()

        assert changed["updated_at"] > item["updated_at"]
        assert changed == item | body | {"updated_at": changed["updated_at"]}
        assert (await user_client.get(path)).json() == changed

    async def test_without_fields_changes_nothing(self, user_client: AsyncClient) -> None:
        item = await create_item(user_client)

        assert (await user_client.patch(f"{ITEMS_URL}/{item['id']}", json={})).json() == item

    async def test_tags_are_replaced_and_change_updated_at(self, user_client: AsyncClient) -> None:
        item = await create_item(user_client, tags=["a", "b"])
        path = f"{ITEMS_URL}/{item['id']}"

        changed = (await user_client.patch(path, json={"tags": ["c", "b"]})).json()

        assert changed["tags"] == ["b", "c"]
        assert changed["updated_at"] > item["updated_at"]
        assert (await user_client.get(path)).json() == changed

    async def test_price_may_at_most_double(self, user_client: AsyncClient) -> None:
        item = await create_item(user_client, price="5")
        path = f"{ITEMS_URL}/{item['id']}"

        response = await user_client.patch(path, json={"name": "Gold", "price": "10.01"})

        check_problem(response, 400, "BUSINESS_RULE_VIOLATED")
        assert (await user_client.get(path)).json() == item
        assert (await user_client.patch(path, json={"price": "10"})).status_code == 200

    async def test_unknown_field_returns_422(self, user_client: AsyncClient) -> None:
        item = await create_item(user_client)

        response = await user_client.patch(f"{ITEMS_URL}/{item['id']}", json={"sku": "X"})

        check_problem(response, 422, "VALIDATION_ERROR")


class TestDeleteItem:
    async def test_deleted_item_is_gone(self, user_client: AsyncClient) -> None:
        item = await create_item(user_client)
        path = f"{ITEMS_URL}/{item['id']}"

        response = await user_client.delete(path)

        assert (response.status_code, response.content) == (204, b"")
        assert await list_names(user_client) == []
        for method in ("GET", "PATCH", "DELETE"):
            response = await user_client.request(method, path, json={"name": "Cup"})
            check_problem(response, 404, "NOT_FOUND")

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import event

from tests.problems import check_problem

ITEMS = "/api/v1/items"
MUG = {"sku": "MUG-01", "name": "Mug", "price": "9.90", "tags": ["kitchen", "blue"]}


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@pytest.fixture
def statements(app: FastAPI, client: AsyncClient) -> Iterator[list[str]]:
    """What the database is asked, from here on."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(app.state.engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(app.state.engine.sync_engine, "before_cursor_execute", note)


async def add(client: AsyncClient, **values: Any) -> dict[str, Any]:
    answer = await client.post(ITEMS, json={**MUG, "sku": uuid.uuid4().hex.upper(), **values})
    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()
    return item


async def names(client: AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(ITEMS, params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


class TestCreate:
    async def test_a_new_item(self, client: AsyncClient) -> None:
        answer = await client.post(ITEMS, json=MUG)
        item = answer.json()
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{ITEMS}/{item['id']}"
        expected = {**MUG, "description": None, "tags": ["blue", "kitchen"]}
        assert {name: item[name] for name in expected} == expected
        assert item["created_at"].endswith("Z")
        assert (await client.get(answer.headers["location"])).json() == item

    @pytest.mark.parametrize("price", ["0", "0.1", "19.99", "9999999999.99"])
    async def test_prices_are_exact(self, client: AsyncClient, price: str) -> None:
        item = await add(client, price=price)
        stored = (await client.get(f"{ITEMS}/{item['id']}")).json()
        assert item["price"] == stored["price"] == f"{float(price):.2f}"

    async def test_any_script_is_stored(self, client: AsyncClient) -> None:
        item = await add(client, name="\U0001f600 \u0645 \u200f a\u0300'\"--%_\\")
        assert (await client.get(f"{ITEMS}/{item['id']}")).json() == item

    async def test_a_sku_in_use(self, client: AsyncClient) -> None:
        await client.post(ITEMS, json=MUG)
        problem = check_problem(await client.post(ITEMS, json=MUG), 409, "CONFLICT")
        assert "MUG" not in problem.detail

    async def test_a_sku_of_a_deleted_item_stays_taken(self, client: AsyncClient) -> None:
        item = (await client.post(ITEMS, json=MUG)).json()
        await client.delete(f"{ITEMS}/{item['id']}")
        check_problem(await client.post(ITEMS, json=MUG), 409, "CONFLICT")

    @pytest.mark.parametrize(
        "values",
        [
            {"sku": "mug"},
            {"sku": "MUG 01"},
            {"sku": "M" * 51},
            {"sku": "M\n"},
            {"name": ""},
            {"name": "x" * 201},
            {"name": "a\x00b"},
            {"name": "\ud800"},
            {"price": 9.9},
            {"price": "-1"},
            {"price": "1.999"},
            {"price": "1e3"},
            {"price": "NaN"},
            {"price": "٣"},
            {"price": "99999999999"},
            {"tags": ["a"] * 21},
            {"tags": ["A b"]},
            {"tags": [None]},
            {"id": str(uuid.uuid4())},
            {"is_active": False},
        ],
    )
    async def test_what_is_invalid_is_refused(
        self, client: AsyncClient, statements: list[str], values: dict[str, Any]
    ) -> None:
        body, headers = json.dumps({**MUG, **values}), {"Content-Type": "application/json"}
        answer = await client.post(ITEMS, content=body, headers=headers)
        check_problem(answer, 422, "VALIDATION_ERROR")
        assert [statement for statement in statements if "item" in statement] == []


class TestRead:
    async def test_no_such_item(self, client: AsyncClient) -> None:
        check_problem(await client.get(f"{ITEMS}/{uuid.uuid4()}"), 404, "NOT_FOUND")

    @pytest.mark.parametrize("item_id", ["1", "x", str(2**63), "%00", "'; drop table items"])
    async def test_no_id_at_all(self, client: AsyncClient, item_id: str) -> None:
        check_problem(await client.get(f"{ITEMS}/{item_id}"), 422, "VALIDATION_ERROR")


class TestList:
    async def test_an_empty_page(self, client: AsyncClient) -> None:
        assert (await client.get(ITEMS)).json() == {"items": [], "total": 0}

    async def test_pages_of_equal_keys_lose_and_repeat_nothing(self, client: AsyncClient) -> None:
        added = {(await add(client, price="1"))["id"] for _ in range(7)}
        seen: list[str] = []
        for skip in (0, 3, 6, 9):
            query = {"skip": skip, "limit": 3, "sort": "-price"}
            page = (await client.get(ITEMS, params=query)).json()
            assert page["total"] == 7
            seen += [item["id"] for item in page["items"]]
        assert (len(seen), set(seen)) == (7, added)

    async def test_sorting(self, client: AsyncClient) -> None:
        for name, price in {"b": "2", "c": "10", "a": "9.50"}.items():
            await add(client, name=name, price=price)
        assert await names(client, sort="name") == ["a", "b", "c"]
        assert await names(client, sort="-price") == ["c", "a", "b"]
        assert await names(client, sort="created_at") == ["b", "c", "a"]
        assert await names(client) == ["a", "c", "b"]

    async def test_by_tag(self, client: AsyncClient) -> None:
        await add(client, name="a", tags=["x", "y"])
        await add(client, name="b", tags=["y"])
        assert await names(client, tag="x") == ["a"]
        assert await names(client, tag="y", sort="name") == ["a", "b"]
        assert await names(client, tag="z") == []

    @pytest.mark.parametrize(
        ("search", "found"),
        [("MUG", ["Mug 50%"]), ("%", ["Mug 50%"]), ("_", ["a_b"]), ("\\", ["c\\d"]), ("/", [])],
    )
    async def test_search_is_by_text_and_not_by_pattern(
        self, client: AsyncClient, search: str, found: list[str]
    ) -> None:
        for name in ("Mug 50%", "a_b", "c\\d", "plain"):
            await add(client, name=name)
        assert await names(client, search=search) == found

    @pytest.mark.parametrize(
        "query",
        [
            *(f"skip={value}" for value in ("-1", "", "x", "1_000", "٣", "1e3", "NaN", 2**31)),
            *(f"limit={value}" for value in ("0", "101", "-1", 2**63, "9" * 5000)),
            *(f"sort={value}" for value in ("id", "-id", "sku", "__class__", "name;select 1")),
            "tag=A",
            "search=",
            "search=%00",
            "search=" + "x" * 101,
            "unknown=1",
        ],
    )
    async def test_a_query_that_is_not_offered(self, client: AsyncClient, query: str) -> None:
        check_problem(await client.get(f"{ITEMS}?{query}"), 422, "VALIDATION_ERROR")

    async def test_past_the_end(self, client: AsyncClient) -> None:
        assert await names(client, skip=2**31 - 1) == []

    @pytest.mark.parametrize("count", [1, 50])
    async def test_the_number_of_statements_is_constant(
        self, client: AsyncClient, statements: list[str], count: int
    ) -> None:
        for _ in range(count):
            await add(client)
        statements.clear()
        assert len(await names(client, limit=100)) == count
        assert len([statement for statement in statements if "FROM item" in statement]) == 3


class TestUpdate:
    async def test_only_what_is_sent_changes(self, client: AsyncClient) -> None:
        item = await add(client, description="blue")
        answer = await client.patch(f"{ITEMS}/{item['id']}", json={"name": "Cup"})
        changed = answer.json()
        assert changed["updated_at"] > item["updated_at"]
        assert changed == {**item, "name": "Cup", "updated_at": changed["updated_at"]}
        assert (await client.get(f"{ITEMS}/{item['id']}")).json() == changed

    async def test_null_empties_and_absence_does_not(self, client: AsyncClient) -> None:
        item = await add(client, description="blue")
        path = f"{ITEMS}/{item['id']}"
        assert (await client.patch(path, json={})).json() == item
        emptied = (await client.patch(path, json={"description": None})).json()
        assert emptied["description"] is None
        check_problem(await client.patch(path, json={"name": None}), 422, "VALIDATION_ERROR")

    async def test_tags_are_replaced(self, client: AsyncClient) -> None:
        item = await add(client, tags=["a", "b"])
        path = f"{ITEMS}/{item['id']}"
        assert (await client.patch(path, json={"tags": ["c", "b"]})).json()["tags"] == ["b", "c"]
        assert (await client.get(path)).json()["tags"] == ["b", "c"]

    async def test_a_price_may_at_most_double(self, client: AsyncClient) -> None:
        item = await add(client, price="5")
        path = f"{ITEMS}/{item['id']}"
        answer = await client.patch(path, json={"name": "Gold", "price": "10.01"})
        check_problem(answer, 400, "BUSINESS_RULE_VIOLATED")
        assert (await client.get(path)).json() == item
        assert (await client.patch(path, json={"price": "10"})).status_code == 200

    @pytest.mark.parametrize("field", ["id", "sku", "created_at", "is_active", "owner_id"])
    async def test_other_fields_cannot_be_changed(self, client: AsyncClient, field: str) -> None:
        item = await add(client)
        answer = await client.patch(f"{ITEMS}/{item['id']}", json={field: "x"})
        check_problem(answer, 422, "VALIDATION_ERROR")

    async def test_no_such_item(self, client: AsyncClient) -> None:
        answer = await client.patch(f"{ITEMS}/{uuid.uuid4()}", json={})
        check_problem(answer, 404, "NOT_FOUND")


class TestDelete:
    async def test_it_is_gone(self, client: AsyncClient) -> None:
        item = await add(client)
        path = f"{ITEMS}/{item['id']}"
        answer = await client.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert await names(client) == []
        for method in ("GET", "DELETE"):
            check_problem(await client.request(method, path), 404, "NOT_FOUND")


async def test_of_parallel_requests_for_one_sku_one_wins(
    make_app: Any, connect: Any, own_database_url: str
) -> None:
    async with connect(make_app(database_url=own_database_url)) as client:
        answers = await asyncio.gather(*(client.post(ITEMS, json=MUG) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19

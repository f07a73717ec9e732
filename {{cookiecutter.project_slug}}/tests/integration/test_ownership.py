"""What belongs to another caller is as if it did not exist."""

import uuid
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

# {% if cookiecutter.auth == "api_key" %}
from tests.keys import sign_in
# {% endif %}
from tests.problems import check_problem, tell
# {% if cookiecutter.auth == "jwt" %}
from tests.users import sign_in
# {% endif %}

ITEMS = "/api/v1/items"
MUG = {"sku": "MUG-01", "name": "Mug", "price": "9.90", "tags": ["kitchen"]}


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@pytest.fixture
async def stranger(app: FastAPI, client: AsyncClient) -> dict[str, str]:
    """The header of another caller's requests."""
    return await sign_in(app, "bob@example.com")


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {}), ("DELETE", None)])
async def test_it_is_answered_like_one_that_is_missing(
    client: AsyncClient, stranger: dict[str, str], method: str, body: Any
) -> None:
    item = (await client.post(ITEMS, json=MUG)).json()
    others, missing = [
        await client.request(method, f"{ITEMS}/{item_id}", json=body, headers=stranger)
        for item_id in (item["id"], uuid.uuid4())
    ]
    check_problem(others, 404, "NOT_FOUND")
    assert tell(others) == tell(missing)
    assert (await client.get(f"{ITEMS}/{item['id']}")).json() == item


async def test_it_is_in_no_list(client: AsyncClient, stranger: dict[str, str]) -> None:
    await client.post(ITEMS, json=MUG)
    for query in ("", "?tag=kitchen", "?search=Mug"):
        answer = await client.get(ITEMS + query, headers=stranger)
        assert answer.json() == {"items": [], "total": 0}
        assert (await client.get(ITEMS + query)).json()["total"] == 1


async def test_it_takes_no_sku_from_others(client: AsyncClient, stranger: dict[str, str]) -> None:
    assert (await client.post(ITEMS, json=MUG)).status_code == 201
    answer = await client.post(ITEMS, json=MUG, headers=stranger)
    assert answer.status_code == 201
    assert (await client.get(ITEMS, headers=stranger)).json()["items"] == [answer.json()]
    assert (await client.post(ITEMS, json=MUG, headers=stranger)).status_code == 409

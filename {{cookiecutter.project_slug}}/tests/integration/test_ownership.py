"""Items of another user are not found."""

import uuid

from httpx2 import AsyncClient

from tests.problems import check_problem, strip_varying

ITEMS_URL = "/api/v1/items"
MUG = {"sku": "MUG-01", "name": "Mug", "price": "9.90", "tags": ["kitchen"]}


async def test_item_of_another_user_returns_the_404_of_an_unknown_id(
    user_client: AsyncClient, other_user_client: AsyncClient
) -> None:
    item = (await user_client.post(ITEMS_URL, json=MUG)).json()

    for method in ("GET", "PATCH", "DELETE"):
        foreign, unknown = [
            await other_user_client.request(method, f"{ITEMS_URL}/{item_id}", json={})
            for item_id in (item["id"], uuid.uuid4())
        ]
        check_problem(foreign, 404, "NOT_FOUND")
        assert strip_varying(foreign) == strip_varying(unknown)

    assert (await user_client.get(f"{ITEMS_URL}/{item['id']}")).json() == item


async def test_list_does_not_contain_items_of_another_user(
    user_client: AsyncClient, other_user_client: AsyncClient
) -> None:
    await user_client.post(ITEMS_URL, json=MUG)

    for query in ("", "?search=Mug"):
        assert (await other_user_client.get(ITEMS_URL + query)).json()["items"] == []
        assert len((await user_client.get(ITEMS_URL + query)).json()["items"]) == 1


async def test_list_after_item_of_another_user_returns_404(
    user_client: AsyncClient, other_user_client: AsyncClient
) -> None:
    item = (await user_client.post(ITEMS_URL, json=MUG)).json()

    response = await other_user_client.get(ITEMS_URL, params={"after": item["id"]})

    check_problem(response, 404, "NOT_FOUND")


async def test_two_users_can_use_the_same_sku(
    user_client: AsyncClient, other_user_client: AsyncClient
) -> None:
    assert (await user_client.post(ITEMS_URL, json=MUG)).status_code == 201
    assert (await other_user_client.post(ITEMS_URL, json=MUG)).status_code == 201

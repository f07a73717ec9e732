"""Tests of users whom the OpenID provider authenticates."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select, update

from app.auth.access_tokens import Claims
from app.auth.models import User
from app.auth.users import create_user, get_user
from tests.problems import check_problem
from tests.provider import EMAIL, bearer, get_provider

ITEMS_URL = "/api/v1/items"
MUG = {"sku": "MUG-01", "name": "Mug", "price": "9.90"}


async def list_users(app: FastAPI) -> Sequence[User]:
    async with app.state.sessions() as session:
        users: Sequence[User] = (await session.scalars(select(User))).all()
        return users


async def change_users(app: FastAPI, **values: Any) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(User).values(values))


class TestFirstRequest:
    async def test_creates_user(self, app: FastAPI, user_client: AsyncClient) -> None:
        for _ in range(2):
            assert (await user_client.get(ITEMS_URL)).status_code == 200

        (user,) = await list_users(app)
        assert (user.issuer, user.subject, user.is_active) == (get_provider().issuer, EMAIL, True)

    async def test_of_user_whom_another_request_has_just_created_creates_no_user(
        self, app: FastAPI, user_client: AsyncClient
    ) -> None:
        claims = Claims(iss=get_provider().issuer, sub=EMAIL, iat=0, exp=0)
        await user_client.get(ITEMS_URL)

        async with app.state.sessions() as session:
            await create_user(session, claims)
            assert (await get_user(session, claims)).subject == EMAIL

        assert len(await list_users(app)) == 1

    async def test_of_rejected_token_creates_no_user(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        await client.get(ITEMS_URL, headers=bearer(get_provider().sign(aud="other")))

        assert await list_users(app) == []


async def test_same_subject_of_other_issuer_is_another_user(
    app: FastAPI, user_client: AsyncClient
) -> None:
    item = (await user_client.post(ITEMS_URL, json=MUG)).json()
    await change_users(app, issuer="https://former.example")

    assert (await user_client.get(f"{ITEMS_URL}/{item['id']}")).status_code == 404
    assert len(await list_users(app)) == 2


async def test_subject_is_compared_byte_by_byte(app: FastAPI, client: AsyncClient) -> None:
    for subject in ("ada", "Ada", "ada.", "ad a"):
        await client.get(ITEMS_URL, headers=bearer(get_provider().sign(sub=subject)))

    assert len(await list_users(app)) == 4


async def test_inactive_user_is_refused_at_once(app: FastAPI, user_client: AsyncClient) -> None:
    await user_client.post(ITEMS_URL, json=MUG)
    await change_users(app, is_active=False)

    for method in ("GET", "POST"):
        response = await user_client.request(method, ITEMS_URL, json=MUG)
        check_problem(response, 401, "INVALID_TOKEN")

    await change_users(app, is_active=True)
    assert (await user_client.get(ITEMS_URL)).json()["total"] == 1

from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import update

from app.auth.users import User
from tests.problems import check_problem
from tests.users import EMAIL, sign_in

USERS = "/api/v1/users"
ROOT = "root@example.com"


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@pytest.fixture
async def superuser(app: FastAPI, client: AsyncClient) -> dict[str, str]:
    return await sign_in(app, ROOT, is_superuser=True)


async def test_not_for_everybody(client: AsyncClient, log_lines: Any) -> None:
    answer = await client.get(USERS)
    check_problem(answer, 403, "INSUFFICIENT_SCOPE")
    expected = 'Bearer realm="api", error="insufficient_scope", scope="superuser"'
    assert answer.headers["www-authenticate"] == expected
    (line,) = [line for line in log_lines() if line["event"] == "authz_fail"]
    assert (line["level"], line["scope"], "user_id" in line) == ("warning", "superuser", True)


async def test_for_superusers(client: AsyncClient, superuser: dict[str, str]) -> None:
    answer = await client.get(USERS, headers=superuser)
    assert answer.status_code == 200
    assert [user["email"] for user in answer.json()["items"]] == [EMAIL, ROOT]
    assert answer.json()["total"] == 2
    assert "hash" not in answer.text


async def test_in_pages(client: AsyncClient, superuser: dict[str, str]) -> None:
    query = {"skip": 1, "limit": 1}
    page = (await client.get(USERS, headers=superuser, params=query)).json()
    assert ([user["email"] for user in page["items"]], page["total"]) == ([ROOT], 2)


@pytest.mark.parametrize("query", ["sort=password_hash", "email=x", "limit=101", "skip=-1"])
async def test_nothing_else_can_be_asked(
    client: AsyncClient, superuser: dict[str, str], query: str
) -> None:
    answer = await client.get(f"{USERS}?{query}", headers=superuser)
    check_problem(answer, 422, "VALIDATION_ERROR")


async def test_the_right_is_of_the_user_and_not_of_the_token(
    app: FastAPI, client: AsyncClient, superuser: dict[str, str]
) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(User).values(is_superuser=False))
    check_problem(await client.get(USERS, headers=superuser), 403, "INSUFFICIENT_SCOPE")

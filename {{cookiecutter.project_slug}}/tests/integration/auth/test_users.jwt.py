"""Tests of the list of users."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from tests.clients import open_client
from tests.problems import check_problem
from tests.users import EMAIL, change_users, sign_in

USERS_URL = "/api/v1/users"
ROOT = "root@example.com"


@pytest.fixture
async def superuser_client(running_app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with open_client(running_app) as client:
        client.headers.update(await sign_in(running_app, ROOT, is_superuser=True))
        yield client


class TestListUsers:
    async def test_superuser_gets_pages(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        response = await superuser_client.get(USERS_URL)
        second = await superuser_client.get(USERS_URL, params={"skip": 1, "limit": 1})

        assert [user["email"] for user in response.json()["items"]] == [EMAIL, ROOT]
        assert [user["email"] for user in second.json()["items"]] == [ROOT]
        assert "hash" not in response.text

    async def test_other_user_gets_403(self, user_client: AsyncClient, log_lines: Any) -> None:
        response = await user_client.get(USERS_URL)

        check_problem(response, 403, "INSUFFICIENT_SCOPE")
        expected = 'Bearer realm="api", error="insufficient_scope", scope="superuser"'
        assert response.headers["www-authenticate"] == expected
        (line,) = [line for line in log_lines() if line["event"] == "authz_fail"]
        assert (line["level"], line["scope"], "user_id" in line) == ("warning", "superuser", True)

    async def test_former_superuser_gets_403(
        self, app: FastAPI, superuser_client: AsyncClient
    ) -> None:
        await change_users(app, is_superuser=False)

        check_problem(await superuser_client.get(USERS_URL), 403, "INSUFFICIENT_SCOPE")

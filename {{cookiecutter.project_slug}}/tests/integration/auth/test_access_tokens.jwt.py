"""Tests of authentication by access token."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from tests.problems import check_problem
from tests.users import (
    EMAIL,
    ME_URL,
    bearer,
    create_user,
    forge,
    start_session,
)

NOW = int(datetime.now(UTC).timestamp())


@pytest.fixture
async def client(running_app: FastAPI, client: AsyncClient) -> AsyncClient:
    """An anonymous client of an application that has one user."""
    await create_user(running_app)
    return client


class TestAccessToken:
    async def test_valid_token_is_accepted(self, client: AsyncClient) -> None:
        pair = await start_session(client)

        response = await client.get(ME_URL, headers=bearer(pair.access_token))

        assert (response.status_code, response.json()["email"]) == (200, EMAIL)

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"exp": NOW - 1}, id="expired"),
            pytest.param({"aud": "other"}, id="other-audience"),
            pytest.param({"key": "attacker"}, id="other-key"),
            pytest.param({"typ": "JWT"}, id="other-type"),
            pytest.param({"sid": "00000000-0000-0000-0000-000000000000"}, id="other-session"),
            pytest.param({"other": "x" * 8192}, id="longer-than-8-kib"),
        ],
    )
    async def test_forged_token_returns_401(
        self, client: AsyncClient, changes: dict[str, Any]
    ) -> None:
        pair = await start_session(client)

        response = await client.get(ME_URL, headers=bearer(forge(pair.access_token, **changes)))

        check_problem(response, 401, "INVALID_TOKEN")
        assert response.headers["www-authenticate"] == 'Bearer realm="api", error="invalid_token"'

    async def test_refresh_token_returns_401(self, client: AsyncClient) -> None:
        pair = await start_session(client)
        disguised = forge(pair.refresh_token, typ="at+jwt", exp=NOW + 600)

        for token in (pair.refresh_token, disguised):
            response = await client.get(ME_URL, headers=bearer(token))
            check_problem(response, 401, "INVALID_TOKEN")

    async def test_two_headers_return_400(self, client: AsyncClient) -> None:
        token = (await start_session(client)).access_token
        headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")]

        response = await client.get(ME_URL, headers=headers)

        check_problem(response, 400, "INVALID_REQUEST")
        assert response.headers["www-authenticate"] == 'Bearer realm="api", error="invalid_request"'

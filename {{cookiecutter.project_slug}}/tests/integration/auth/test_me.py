"""Tests of the endpoints of the current user."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.auth.passwords import PasswordHasher
from app.auth.tokens import TokenPair
from tests.clients import connect_user
from tests.problems import check_problem
from tests.users import (
    ME_URL,
    PASSWORD,
    bearer,
    change_users,
    find_user,
    is_accepted,
    log_in,
    refresh,
    start_session,
)

NEW_PASSWORD = "battery staple"  # noqa: S105


async def change_password(
    client: AsyncClient, new: Any = NEW_PASSWORD, current: str = PASSWORD, **options: Any
) -> Response:
    body = {"current_password": current, "new_password": new}
    return await client.post(f"{ME_URL}/password", json=body, **options)


class TestReadMe:
    async def test_returns_current_user(self, app: FastAPI, user_client: AsyncClient) -> None:
        response = await user_client.get(ME_URL)

        user = await find_user(app)
        created_at = response.json()["created_at"]
        assert created_at.endswith("Z")
        assert response.json() == {
            "id": str(user.id),
            "email": user.email,
            "name": None,
            "is_active": True,
            "is_superuser": False,
            "created_at": created_at,
        }


class TestUpdateMe:
    async def test_changes_and_clears_name(
        self, user_client: AsyncClient, other_user_client: AsyncClient
    ) -> None:
        for body, name in (({"name": "Ada"}, "Ada"), ({}, "Ada"), ({"name": None}, None)):
            assert (await user_client.patch(ME_URL, json=body)).json()["name"] == name
            assert (await user_client.get(ME_URL)).json()["name"] == name
            assert (await other_user_client.get(ME_URL)).json()["name"] is None

    async def test_other_field_returns_422(self, user_client: AsyncClient) -> None:
        before = (await user_client.get(ME_URL)).json()

        response = await user_client.patch(ME_URL, json={"is_superuser": True})

        check_problem(response, 422, "VALIDATION_ERROR")
        assert (await user_client.get(ME_URL)).json() == before


class TestChangePassword:
    async def test_replaces_password_and_ends_every_earlier_token(
        self,
        client: AsyncClient,
        user_client: AsyncClient,
        other_user_client: AsyncClient,
        log_lines: Any,
    ) -> None:
        old = await start_session(client)

        response = await change_password(client, headers=bearer(old.access_token))

        assert response.status_code == 200
        new = TokenPair.model_validate_json(response.content)
        assert not await is_accepted(client, old.access_token)
        assert (await refresh(client, old.refresh_token)).status_code == 401
        assert (await user_client.get(ME_URL)).status_code == 401
        assert (await other_user_client.get(ME_URL)).status_code == 200
        assert await is_accepted(client, new.access_token)
        assert (await refresh(client, new.refresh_token)).status_code == 200
        assert "authn_password_change" in [line["event"] for line in log_lines()]
        check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")
        assert (await log_in(client, password=NEW_PASSWORD)).status_code == 200

    async def test_without_single_session_ends_other_sessions(self, make_app: Any) -> None:
        async with connect_user(make_app(single_session=False)) as client:
            other = await start_session(client)

            assert (await change_password(client)).status_code == 200

            assert not await is_accepted(client, other.access_token)

    async def test_wrong_current_password_returns_400(
        self, client: AsyncClient, user_client: AsyncClient
    ) -> None:
        response = await change_password(user_client, current="not the password")

        check_problem(response, 400, "BUSINESS_RULE_VIOLATED")
        assert (await user_client.get(ME_URL)).status_code == 200
        assert (await log_in(client)).status_code == 200

    async def test_guessed_current_password_returns_429(self, user_client: AsyncClient) -> None:
        guesses = [await change_password(user_client, current=f"guess {n}") for n in range(10)]
        assert {response.status_code for response in guesses} == {400}

        check_problem(await change_password(user_client), 429, "RATE_LIMITED")

    async def test_concurrent_change_returns_409(
        self,
        app: FastAPI,
        user_client: AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
        log_lines: Any,
    ) -> None:
        winner, loser = "w" * 60, "l" * 60

        async def lose(*_arguments: Any) -> str:
            await change_users(app, password_hash=winner)
            return loser

        monkeypatch.setattr(PasswordHasher, "hash", lose)

        check_problem(await change_password(user_client), 409, "CONFLICT")
        assert (await find_user(app)).password_hash == winner
        assert "authn_password_change" not in [line["event"] for line in log_lines()]

    async def test_login_meanwhile_does_not_cancel_change(
        self,
        app: FastAPI,
        client: AsyncClient,
        user_client: AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        create_hash = app.state.passwords.hash

        async def log_in_and_hash(*arguments: Any) -> str:
            await start_session(client)
            new_hash: str = await create_hash(*arguments)
            return new_hash

        monkeypatch.setattr(app.state.passwords, "hash", log_in_and_hash)

        assert (await change_password(user_client)).status_code == 200
        assert (await log_in(client, password=NEW_PASSWORD)).status_code == 200

    async def test_unacceptable_password_returns_422(
        self, client: AsyncClient, user_client: AsyncClient
    ) -> None:
        response = await change_password(user_client, "password1")

        problem = check_problem(response, 422, "VALIDATION_ERROR")
        assert problem.errors[0].loc[:2] == ["body", "new_password"]
        assert (await log_in(client)).status_code == 200

"""Tests of the sign-up endpoint."""

import json

from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select

from app.auth.models import User
from tests.clients import MakeApp, connect_user
from tests.logs import LogLines
from tests.problems import check_problem
from tests.users import EMAIL, PASSWORD, find_user, log_in, sign_up


async def count_users(app: FastAPI) -> int:
    async with app.state.sessions() as session:
        return await session.scalar(select(func.count()).select_from(User)) or 0


class TestSignUp:
    async def test_creates_user(
        self, app: FastAPI, client: AsyncClient, log_lines: LogLines
    ) -> None:
        response = await sign_up(client, EMAIL)

        assert response.status_code == 201
        user = response.json()
        assert user.keys() == {"id", "email", "name", "is_active", "is_superuser", "created_at"}
        assert (user["email"], user["is_active"], user["is_superuser"]) == (EMAIL, True, False)
        assert (await find_user(app)).password_hash.startswith("$2b$04$")
        assert (await log_in(client)).status_code == 200
        lines = log_lines()
        assert "user_created" in [line["event"] for line in lines]
        assert EMAIL not in json.dumps(lines)
        assert PASSWORD not in json.dumps(lines)

    async def test_existing_address_in_other_case_returns_409(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        await sign_up(client, EMAIL)

        response = await sign_up(client, EMAIL.upper())

        check_problem(response, 409, "CONFLICT")
        assert EMAIL.upper() not in response.text
        events = [line["event"] for line in log_lines()]
        assert events.count("user_created") == 1  # none for what was rolled back

    async def test_unknown_field_returns_422(self, app: FastAPI, client: AsyncClient) -> None:
        body = {"email": EMAIL, "password": PASSWORD, "is_superuser": True}

        response = await client.post("/api/v1/auth/sign-up", json=body)

        check_problem(response, 422, "VALIDATION_ERROR")
        assert await count_users(app) == 0

    async def test_unacceptable_password_returns_422(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        for password in ("\u00e9" * 37, EMAIL.upper()):
            response = await sign_up(client, EMAIL, password)

            problem = check_problem(response, 422, "VALIDATION_ERROR")
            assert problem.errors[0].loc[:2] == ["body", "password"]
            assert password not in response.text
        assert await count_users(app) == 0

    async def test_invalid_address_returns_422(self, client: AsyncClient) -> None:
        response = await sign_up(client, "ada@x.co\r\nBcc: b@x.co")

        check_problem(response, 422, "VALIDATION_ERROR")
        assert PASSWORD not in response.text

    async def test_when_disabled_returns_403(self, make_app: MakeApp) -> None:
        async with connect_user(make_app(sign_up_enabled=False)) as client:
            check_problem(await sign_up(client, "bob@example.com"), 403, "SIGN_UP_CLOSED")

    async def test_configured_minimum_length_is_required(self, make_app: MakeApp) -> None:
        async with connect_user(make_app(password_min_length=20)) as client:
            response = await sign_up(client, "bob@example.com", "battery staple")
            check_problem(response, 422, "VALIDATION_ERROR")
            response = await sign_up(client, "bob@example.com", "correct battery staple")
            assert response.status_code == 201

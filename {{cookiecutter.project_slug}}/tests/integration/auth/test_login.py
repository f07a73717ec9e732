"""Tests of the login endpoint."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import bcrypt
import pytest
from fastapi import FastAPI, Request
from httpx2 import AsyncClient

from tests.clients import connect_user
from tests.logs import LogLines
from tests.problems import check_problem, strip_varying
from tests.users import (
    AUTH_URL,
    EMAIL,
    PASSWORD,
    change_users,
    create_user,
    find_user,
    is_accepted,
    list_sessions,
    log_in,
    rotate,
    start_session,
)

WRONG = "not the password"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def client(running_app: FastAPI, client: AsyncClient) -> AsyncClient:
    """An anonymous client of an application that has one user."""
    await create_user(running_app)
    return client


class TestLogin:
    async def test_returns_tokens(self, client: AsyncClient, log_lines: Any) -> None:
        response = await log_in(client)

        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert len(response.content) > 1024
        # Compression would reveal tokens (BREACH).
        assert "content-encoding" not in response.headers
        pair = response.json()
        assert pair.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 900)
        assert await is_accepted(client, pair["access_token"])
        assert "authn_login_success" in [line["event"] for line in log_lines()]

    async def test_ignores_case_of_address(self, client: AsyncClient) -> None:
        assert (await log_in(client, "Ada@Example.COM")).status_code == 200

    async def test_every_failure_returns_same_401(
        self, app: FastAPI, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, log_lines: Any
    ) -> None:
        costs: list[bytes] = []
        verify = bcrypt.checkpw

        def record(password: bytes, digest: bytes) -> bool:
            costs.append(digest[:7])
            return verify(password, digest)

        monkeypatch.setattr(bcrypt, "checkpw", record)
        responses = [
            await log_in(client, EMAIL, WRONG),
            await log_in(client, "nobody@example.com"),
            await log_in(client, "not an address"),
        ]
        await change_users(app, is_active=False)
        responses += [await log_in(client), await log_in(client, EMAIL, WRONG)]

        for response in responses:
            problem = check_problem(response, 401, "INVALID_CREDENTIALS")
            assert problem.detail == "The e-mail address or the password is incorrect."
            assert strip_varying(response) == strip_varying(responses[0])
        assert costs == [b"$2b$04$"] * len(responses)  # each failure takes the same time
        events = [line["event"] for line in log_lines()]
        assert events.count("authn_login_fail") == len(responses)
        assert "authn_login_success" not in events

    async def test_large_form_returns_413(self, client: AsyncClient) -> None:
        response = await client.post(f"{AUTH_URL}/login", content=b"&" * 16385, headers=FORM)
        check_problem(response, 413, "PAYLOAD_TOO_LARGE")

    async def test_hash_of_other_cost_is_replaced(
        self, make_app: Any, own_database_url: str
    ) -> None:
        app = make_app(database_url=own_database_url)
        async with connect_user(app) as client:
            old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()
            await change_users(app, password_hash=old)

            responses = await asyncio.gather(*(log_in(client) for _ in range(5)))

            assert {response.status_code for response in responses} == {200}
            assert (await find_user(app)).password_hash.startswith("$2b$04$")

    async def test_password_changed_meanwhile_returns_401(
        self, app: FastAPI, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pair = await start_session(client)
        verify = app.state.passwords.verify

        async def change_and_verify(*arguments: Any) -> bool:
            is_match: bool = await verify(*arguments)
            await change_users(app, password_hash="$2b$04$" + "x" * 53)
            return is_match

        monkeypatch.setattr(app.state.passwords, "verify", change_and_verify)

        check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")
        assert await is_accepted(client, pair.access_token)  # it ended no session either

    async def test_hashing_does_not_block_other_requests(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = threading.Event()
        monkeypatch.setattr(bcrypt, "checkpw", lambda *_arguments: done.wait(10))
        logins = asyncio.gather(*(log_in(client, f"user{n}@example.com") for n in range(10)))

        async with asyncio.timeout(5):
            assert (await client.get("/api/v1/ready")).status_code == 200
        done.set()
        assert {response.status_code for response in await logins} == {401}

    async def test_hashing_occupies_no_connection(
        self, make_app: Any, own_database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = make_app(database_url=own_database_url)
        counts: list[int] = []

        def count_connections(*_arguments: bytes) -> bool:
            counts.append(app.state.engine.pool.checkedout())
            return True

        monkeypatch.setattr(bcrypt, "checkpw", count_connections)
        async with connect_user(app) as client:
            await start_session(client)

        assert counts == [0]

    async def test_of_disconnected_client_hashes_nothing(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
    ) -> None:
        async def is_disconnected(_request: Request) -> bool:
            return True

        checked: list[bytes] = []
        monkeypatch.setattr(Request, "is_disconnected", is_disconnected)
        monkeypatch.setattr(bcrypt, "checkpw", lambda password, _digest: checked.append(password))

        with suppress(AssertionError):  # of httpx2, which expects a response
            await log_in(client)

        assert checked == []
        assert log_lines()[-1]["status"] == 499


class TestLoginSessions:
    async def test_login_ends_earlier_session(self, app: FastAPI, client: AsyncClient) -> None:
        first = await start_session(client)
        second = await start_session(client)

        assert not await is_accepted(client, first.access_token)
        assert await is_accepted(client, second.access_token)
        assert len(await list_sessions(app)) == 1

    async def test_without_single_session_keeps_earlier_session(self, make_app: Any) -> None:
        async with connect_user(make_app(single_session=False)) as client:
            pairs = [await start_session(client) for _ in range(2)]

            for pair in pairs:
                assert await is_accepted(client, (await rotate(client, pair)).access_token)

"""Tests of the commands that manage users, sessions and keys."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.auth.keys import parse_public_key, read_private_key
from app.cli import keys, main, sessions, users
from tests.clients import connect_user
from tests.problems import check_problem
from tests.users import (
    EMAIL,
    ME_URL,
    bearer,
    find_user,
    log_in,
    make_public_pem,
    sign_in,
    start_session,
)

BOB = "bob@example.com"
NEW_PASSWORD = "battery staple"  # noqa: S105


@pytest.fixture
def app(make_app: Any, own_database_url: str) -> FastAPI:
    app: FastAPI = make_app(database_url=own_database_url, rsa_public_keys=[make_public_pem("old")])
    return app


@pytest.fixture
async def user_client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with connect_user(app) as client:
        yield client


@pytest.fixture
def manage(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs a command with the settings of the application."""
    for module in (keys, sessions, users):
        monkeypatch.setattr(module, "prepare", lambda: app.state.settings)

    async def run(*arguments: str, password: str = NEW_PASSWORD) -> Result:
        typed = f"{password}\n{password}\n"
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=typed)

    return run


class TestCreateUser:
    async def test_asks_for_password(
        self, app: FastAPI, user_client: AsyncClient, manage: Any
    ) -> None:
        result = await manage("create-user", "Bob@Example.com")

        assert result.exit_code == 0
        assert NEW_PASSWORD not in result.output
        assert (await log_in(user_client, BOB, NEW_PASSWORD)).status_code == 200
        user = await find_user(app, BOB)
        assert (user.is_superuser, user.is_active) == (False, True)

    async def test_prints_generated_password(
        self, app: FastAPI, user_client: AsyncClient, manage: Any, log_lines: Any
    ) -> None:
        result = await manage("create-user", BOB, "--superuser", "--generate-password")

        assert result.exit_code == 0
        (password,) = result.stdout.splitlines()
        assert (await log_in(user_client, BOB, password)).status_code == 200
        assert (await find_user(app, BOB)).is_superuser
        lines = log_lines()
        assert "user_created" in [line["event"] for line in lines]
        assert password not in json.dumps(lines)

    async def test_existing_or_invalid_address_is_refused(
        self, user_client: AsyncClient, manage: Any, log_lines: Any
    ) -> None:
        existing, invalid = await manage("create-user", EMAIL), await manage("create-user", "bob")

        message = "Error: A user with this address already exists.\n"
        assert (existing.exit_code, existing.stderr) == (1, message)
        assert invalid.exit_code == 2
        assert "must be an e-mail address" in invalid.stderr
        assert "user_created" not in [line["event"] for line in log_lines()]

    async def test_unacceptable_password_is_refused(
        self, user_client: AsyncClient, manage: Any
    ) -> None:
        result = await manage("create-user", BOB, password="x" * 73)

        assert result.exit_code == 1
        message = "Error: The password must not be longer than 72 bytes."
        assert result.stderr.splitlines()[-1] == message

    async def test_outdated_schema_is_reported_in_one_line(self, app: FastAPI, manage: Any) -> None:
        result = await manage("create-user", BOB)

        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert " are missing. Run: uv run manage " in line

    async def test_local_command_creates_schema(self, app: FastAPI, manage: Any) -> None:
        settings = app.state.settings
        app.state.settings = settings.model_copy(update={"update_schema_on_startup": True})

        assert (await manage("create-user", BOB)).exit_code == 0
        assert (await manage("users", "deactivate", BOB)).exit_code == 0


class TestSetPassword:
    async def test_replaces_password_and_ends_sessions(
        self, user_client: AsyncClient, manage: Any, log_lines: Any
    ) -> None:
        result = await manage("users", "set-password", EMAIL)

        assert result.exit_code == 0
        assert (await user_client.get(ME_URL)).status_code == 401
        check_problem(await log_in(user_client), 401, "INVALID_CREDENTIALS")
        assert (await log_in(user_client, EMAIL, NEW_PASSWORD)).status_code == 200
        assert "authn_password_change" in [line["event"] for line in log_lines()]

    async def test_weak_password_is_refused(self, user_client: AsyncClient, manage: Any) -> None:
        result = await manage("users", "set-password", EMAIL, password="password1")  # noqa: S106

        assert result.stderr.splitlines()[-1] == "Error: The password is too common."
        assert (await user_client.get(ME_URL)).status_code == 200


class TestDeactivate:
    async def test_refuses_user_until_activated(
        self, user_client: AsyncClient, manage: Any, log_lines: Any
    ) -> None:
        assert (await manage("users", "deactivate", EMAIL)).exit_code == 0
        assert (await user_client.get(ME_URL)).status_code == 401
        assert (await log_in(user_client)).status_code == 401

        assert (await manage("users", "activate", EMAIL)).exit_code == 0
        assert (await user_client.get(ME_URL)).status_code == 401  # the session has ended
        assert (await log_in(user_client)).status_code == 200
        updates = [line["is_active"] for line in log_lines() if line["event"] == "user_updated"]
        assert updates == [False, True]

    async def test_unknown_user_is_reported(self, user_client: AsyncClient, manage: Any) -> None:
        result = await manage("users", "deactivate", BOB)

        assert (result.exit_code, result.stderr) == (1, "Error: No user has this address.\n")


class TestRevokeSessions:
    async def test_ends_sessions_of_one_user_or_of_all(
        self, app: FastAPI, user_client: AsyncClient, manage: Any
    ) -> None:
        bob = await sign_in(app, BOB)

        of_one = await manage("sessions", "revoke", "--user", EMAIL)
        assert of_one.stdout == "Sessions ended: 1\n"
        assert (await user_client.get(ME_URL)).status_code == 401
        assert (await user_client.get(ME_URL, headers=bob)).status_code == 200

        ada = bearer((await start_session(user_client)).access_token)
        of_all = await manage("sessions", "revoke", "--all")
        assert of_all.stdout == "Sessions ended: 2\n"
        for headers in (ada, bob):
            assert (await user_client.get(ME_URL, headers=headers)).status_code == 401

    async def test_ambiguous_options_are_refused(
        self, user_client: AsyncClient, manage: Any
    ) -> None:
        for arguments in ([], ["--all", "--user", EMAIL]):
            assert (await manage("sessions", "revoke", *arguments)).exit_code == 2
        assert (await user_client.get(ME_URL)).status_code == 200


class TestKeys:
    async def test_create_writes_key_once(self, manage: Any, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"

        assert (await manage("keys", "create", str(file))).exit_code == 0
        assert read_private_key(file).key_size == 2048
        result = await manage("keys", "create", str(file))
        assert (result.exit_code, result.stderr) == (1, f"Error: {file}: File exists\n")

    async def test_list_prints_public_keys(self, user_client: AsyncClient, manage: Any) -> None:
        lines = (await manage("keys", "list")).stdout.splitlines()

        published = (await user_client.get("/.well-known/jwks.json")).json()["keys"]
        assert [line.split()[0] for line in lines] == [key["kid"] for key in published]
        listed = [parse_public_key(line.split()[1]).public_numbers() for line in lines]
        expected = [parse_public_key(make_public_pem(name)) for name in ("signing", "old")]
        assert listed == [key.public_numbers() for key in expected]

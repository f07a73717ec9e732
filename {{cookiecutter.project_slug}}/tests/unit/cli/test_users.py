import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.auth.rsa_keys import parse_public_key, read_private_key
from app.cli import keys, main, sessions, users
from tests.users import EMAIL, PASSWORD, log_in, make_public_pem, sign_in

BOB = "bob@example.com"
ANSWERS = f"{PASSWORD}\n{PASSWORD}\n"


@pytest.fixture
def app(make_app: Any, own_database_url: str) -> FastAPI:
    app: FastAPI = make_app(database_url=own_database_url, rsa_public_keys=[make_public_pem("old")])
    return app


@pytest.fixture
async def client(app: FastAPI, connect: Any) -> AsyncIterator[AsyncClient]:
    async with connect(app) as client:
        yield client


@pytest.fixture
def manage(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command with the settings of the application, beside it."""
    for module in (keys, sessions, users):
        monkeypatch.setattr(module, "prepare", lambda: app.state.settings)

    async def run(*arguments: str, answers: str = "") -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=answers)

    return run


async def read_me(client: AsyncClient, email: str, password: str = PASSWORD) -> Any:
    token = (await log_in(client, email, password)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return (await client.get("/api/v1/auth/me", headers=headers)).json()


class TestCreateUser:
    async def test_the_password_is_asked_for_and_not_shown(
        self, client: AsyncClient, manage: Any
    ) -> None:
        result = await manage("create-user", "Bob@Example.com", answers=ANSWERS)
        assert result.exit_code == 0
        assert PASSWORD not in result.output
        me = await read_me(client, BOB)
        assert (me["email"], me["is_superuser"], me["is_active"]) == (BOB, False, True)

    async def test_or_generated_and_shown_once(
        self, client: AsyncClient, manage: Any, log_lines: Any
    ) -> None:
        result = await manage("create-user", BOB, "--superuser", "--generate-password")
        assert result.exit_code == 0
        (password,) = result.stdout.splitlines()
        assert len(password) >= 20
        assert (await read_me(client, BOB, password))["is_superuser"] is True
        assert password not in json.dumps(log_lines())

    @pytest.mark.parametrize(
        ("email", "password", "reason"),
        [
            (EMAIL, PASSWORD, "This address is taken."),
            (BOB, "short", "must have 8 characters or more"),
            (BOB, BOB.upper(), "must not be the e-mail address"),
            (BOB, "x" * 73, "longer than 72 bytes"),
            ("bob", PASSWORD, "must be an e-mail address"),
        ],
    )
    async def test_what_is_refused_in_one_line(
        self, client: AsyncClient, manage: Any, email: str, password: str, reason: str
    ) -> None:
        result = await manage("create-user", email, answers=f"{password}\n{password}\n")
        assert result.exit_code in {1, 2}
        assert reason in result.stderr.splitlines()[-1]
        assert (await log_in(client, BOB, password)).status_code == 401


class TestUsers:
    async def test_deactivated_is_out_at_once_until_activated(
        self, client: AsyncClient, manage: Any, log_lines: Any
    ) -> None:
        assert (await manage("users", "deactivate", EMAIL)).exit_code == 0
        assert (await client.get("/api/v1/auth/me")).status_code == 401
        assert (await log_in(client)).status_code == 401
        assert (await manage("users", "activate", EMAIL)).exit_code == 0
        assert (await client.get("/api/v1/auth/me")).status_code == 401
        assert (await log_in(client)).status_code == 200
        updates = [line["is_active"] for line in log_lines() if line["event"] == "user_updated"]
        assert updates == [False, True]

    @pytest.mark.parametrize("command", ["activate", "deactivate"])
    async def test_nobody(self, client: AsyncClient, manage: Any, command: str) -> None:
        result = await manage("users", command, BOB)
        assert (result.exit_code, result.stderr) == (1, "Error: There is no such user.\n")


class TestSessions:
    @pytest.mark.parametrize(("arguments", "left"), [(["--user", EMAIL], 200), (["--all"], 401)])
    async def test_of_one_or_all_end(
        self, app: FastAPI, client: AsyncClient, manage: Any, arguments: list[str], left: int
    ) -> None:
        bob = await sign_in(app, BOB)
        result = await manage("sessions", "revoke", *arguments)
        assert result.stdout == ("1 ended\n" if left == 200 else "2 ended\n")
        assert (await client.get("/api/v1/auth/me")).status_code == 401
        assert (await client.get("/api/v1/auth/me", headers=bob)).status_code == left

    @pytest.mark.parametrize("arguments", [[], ["--all", "--user", EMAIL]])
    async def test_whose_must_be_said(
        self, client: AsyncClient, manage: Any, arguments: list[str]
    ) -> None:
        assert (await manage("sessions", "revoke", *arguments)).exit_code == 2
        assert (await client.get("/api/v1/auth/me")).status_code == 200


class TestKeys:
    async def test_a_new_one_in_a_file_once(self, manage: Any, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        assert (await manage("keys", "create", str(file))).exit_code == 0
        assert read_private_key(file).key_size == 2048
        result = await manage("keys", "create", str(file))
        assert (result.exit_code, result.stderr) == (1, f"Error: {file} exists.\n")

    async def test_the_list_is_what_the_settings_take(
        self, client: AsyncClient, manage: Any
    ) -> None:
        lines = (await manage("keys", "list")).stdout.splitlines()
        published = (await client.get("/.well-known/jwks.json")).json()["keys"]
        assert [line.split()[0] for line in lines] == [key["kid"] for key in published]
        listed = [parse_public_key(line.split()[1]).public_numbers() for line in lines]
        known = [parse_public_key(make_public_pem(name)) for name in ("ours", "old")]
        assert listed == [key.public_numbers() for key in known]

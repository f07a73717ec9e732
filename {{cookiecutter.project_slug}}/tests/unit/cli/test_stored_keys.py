"""Tests of `manage api-keys` with a database."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from anyio.to_thread import run_sync
from click.testing import CliRunner, Result
from httpx2 import AsyncClient

from app.auth.api_keys import HEADER, parse_key_id
from app.cli import main
from tests.clients import MakeApp, connect_user
from tests.keys import ME, SECRET_KEY, add_route

Manage = Callable[..., Awaitable[Result]]


@pytest.fixture
async def user_client(make_app: MakeApp, own_database_url: str) -> AsyncIterator[AsyncClient]:
    app = make_app(database_url=own_database_url)
    add_route(app)
    async with connect_user(app) as client:
        yield client


@pytest.fixture
def manage(user_client: AsyncClient, own_database_url: str) -> Manage:
    """Run a command, in a thread because it runs an event loop of its own."""
    variables = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": own_database_url}

    async def run(*arguments: str) -> Result:
        command = ["api-keys", *arguments]
        return await run_sync(lambda: CliRunner().invoke(main, command, env=variables))

    return run


async def create(manage: Manage, *options: str) -> dict[str, str]:
    """Create a key and return the header that contains it."""
    result = await manage("create", "umbrella", *options)
    assert result.exit_code == 0, result.output
    return {HEADER: result.stdout.splitlines()[-1]}


class TestCreate:
    async def test_prints_valid_key(self, manage: Manage, user_client: AsyncClient) -> None:
        headers = await create(manage)

        assert (await user_client.get(ME, headers=headers)).status_code == 200

    async def test_scope_and_days_restrict_key(
        self, manage: Manage, user_client: AsyncClient
    ) -> None:
        headers = await create(manage, "--scope", "read", "--days", "30")

        assert (await user_client.post(ME, headers=headers)).status_code == 403
        last_day = (datetime.now(UTC) + timedelta(days=30)).date()
        listed = (await manage("list")).stdout
        assert "  umbrella  read  " in listed
        assert f"expires {last_day}" in listed

    async def test_is_logged(self, manage: Manage) -> None:
        result = await manage("create", "umbrella")

        line, key = result.stdout.splitlines()
        created = json.loads(line)
        assert created["event"] == "api_key_created"
        assert (created["client"], created["key_id"]) == ("umbrella", parse_key_id(key))

    @pytest.mark.parametrize("arguments", [["a/b"], ["acme", "--scope", "admin"]])
    async def test_invalid_argument_exits_with_2(
        self, manage: Manage, arguments: list[str]
    ) -> None:
        result = await manage("create", *arguments)

        assert (result.exit_code, result.stdout) == (2, "")


class TestList:
    async def test_shows_no_secrets(self, manage: Manage, user_client: AsyncClient) -> None:
        key = (await create(manage))[HEADER]
        await manage("revoke", key)

        acme, umbrella = (await manage("list")).stdout.splitlines()

        own_id = parse_key_id(user_client.headers[HEADER])
        assert acme.startswith(f"{own_id}  acme  read+write  created 20")
        assert "  used 20" in acme
        assert "revoked" not in acme
        assert umbrella.startswith(f"{parse_key_id(key)}  umbrella  read+write  created 20")
        assert "  used" not in umbrella
        assert "  revoked 20" in umbrella
        assert key[-72:-8] not in umbrella


class TestRevoke:
    @pytest.mark.parametrize(
        "select",
        [str, lambda key: key[:-73], parse_key_id],
        ids=["whole-key", "part-before-last-underscore", "id"],
    )
    async def test_ends_only_this_key(
        self, manage: Manage, user_client: AsyncClient, select: Callable[[str], str]
    ) -> None:
        old, new = await create(manage), await create(manage)

        revoked = await manage("revoke", select(old[HEADER]))

        event = json.loads(revoked.stdout)
        assert (event["event"], event["key_id"]) == ("api_key_revoked", parse_key_id(old[HEADER]))
        assert (await user_client.get(ME, headers=old)).status_code == 401
        assert (await user_client.get(ME, headers=new)).json() == "umbrella"

    async def test_unknown_key_exits_with_1(self, manage: Manage) -> None:
        result = await manage("revoke", "0" * 16)

        assert (result.exit_code, result.stderr) == (1, "Error: API key not found.\n")

    async def test_malformed_key_exits_with_2(self, manage: Manage) -> None:
        assert (await manage("revoke", "x")).exit_code == 2

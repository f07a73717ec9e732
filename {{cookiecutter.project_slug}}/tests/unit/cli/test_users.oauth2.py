"""Tests of `manage users`."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from anyio.to_thread import run_sync
from click.testing import CliRunner, Result
from httpx2 import AsyncClient

from app.cli import main
from tests.clients import MakeApp, connect_user
from tests.provider import EMAIL, get_provider

ITEMS_URL = "/api/v1/items"

Manage = Callable[..., Awaitable[Result]]


@pytest.fixture
async def user_client(make_app: MakeApp, own_database_url: str) -> AsyncIterator[AsyncClient]:
    async with connect_user(make_app(database_url=own_database_url)) as client:
        await client.get(ITEMS_URL)
        yield client


@pytest.fixture
def manage(user_client: AsyncClient, own_database_url: str) -> Manage:
    """Run a command, in a thread because it runs an event loop of its own."""
    variables = {"OIDC_ISSUER": get_provider().issuer, "DATABASE_URL": own_database_url}

    async def run(*arguments: str) -> Result:
        command = ["users", *arguments]
        return await run_sync(lambda: CliRunner().invoke(main, command, env=variables))

    return run


async def test_deactivate_refuses_user_and_activate_accepts_again(
    manage: Manage, user_client: AsyncClient
) -> None:
    for command, status, state in [("deactivate", 401, "inactive"), ("activate", 200, "active")]:
        assert (await manage(command, EMAIL)).exit_code == 0
        assert (await user_client.get(ITEMS_URL)).status_code == status
        (line,) = (await manage("list")).stdout.splitlines()
        assert line.split("  ")[1] == state
        assert line.endswith(f"{get_provider().issuer}  {EMAIL}")


async def test_unknown_subject_exits_with_1(manage: Manage) -> None:
    result = await manage("deactivate", "nobody")

    assert result.exit_code == 1
    assert result.stderr == "Error: No user has this subject. Run: uv run manage users list\n"

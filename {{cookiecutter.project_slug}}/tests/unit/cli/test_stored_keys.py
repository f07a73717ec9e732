import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anyio.to_thread import run_sync
from click.testing import CliRunner, Result
from httpx2 import AsyncClient

from app.auth.api_keys import HEADER, read_key_id
from app.cli import main
from tests.keys import SECRET_KEY

ITEMS = "/api/v1/items"


@pytest.fixture
async def client(make_app: Any, connect: Any, own_database_url: str) -> Any:
    async with connect(make_app(database_url=own_database_url)) as client:
        yield client


@pytest.fixture
def run(client: AsyncClient, own_database_url: str) -> Any:
    """A command, in a thread as it has an event loop of its own."""
    variables = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": own_database_url}

    async def invoke(*arguments: str) -> Result:
        command = ["api-keys", *arguments]
        return await run_sync(lambda: CliRunner().invoke(main, command, env=variables))

    return invoke


async def test_a_key_works_until_it_is_revoked(run: Any, client: AsyncClient) -> None:
    created = await run("create", "umbrella")
    text = created.stdout.splitlines()[-1]
    key_id = read_key_id(text)
    assert (await client.get(ITEMS, headers={HEADER: text})).status_code == 200

    revoked = await run("revoke", key_id)
    assert (await client.get(ITEMS, headers={HEADER: text})).status_code == 401
    assert (await client.get(ITEMS)).status_code == 200
    events = [json.loads(result.stdout.splitlines()[0]) for result in (created, revoked)]
    assert [event["event"] for event in events] == ["api_key_created", "api_key_revoked"]
    assert [event["key_id"] for event in events] == [key_id, key_id]


async def test_a_client_changes_keys_without_a_gap(run: Any, client: AsyncClient) -> None:
    old, new = [(await run("create", "umbrella")).stdout.splitlines()[-1] for _ in range(2)]
    mug = {"sku": "MUG-01", "name": "Mug", "price": "9.90"}
    assert (await client.post(ITEMS, headers={HEADER: old}, json=mug)).status_code == 201
    await run("revoke", read_key_id(old))
    assert (await client.get(ITEMS, headers={HEADER: new})).json()["total"] == 1


async def test_scopes_and_days(run: Any, client: AsyncClient) -> None:
    created = await run("create", "umbrella", "--scope", "read", "--days", "30")
    headers = {HEADER: created.stdout.splitlines()[-1]}
    assert (await client.get(ITEMS, headers=headers)).status_code == 200
    assert (await client.post(ITEMS, headers=headers, json={})).status_code == 403
    last_day = (datetime.now(UTC) + timedelta(days=30)).date()
    assert "  umbrella  read  " in (listed := (await run("list")).stdout)
    assert f"expires {last_day}" in listed


async def test_the_list_shows_all_but_secrets(run: Any, client: AsyncClient) -> None:
    text = (await run("create", "umbrella")).stdout.splitlines()[-1]
    await run("revoke", read_key_id(text))
    acme, umbrella = (await run("list")).stdout.splitlines()
    assert acme.startswith(f"{read_key_id(client.headers[HEADER])}  acme  read+write  created 20")
    assert "  used 20" in acme
    assert "revoked" not in acme
    assert umbrella.startswith(f"{read_key_id(text)}  umbrella  read+write  created 20")
    assert "  used" not in umbrella
    assert "  revoked 20" in umbrella
    assert text.split("_")[-1][:64] not in umbrella


async def test_a_key_that_is_not_there_cannot_be_revoked(run: Any) -> None:
    result = await run("revoke", "0" * 16)
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such key.\n")


@pytest.mark.parametrize("arguments", [["Acme"], ["a/b"], [""], ["acme", "--scope", "admin"]])
async def test_wrong_arguments_are_refused(run: Any, arguments: list[str]) -> None:
    result = await run("create", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")

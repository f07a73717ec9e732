from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.auth.api_keys import HEADER, read_key_id
from app.cli import main
from tests.keys import SECRET_KEY

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    def invoke(*arguments: str, **variables: str) -> Result:
        command, environment = ["api-keys", *arguments], {"SECRET_KEY": SECRET_KEY, **variables}
        return CliRunner().invoke(main, command, env=environment)

    return invoke


async def test_the_line_that_is_printed_lets_the_client_in(
    run: Run, make_app: Any, connect: Any
) -> None:
    line, text = run("create", "umbrella").stdout.splitlines()
    variable, _, entries = line.partition("=")
    assert variable == "API_KEYS"
    assert text.split("_")[-1][:64] not in line
    for value, status in ((entries, 422), ("", 401)):
        async with connect(make_app(api_keys=value)) as client:
            headers = {HEADER: text}
            answer = await client.post("/api/v1/quotes/DE", headers=headers, json={})
            assert answer.status_code == status


def test_the_line_holds_the_keys_that_there_are(run: Run) -> None:
    first = run("create", "umbrella").stdout.splitlines()[0]
    second = run("create", "umbrella", API_KEYS=first.removeprefix("API_KEYS="))
    assert second.stdout.startswith(f"{first},umbrella/")


def test_scopes_and_days(run: Run) -> None:
    created = run("create", "umbrella", "--scope", "read", "--days", "30")
    line, text = created.stdout.splitlines()
    last_day = (datetime.now(UTC) + timedelta(days=30)).date()
    assert line.startswith(f"API_KEYS=umbrella/{read_key_id(text)}/read/{last_day}/")


def test_the_list_shows_all_but_digests(run: Run) -> None:
    line, text = run("create", "umbrella").stdout.splitlines()
    last_day = line.split("/")[3]
    listed = run("list", API_KEYS=line.removeprefix("API_KEYS=")).stdout
    assert listed == f"{read_key_id(text)}  umbrella  read+write  expires {last_day}\n"


@pytest.mark.parametrize("arguments", [["Acme"], ["a/b"], [""], ["acme", "--scope", "admin"]])
def test_wrong_arguments_are_refused(run: Run, arguments: list[str]) -> None:
    result = run("create", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")

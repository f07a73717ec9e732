"""Tests of `manage api-keys` without a database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from app.auth.api_keys import HEADER, parse_key_id
from app.cli import main
from tests.clients import MakeApp, connect
from tests.keys import ME, SECRET_KEY, add_route

Manage = Callable[..., Result]


@pytest.fixture
def manage() -> Manage:
    def run(*arguments: str, **variables: str) -> Result:
        environment = {"SECRET_KEY": SECRET_KEY, **variables}
        return CliRunner().invoke(main, ["api-keys", *arguments], env=environment)

    return run


class TestCreate:
    @pytest.mark.parametrize("status", [200, 401], ids=["configured", "not-configured"])
    async def test_printed_entry_makes_key_valid(
        self, manage: Manage, make_app: MakeApp, status: int
    ) -> None:
        line, key = manage("create", "umbrella").stdout.splitlines()
        entries = line.removeprefix("API_KEYS=") if status == 200 else ""
        app = make_app(api_keys=entries)
        add_route(app)

        async with connect(app) as client:
            response = await client.post(ME, headers={HEADER: key})

        assert response.status_code == status
        assert key[-72:-8] not in line

    def test_printed_line_contains_present_entries(self, manage: Manage) -> None:
        first = manage("create", "umbrella").stdout.splitlines()[0]

        second = manage("create", "umbrella", API_KEYS=first.removeprefix("API_KEYS="))

        assert second.stdout.startswith(f"{first},umbrella/")

    def test_scope_and_days_restrict_key(self, manage: Manage) -> None:
        created = manage("create", "umbrella", "--scope", "read", "--days", "30")

        line, key = created.stdout.splitlines()
        last_day = (datetime.now(UTC) + timedelta(days=30)).date()
        assert line.startswith(f"API_KEYS=umbrella/{parse_key_id(key)}/read/{last_day}/")

    @pytest.mark.parametrize("arguments", [["a/b"], ["acme", "--scope", "admin"]])
    def test_invalid_argument_exits_with_2(self, manage: Manage, arguments: list[str]) -> None:
        result = manage("create", *arguments)

        assert (result.exit_code, result.stdout) == (2, "")


class TestList:
    def test_shows_no_digests(self, manage: Manage) -> None:
        line, key = manage("create", "umbrella").stdout.splitlines()
        last_day = line.split("/")[3]

        listed = manage("list", API_KEYS=line.removeprefix("API_KEYS=")).stdout

        assert listed == f"{parse_key_id(key)}  umbrella  read+write  expires {last_day}\n"

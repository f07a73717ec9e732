"""Tests of the limits on guessing passwords and tokens."""

import asyncio
import uuid

from httpx2 import AsyncClient

from tests.clients import MakeApp, connect_user, open_client
from tests.logs import LogLines
from tests.problems import check_problem, strip_varying
from tests.users import (
    EMAIL,
    PASSWORD,
    is_accepted,
    log_in,
    refresh,
    rotate,
    sign_up,
    start_session,
)

NO_REDIS = "redis://127.0.0.1:1/0"
WRONG = "not the password"


async def guess(client: AsyncClient, times: int, email: str = EMAIL) -> list[int]:
    return [(await log_in(client, email, WRONG)).status_code for _ in range(times)]


class TestAccountLimit:
    async def test_eleventh_guess_returns_429(
        self, client: AsyncClient, user_client: AsyncClient, log_lines: LogLines
    ) -> None:
        assert await guess(client, 10) == [401] * 10

        for password in (WRONG, PASSWORD):
            response = await log_in(client, EMAIL, password)
            check_problem(response, 429, "RATE_LIMITED")
            assert 1 <= int(response.headers["retry-after"]) <= 900
        events = [line for line in log_lines() if line["event"] == "rate_limit_exceeded"]
        assert [line["limit"] for line in events] == ["account", "account"]

    async def test_does_not_reveal_whether_account_exists(
        self, client: AsyncClient, user_client: AsyncClient
    ) -> None:
        for _ in range(11):
            known, unknown = [await log_in(client, email, WRONG) for email in (EMAIL, "no@x.co")]
            assert strip_varying(known) == strip_varying(unknown)

    async def test_successful_login_resets_count(self, make_app: MakeApp) -> None:
        async with connect_user(make_app(auth_failures_per_client=100)) as client:
            for _ in range(3):
                assert await guess(client, 9) == [401] * 9
                assert (await log_in(client)).status_code == 200


class TestClientLimit:
    async def test_guesses_at_many_accounts_return_429(self, make_app: MakeApp) -> None:
        app = make_app(auth_failures_per_client=5)
        async with connect_user(app) as client, open_client(app, "198.51.100.1") as other:
            emails = [f"user{number}@example.com" for number in range(7)]
            statuses = [(await guess(client, 1, email))[0] for email in emails]
            assert statuses == [401] * 5 + [429] * 2
            check_problem(await log_in(client), 429, "RATE_LIMITED")
            assert (await log_in(other)).status_code == 200

    async def test_networks_of_ipv6_clients_are_limited(self, make_app: MakeApp) -> None:
        app = make_app(auth_failures_per_client=2)
        async with connect_user(app):
            statuses = []
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
                async with open_client(app, address) as client:
                    statuses += await guess(client, 1, f"{uuid.uuid4()}@example.com")
        assert statuses == [401, 401, 429, 401]

    async def test_successful_logins_are_not_counted(
        self, make_app: MakeApp, own_database_url: str
    ) -> None:
        app = make_app(database_url=own_database_url, auth_failures_per_client=2)
        async with connect_user(app) as client:
            await asyncio.gather(*(log_in(client) for _ in range(10)))
            for _ in range(5):
                assert (await log_in(client)).status_code == 200

    async def test_sign_ups_are_limited(self, make_app: MakeApp) -> None:
        app = make_app(auth_failures_per_client=2)
        async with connect_user(app) as client, open_client(app, "198.51.100.1") as other:
            assert [(await sign_up(client, EMAIL)).status_code for _ in range(2)] == [409, 409]
            check_problem(await sign_up(client, "new@example.com"), 429, "RATE_LIMITED")
            assert (await sign_up(other, "new@example.com")).status_code == 201

    async def test_invalid_refresh_tokens_are_limited(self, make_app: MakeApp) -> None:
        async with connect_user(make_app(auth_failures_per_client=3)) as client:
            pair = await start_session(client)
            for _ in range(5):
                pair = await rotate(client, pair)
            assert [(await refresh(client, "x")).status_code for _ in range(3)] == [401] * 3
            check_problem(await refresh(client, pair.refresh_token), 429, "RATE_LIMITED")
            assert await is_accepted(client, pair.access_token)


class TestRedis:
    async def test_unavailable_redis_keeps_limits(
        self, make_app: MakeApp, log_lines: LogLines
    ) -> None:
        async with connect_user(make_app(redis_url=NO_REDIS)) as client:
            assert await guess(client, 11) == [401] * 10 + [429]
        assert "rate_limit_without_redis" in [line["event"] for line in log_lines()]

"""Tests of the limits on guessing passwords and tokens."""

import asyncio
import uuid
from typing import Any

import bcrypt
import pytest
from httpx2 import AsyncClient

from tests.clients import connect_user, open_client
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

REDIS = "redis://127.0.0.1:6379/15"
NO_REDIS = "redis://127.0.0.1:1/0"
WRONG = "not the password"


async def guess(client: AsyncClient, times: int, email: str = EMAIL) -> list[int]:
    return [(await log_in(client, email, WRONG)).status_code for _ in range(times)]


class TestAccountLimit:
    @pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
    async def test_eleventh_guess_returns_429(
        self, client: AsyncClient, user_client: AsyncClient, log_lines: Any, email: str
    ) -> None:
        assert await guess(client, 10, email) == [401] * 10

        for password in (WRONG, PASSWORD):
            response = await log_in(client, email, password)
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

    async def test_successful_login_resets_count(self, make_app: Any) -> None:
        async with connect_user(make_app(auth_failures_per_client=100)) as client:
            for _ in range(3):
                assert await guess(client, 9) == [401] * 9
                assert (await log_in(client)).status_code == 200

    async def test_concurrent_guesses_are_limited(
        self,
        make_app: Any,
        own_database_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        checked: list[bytes] = []
        monkeypatch.setattr(bcrypt, "checkpw", lambda password, _digest: checked.append(password))
        async with connect_user(make_app(database_url=own_database_url)) as client:
            responses = await asyncio.gather(*(log_in(client, EMAIL, WRONG) for _ in range(20)))

        statuses = sorted(response.status_code for response in responses)
        assert statuses == [401] * 10 + [429] * 10
        assert len(checked) == 10


class TestClientLimit:
    async def test_guesses_at_many_accounts_return_429(self, make_app: Any) -> None:
        app = make_app(auth_failures_per_client=5)
        async with connect_user(app) as client, open_client(app, "198.51.100.1") as other:
            emails = [f"user{number}@example.com" for number in range(7)]
            statuses = [(await guess(client, 1, email))[0] for email in emails]
            assert statuses == [401] * 5 + [429] * 2
            check_problem(await log_in(client), 429, "RATE_LIMITED")
            assert (await log_in(other)).status_code == 200

    async def test_right_password_among_concurrent_guesses_is_limited(
        self, make_app: Any, own_database_url: str
    ) -> None:
        app = make_app(database_url=own_database_url, auth_failures_per_client=5)
        async with connect_user(app) as client:
            guesses = [log_in(client, f"user{n}@example.com", WRONG) for n in range(19)]
            responses = await asyncio.gather(*guesses, log_in(client))

        statuses = [response.status_code for response in responses]
        assert (statuses.count(401), statuses[-1]) == (5, 429)

    async def test_networks_of_ipv6_clients_are_limited(self, make_app: Any) -> None:
        app = make_app(auth_failures_per_client=2)
        async with connect_user(app):
            statuses = []
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
                async with open_client(app, address) as client:
                    statuses += await guess(client, 1, f"{uuid.uuid4()}@example.com")
        assert statuses == [401, 401, 429, 401]

    async def test_successful_logins_are_not_counted(
        self, make_app: Any, own_database_url: str
    ) -> None:
        app = make_app(database_url=own_database_url, auth_failures_per_client=2)
        async with connect_user(app) as client:
            await asyncio.gather(*(log_in(client) for _ in range(10)))
            for _ in range(5):
                assert (await log_in(client)).status_code == 200

    async def test_sign_ups_are_limited(self, make_app: Any) -> None:
        app = make_app(auth_failures_per_client=2)
        async with connect_user(app) as client, open_client(app, "198.51.100.1") as other:
            assert [(await sign_up(client, EMAIL)).status_code for _ in range(2)] == [409, 409]
            check_problem(await sign_up(client, "new@example.com"), 429, "RATE_LIMITED")
            assert (await sign_up(other, "new@example.com")).status_code == 201

    async def test_invalid_refresh_tokens_are_limited(self, make_app: Any) -> None:
        async with connect_user(make_app(auth_failures_per_client=3)) as client:
            pair = await start_session(client)
            for _ in range(5):
                pair = await rotate(client, pair)
            assert [(await refresh(client, "x")).status_code for _ in range(3)] == [401] * 3
            check_problem(await refresh(client, pair.refresh_token), 429, "RATE_LIMITED")
            assert await is_accepted(client, pair.access_token)


class TestRedis:
    async def test_processes_share_counts(self, make_app: Any, own_database_url: str) -> None:
        email = f"{uuid.uuid4().hex}@example.com"
        options = {"redis_url": REDIS, "auth_failures_per_client": 10**6}
        one, two = (make_app(database_url=own_database_url, **options) for _ in range(2))
        async with (
            connect_user(one) as client,
            two.router.lifespan_context(two),
            open_client(two) as other,
        ):
            statuses = await guess(client, 5, email) + await guess(other, 6, email)
            if one.state.rate_limiter.paused_until:
                pytest.skip("Redis is not running")
        assert statuses == [401] * 10 + [429]

    async def test_unavailable_redis_keeps_limits(self, make_app: Any, log_lines: Any) -> None:
        async with connect_user(make_app(redis_url=NO_REDIS)) as client:
            assert await guess(client, 11) == [401] * 10 + [429]
        assert "rate_limit_without_redis" in [line["event"] for line in log_lines()]

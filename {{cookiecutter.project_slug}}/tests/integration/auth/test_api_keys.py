"""Tests of authentication by API key."""

import json

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.auth.api_keys import HEADER, generate_key
from app.auth.dependencies import INVALID_KEYS
from tests.clients import MakeApp, MakeSettings, connect, open_client, run
from tests.keys import ME, add_route, create_key, replace_secret, sign_in
from tests.logs import LogLines
from tests.problems import check_problem, strip_varying

CHALLENGE = 'ApiKey realm="api"'


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    add_route(app)
    return app


def check_refusal(response: Response, status: int, code: str, challenge: str = CHALLENGE) -> None:
    check_problem(response, status, code)
    assert response.headers["www-authenticate"] == challenge


class TestValidKey:
    async def test_identifies_client(
        self, user_client: AsyncClient, other_user_client: AsyncClient
    ) -> None:
        assert (await user_client.get(ME)).json() == "acme"
        assert (await other_user_client.get(ME)).json() == "bob@example.com"

    async def test_several_keys_identify_same_client(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        keys = [await sign_in(app), await sign_in(app)]

        names = [(await client.get(ME, headers=headers)).json() for headers in keys]

        assert keys[0] != keys[1]
        assert names == ["acme", "acme"]

    async def test_access_log_contains_key_id_and_no_secret(
        self, user_client: AsyncClient, log_lines: LogLines
    ) -> None:
        await user_client.get(ME)

        (record,) = [line for line in log_lines() if line["event"] == "request"]
        assert record["key_id"] == user_client.headers[HEADER].split("_")[-2]
        assert user_client.headers[HEADER][-72:] not in json.dumps(log_lines())

    async def test_openapi_declares_header(self, client: AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        (scheme,) = document["components"]["securitySchemes"].values()
        assert scheme == {"type": "apiKey", "in": "header", "name": HEADER}

    async def test_cors_allows_header(self, client: AsyncClient) -> None:
        headers = {
            "Origin": "https://good.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": HEADER,
        }

        assert (await client.options(ME, headers=headers)).status_code == 200


class TestInvalidKey:
    async def test_missing_key_returns_401(self, client: AsyncClient) -> None:
        check_refusal(await client.get(ME), 401, "NOT_AUTHENTICATED")

    async def test_key_outside_header_returns_401(
        self, app: FastAPI, client: AsyncClient, log_lines: LogLines
    ) -> None:
        key = await create_key(app)

        for params, headers in (
            ({HEADER: key, "api_key": key}, {}),
            ({}, {"Cookie": f"{HEADER}={key}; api_key={key}"}),
            ({}, {"Authorization": f"ApiKey {key}"}),
        ):
            response = await client.get(ME, params=params, headers=headers)
            check_refusal(response, 401, "NOT_AUTHENTICATED")
        assert key not in json.dumps(log_lines())

    async def test_two_keys_return_400(self, app: FastAPI, client: AsyncClient) -> None:
        key = await create_key(app)

        response = await client.get(ME, headers=[(HEADER, key), (HEADER, key)])

        check_refusal(response, 400, "INVALID_REQUEST", f'{CHALLENGE}, error="invalid_request"')

    async def test_response_does_not_reveal_reason(self, app: FastAPI, client: AsyncClient) -> None:
        key = await create_key(app)
        invalid = {
            "no key": "x",
            "unknown": generate_key()[1],
            "wrong secret": replace_secret(key),
            "wrong checksum": key[:-1] + ("0" if key[-1] != "0" else "1"),
            "upper case": key.upper(),
            "expired": await create_key(app, days=-1),
        }

        responses = [await client.get(ME, headers={HEADER: text}) for text in invalid.values()]

        check_refusal(responses[0], 401, "INVALID_API_KEY")
        assert all(strip_varying(response) == strip_varying(responses[0]) for response in responses)

    async def test_changed_secret_key_invalidates_keys(
        self, app: FastAPI, user_client: AsyncClient, make_settings: MakeSettings
    ) -> None:
        app.state.settings.secret_key = make_settings(secret_key="x" * 32).secret_key

        check_refusal(await user_client.get(ME), 401, "INVALID_API_KEY")

    async def test_rejection_is_logged_without_secret(
        self, app: FastAPI, client: AsyncClient, log_lines: LogLines
    ) -> None:
        key = replace_secret(await create_key(app))

        await client.get(ME, headers={HEADER: key})

        (line,) = [line for line in log_lines() if line["event"] == "api_key_rejected"]
        assert line["key_id"] == key.split("_")[-2]
        assert line["request_id"]
        assert key[-72:] not in json.dumps(log_lines())


class TestScopes:
    @pytest.mark.parametrize(
        ("granted", "method", "required"), [("read", "POST", "write"), ("write", "GET", "read")]
    )
    async def test_missing_scope_returns_403(
        self, app: FastAPI, client: AsyncClient, granted: str, method: str, required: str
    ) -> None:
        headers = await sign_in(app, scopes=granted)

        response = await client.request(method, ME, headers=headers)

        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{required}"'
        assert response.status_code == 403
        assert response.headers["www-authenticate"] == challenge

    async def test_missing_scope_is_logged(
        self, app: FastAPI, client: AsyncClient, log_lines: LogLines
    ) -> None:
        await client.post(ME, headers=await sign_in(app, scopes="read"))

        (line,) = [line for line in log_lines() if line["event"] == "authz_fail"]
        assert line["scope"] == "write"

    @pytest.mark.parametrize(("granted", "method"), [("read", "HEAD"), ("write", "POST")])
    async def test_granted_scope_returns_200(
        self, app: FastAPI, client: AsyncClient, granted: str, method: str
    ) -> None:
        headers = await sign_in(app, scopes=granted)

        assert (await client.request(method, ME, headers=headers)).status_code == 200


class TestRateLimit:
    async def test_key_over_limit_returns_429(self, make_app: MakeApp) -> None:
        app = make_app(api_key_requests_per_minute=2)
        add_route(app)
        async with connect(app) as client:
            headers = await sign_in(app)
            responses = [await client.get(ME, headers=headers) for _ in range(3)]
            other = await client.get(ME, headers=await sign_in(app))

        assert [response.status_code for response in responses] == [200, 200, 429]
        assert 1 <= int(responses[-1].headers["retry-after"]) <= 60
        assert other.status_code == 200

    @pytest.mark.parametrize(
        ("address", "same", "other"),
        [
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ],
        ids=["ipv4", "ipv6"],
    )
    async def test_invalid_keys_are_limited_by_network(
        self, app: FastAPI, address: str, same: str, other: str
    ) -> None:
        invalid = {HEADER: generate_key()[1]}
        async with run(app):
            valid = await sign_in(app)
            async with open_client(app, address) as client:
                statuses = {
                    (await client.get(ME, headers=invalid)).status_code
                    for _ in range(INVALID_KEYS.amount)
                }
            async with open_client(app, same) as client:
                limited = await client.get(ME, headers=invalid)
                accepted = await client.get(ME, headers=valid)
            async with open_client(app, other) as client:
                unlimited = await client.get(ME, headers=invalid)

        assert statuses == {401}
        check_problem(limited, 429, "RATE_LIMITED")
        assert accepted.status_code == 200
        assert unlimited.status_code == 401

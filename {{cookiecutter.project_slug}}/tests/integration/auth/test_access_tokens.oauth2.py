"""Tests of authentication by access token."""

import time
from typing import Any

import pytest
from fastapi import FastAPI, Security
from httpx2 import AsyncClient

from app.auth import CurrentUser, get_current_user
from tests.clients import MakeApp, connect
from tests.logs import LogLines
from tests.problems import check_problem
from tests.provider import AUDIENCE, EMAIL, bearer, get_provider

ME = "/me"
NOW = int(time.time())
INVALID = 'Bearer realm="api", error="invalid_token"'


def add_routes(app: FastAPI) -> FastAPI:
    """Add a route that returns the current user, and one that requires a scope."""

    @app.get(ME, include_in_schema=False)
    async def get_name(user: CurrentUser) -> str:
        # {% if cookiecutter.database == "none" %}
        return user.sub
        # {% else %}
        return user.subject
        # {% endif %}

    @app.post(ME, dependencies=[Security(get_current_user, scopes=["admin"])])
    async def change_name() -> None:
        pass

    return app


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return add_routes(make_app())


ACCEPTED: dict[str, dict[str, Any]] = {
    "rfc-9068": {},
    "media-type-in-full": {"headers": {"typ": "application/AT+JWT"}},
    "es256": {"kid": "ec"},
    "several-audiences": {"aud": ["other", AUDIENCE]},
    "auth0": {"headers": {"typ": "JWT"}},
    "entra-id": {"headers": {"typ": "JWT"}, "scope": None, "scp": "items"},
    "okta": {"headers": {"typ": None}, "scope": None, "scp": ["items"]},
    "keycloak": {"headers": {"typ": "JWT"}, "typ": "Bearer", "nonce": "1"},
    "cognito": {"headers": {"typ": None}, "token_use": "access"},
    "without-scopes": {"scope": None},
    "clock-ahead": {"nbf": NOW + 20},
}
UNTYPED: dict[str, Any] = {"headers": {"typ": "JWT"}}
REJECTED: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 1},
    "without-expiry": {"exp": None},
    "expiry-as-text": {"exp": str(NOW + 300)},
    "lifetime-too-long": {"exp": NOW + 25 * 3600},
    "not-yet-valid": {"nbf": NOW + 900},
    "issued-later": {"iat": NOW + 900, "exp": NOW + 1200},
    "other-issuer": {"iss": "https://evil.example"},
    "issuer-with-slash": {"iss": get_provider().issuer + "/"},
    "other-audience": {"aud": "other"},
    "without-audience": {"aud": None},
    "without-subject": {"sub": None},
    "subject-with-newline": {"sub": "ada\n"},
    "subject-too-long": {"sub": "a" * 256},
    "other-header-type": {"headers": {"typ": "rt+jwt"}},
    "header-type-is-number": {"headers": {"typ": 5}},
    "critical-extension": {"headers": {"crit": ["x"], "x": 1}},
    "compressed": {"headers": {"zip": "DEF"}},
    "id-token-of-same-audience": UNTYPED | {"scope": None},
    "id-token-with-scope": UNTYPED | {"nonce": "1"},
    "keycloak-id-token": UNTYPED | {"typ": "ID"},
    "keycloak-refresh-token": UNTYPED | {"typ": "Refresh"},
    "cognito-id-token": UNTYPED | {"token_use": "id"},
}


class TestAccessToken:
    @pytest.mark.parametrize("token", ACCEPTED.values(), ids=ACCEPTED)
    async def test_of_provider_is_accepted(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, token: dict[str, Any]
    ) -> None:
        provider = get_provider()
        monkeypatch.setattr(provider, "kids", ["rsa", "ec"])

        response = await client.get(ME, headers=bearer(provider.sign(**token)))

        assert (response.status_code, response.json()) == (200, EMAIL)

    @pytest.mark.parametrize("token", REJECTED.values(), ids=REJECTED)
    async def test_forged_returns_401(self, client: AsyncClient, token: dict[str, Any]) -> None:
        response = await client.get(ME, headers=bearer(get_provider().sign(**token)))

        check_problem(response, 401, "INVALID_TOKEN")
        assert response.headers["www-authenticate"] == INVALID

    async def test_of_other_key_returns_401_and_logs_why(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        response = await client.get(ME, headers=bearer(get_provider().sign(key="attacker")))

        check_problem(response, 401, "INVALID_TOKEN")
        (line,) = [line for line in log_lines() if line["event"] == "token_rejected"]
        assert line["reason"] == "Signature verification failed"

    @pytest.mark.parametrize("text", ["a", "a.b.c", "a" * 20_000, "{token}==", "{token}a"])
    async def test_malformed_returns_401(self, client: AsyncClient, text: str) -> None:
        token = text.format(token=get_provider().sign())

        response = await client.get(ME, headers=bearer(token))

        check_problem(response, 401, "INVALID_TOKEN")

    async def test_without_header_type_is_refused_if_required(self, make_app: MakeApp) -> None:
        async with connect(add_routes(make_app(oidc_require_at_jwt=True))) as client:
            typed = await client.get(ME, headers=bearer(get_provider().sign()))
            untyped = await client.get(ME, headers=bearer(get_provider().sign(**UNTYPED)))

        assert (typed.status_code, untyped.status_code) == (200, 401)

    async def test_other_scheme_returns_401(self, client: AsyncClient) -> None:
        headers = {"Authorization": f"Basic {get_provider().sign()}"}

        check_problem(await client.get(ME, headers=headers), 401, "NOT_AUTHENTICATED")

    async def test_two_headers_return_400(self, client: AsyncClient) -> None:
        token = get_provider().sign()
        headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")]

        response = await client.get(ME, headers=headers)

        check_problem(response, 400, "INVALID_REQUEST")


class TestScopes:
    @pytest.mark.parametrize("scope", ["", "items", "admin"])
    async def test_missing_scope_returns_403(self, make_app: MakeApp, scope: str) -> None:
        async with connect(add_routes(make_app(oidc_required_scopes=["items"]))) as client:
            response = await client.post(ME, headers=bearer(get_provider().sign(scope=scope)))

        check_problem(response, 403, "INSUFFICIENT_SCOPE")
        challenge = 'Bearer realm="api", error="insufficient_scope", scope="items admin"'
        assert response.headers["www-authenticate"] == challenge

    async def test_granted_scopes_are_sufficient(self, make_app: MakeApp) -> None:
        async with connect(add_routes(make_app(oidc_required_scopes=["items"]))) as client:
            token = get_provider().sign(scope="admin openid items")
            response = await client.post(ME, headers=bearer(token))

        assert response.status_code == 200


class TestProvider:
    async def test_unreachable_returns_503_and_is_not_ready(self, make_app: MakeApp) -> None:
        async with connect(add_routes(make_app(oidc_issuer="http://127.0.0.1:1"))) as client:
            response = await client.get(ME, headers=bearer(get_provider().sign()))
            ready = await client.get("/api/v1/ready")
            health = await client.get("/api/v1/health")

        check_problem(response, 503, "SERVICE_UNAVAILABLE")
        assert response.headers["retry-after"]
        assert ready.json()["checks"]["oidc_provider"] == "fail"
        assert health.status_code == 200


class TestLogin:
    async def test_metadata_offers_code_flow_only(self, make_app: MakeApp) -> None:
        async with connect(make_app(oidc_required_scopes=["items"])) as client:
            document = (await client.get("/openapi.json")).json()
            (scheme,) = document["components"]["securitySchemes"].values()
            metadata = (await client.get("/" + scheme["openIdConnectUrl"])).json()

        assert metadata == {
            "issuer": get_provider().issuer,
            "authorization_endpoint": f"{get_provider().issuer}/authorize",
            "token_endpoint": f"{get_provider().issuer}/token",
            "jwks_uri": f"{get_provider().issuer}/jwks",
            "grant_types_supported": ["authorization_code"],
            "scopes_supported": ["openid", "items"],
        }

    async def test_documentation_uses_pkce_and_may_call_provider(
        self, running_app: FastAPI, client: AsyncClient
    ) -> None:
        page = await client.get("/docs")
        elsewhere = "https://tokens.example"
        running_app.state.provider.metadata.token_endpoint = f"{elsewhere}/token"
        other = await client.get("/docs")

        assert '"usePkceWithAuthorizationCodeGrant": true' in page.text
        issuer = get_provider().issuer
        assert f"connect-src {issuer} 'self'" in page.headers["content-security-policy"]
        policy = other.headers["content-security-policy"]
        assert f"connect-src {issuer} {elsewhere} 'self'" in policy
        assert (await client.get("/docs/oauth2-redirect")).status_code == 200

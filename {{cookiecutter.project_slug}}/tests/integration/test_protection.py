"""Every route requires authentication, except those that are listed here."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from httpx2 import AsyncClient

from app.api import router as resource_router
from app.main import create_app
from app.settings import Settings
from tests.problems import check_problem

PUBLIC = {
    ("GET", "/"),
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/ready"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/redoc"),
    # {% if cookiecutter.auth == "jwt" %}
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/sign-up"),
    # {% elif cookiecutter.auth == "oauth2" %}
    ("GET", "/api/v1/auth/openid-configuration"),
    ("GET", "/docs/oauth2-redirect"),
    # {% endif %}
}

# {% if cookiecutter.auth in ["jwt", "oauth2"] %}
HEADER, OTHER_NAMES = "Authorization", ("access_token", "token", "Authorization")
# {% else %}
HEADER, OTHER_NAMES = "X-API-Key", ("api_key", "key", "X-API-Key")
# {% endif %}


@pytest.fixture
def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The application with another resource."""
    router = APIRouter()
    router.include_router(resource_router)

    @router.get("/parcels")
    async def list_parcels() -> None:
        raise AssertionError

    monkeypatch.setattr("app.main.resource_router", router)
    return create_app(settings)


def list_routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(app.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path_format or ""


async def check_protection(app: FastAPI, client: AsyncClient, **options: Any) -> None:
    """Check that every protected route returns 401 with a challenge."""
    protected = [route for route in list_routes(app) if route not in PUBLIC]
    assert protected
    for method, path in protected:
        url = re.sub("{.*?}", str(uuid.uuid4()), path)
        response = await client.request(method, url, **options)
        problem = check_problem(response, 401, "NOT_AUTHENTICATED")
        assert problem.detail == "Authentication required."
        assert re.fullmatch('[A-Za-z]+ realm="api"', response.headers["www-authenticate"])


def test_public_routes_exist(app: FastAPI) -> None:
    assert set(list_routes(app)) >= PUBLIC


async def test_anonymous_request_returns_401(app: FastAPI, client: AsyncClient) -> None:
    await check_protection(app, client)


async def test_credentials_outside_of_the_header_return_401(
    app: FastAPI, client: AsyncClient, user_client: AsyncClient
) -> None:
    credentials = user_client.headers[HEADER].removeprefix("Bearer ")
    for name in OTHER_NAMES:
        await check_protection(app, client, params={name: credentials})
        await check_protection(app, client, headers={"Cookie": f"{name}={credentials}"})

"""Every route wants credentials, but for those that are listed here."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from httpx2 import AsyncClient

from app.main import create_app
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
    # {% endif %}
}


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@pytest.fixture
def app(make_settings: Any) -> FastAPI:
    return create_app(make_settings())


def list_routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(app.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path_format or ""


async def check_protection(app: FastAPI, client: AsyncClient, **credentials: Any) -> None:
    protected = [route for route in list_routes(app) if route not in PUBLIC]
    assert protected
    for method, path in protected:
        concrete = re.sub("{.*?}", str(uuid.uuid4()), path)
        answer = await client.request(method, concrete, **credentials)
        check_problem(answer, 401, "NOT_AUTHENTICATED")
        assert re.fullmatch('[A-Za-z]+ realm="api"', answer.headers["www-authenticate"])


async def test_what_is_public_exists(app: FastAPI) -> None:
    assert set(list_routes(app)) >= PUBLIC


async def test_no_other_route_is(app: FastAPI, client: AsyncClient) -> None:
    client.headers.clear()
    await check_protection(app, client)


async def test_credentials_are_not_taken_from_elsewhere(app: FastAPI, client: AsyncClient) -> None:
    # {% if cookiecutter.auth == "jwt" %}
    credentials = client.headers["Authorization"].removeprefix("Bearer ")
    names = ("access_token", "token", "Authorization")
    # {% else %}
    credentials = client.headers["X-API-Key"]
    names = ("api_key", "key", "X-API-Key")
    # {% endif %}
    client.headers.clear()
    for name in names:
        await check_protection(app, client, params={name: credentials})
        await check_protection(app, client, headers={"Cookie": f"{name}={credentials}"})

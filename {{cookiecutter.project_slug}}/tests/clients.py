"""Running applications and HTTP clients that call them in memory."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from app.settings import Settings
# {% if cookiecutter.database != "none" %}
from tests.databases import delete_rows, prepare_schema
# {% endif %}
# {% if cookiecutter.auth == "api_key" %}
from tests.keys import sign_in
# {% elif cookiecutter.auth == "oauth2" %}
from tests.provider import sign_in
# {% elif cookiecutter.auth == "jwt" %}
from tests.users import sign_in
# {% endif %}

ADDRESS = "203.0.113.7"

MakeSettings = Callable[..., Settings]
MakeApp = Callable[..., FastAPI]


@asynccontextmanager
async def run(app: FastAPI) -> AsyncGenerator[FastAPI]:
    """Start an application for the time of the block."""
    async with app.router.lifespan_context(app):
        # {% if cookiecutter.database != "none" %}
        await prepare_schema(app.state.engine)
        # {% endif %}
        yield app
        # {% if cookiecutter.database != "none" %}
        await delete_rows(app.state.engine)
        # {% endif %}


def open_client(app: FastAPI, address: str = ADDRESS, **options: Any) -> AsyncClient:
    """Return an anonymous client of a running application."""
    transport = ASGITransport(app, client=(address, 50000))
    return AsyncClient(transport=transport, base_url="http://localhost", **options)


@asynccontextmanager
async def connect(app: FastAPI) -> AsyncGenerator[AsyncClient]:
    """Start an application and yield an anonymous client."""
    async with run(app), open_client(app) as client:
        yield client


@asynccontextmanager
async def connect_user(app: FastAPI) -> AsyncGenerator[AsyncClient]:
    """Start an application and yield a client that may use its resources."""
    async with connect(app) as client:
        # {% if cookiecutter.auth != "none" %}
        client.headers.update(await sign_in(app))
        # {% endif %}
        yield client

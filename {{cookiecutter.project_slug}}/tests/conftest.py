"""Fixtures of every test. The environment and `.env` do not influence them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.main import create_app
from app.settings import Settings
from tests.clients import MakeApp, MakeSettings, open_client, run
# {% if cookiecutter.database != "none" %}
from tests.databases import database_url, own_database_url  # noqa: F401 (fixtures)
# {% endif %}
# {% if cookiecutter.auth == "api_key" %}
from tests.keys import auth_settings, sign_in
# {% endif %}
from tests.logs import log_lines  # noqa: F401 (a fixture)
# {% if cookiecutter.database != "none" %}
from tests.parcels import parcels  # noqa: F401 (a fixture)
# {% endif %}
# {% if cookiecutter.auth == "oauth2" %}
from tests.provider import auth_settings, sign_in
# {% elif cookiecutter.auth == "jwt" %}
from tests.users import auth_settings, sign_in
# {% endif %}

ORIGIN = "https://good.example"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove every setting from the environment, and the directory's `.env` from sight."""
    monkeypatch.chdir(tmp_path)
    for name in (*Settings.model_fields, "secrets_dir"):
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def default_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {
        "environment": "test",
        "cors_origins": [ORIGIN],
        # {% if cookiecutter.database != "none" %}
        "database_url": request.getfixturevalue("database_url"),
        # {% endif %}
        # {% if cookiecutter.auth != "none" %}
        **auth_settings(),
        # {% endif %}
    }


@pytest.fixture
def make_settings(default_settings: dict[str, Any]) -> MakeSettings:
    """Return a function that creates settings; its arguments replace the tests' defaults."""
    return lambda **values: Settings(_env_file=None, **(default_settings | values))


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def make_app(make_settings: MakeSettings) -> MakeApp:
    """Return a function that creates an application with the settings in its arguments."""
    return lambda **values: create_app(make_settings(**values))


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def running_app(app: FastAPI) -> AsyncIterator[FastAPI]:
    async with run(app):
        yield app


@pytest.fixture
async def client(running_app: FastAPI) -> AsyncIterator[AsyncClient]:
    """An anonymous client."""
    async with open_client(running_app) as client:
        yield client


@pytest.fixture
async def user_client(running_app: FastAPI) -> AsyncIterator[AsyncClient]:
    """A client that may use the resources."""
    async with open_client(running_app) as client:
        # {% if cookiecutter.auth != "none" %}
        client.headers.update(await sign_in(running_app))
        # {% endif %}
        yield client
# {% if cookiecutter.auth != "none" %}


@pytest.fixture
async def other_user_client(running_app: FastAPI) -> AsyncIterator[AsyncClient]:
    """A client that is signed in as another user."""
    async with open_client(running_app) as client:
        client.headers.update(await sign_in(running_app, "bob@example.com"))
        yield client
# {% endif %}

"""Applications, clients and logs for tests: each with settings of its own, none from outside."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, StreamingResponse
from httpx2 import ASGITransport, AsyncClient
from pydantic import Field
# {% if cookiecutter.auth == "jwt" %}
from sqlalchemy import delete, select
# {% elif cookiecutter.database != "none" %}
from sqlalchemy import delete
# {% endif %}

# {% if cookiecutter.auth == "jwt" %}
from app.auth.users import User
# {% endif %}
from app.core.logging import configure_logging, log_context
from app.core.schemas import RequestSchema
from app.main import create_app
# {% if cookiecutter.database != "none" %}
from app.models import Base
# {% endif %}
from app.settings import Settings
# {% if cookiecutter.database != "none" %}
from tests.databases import make_test_database, prepare_schema
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
from tests.users import auth_settings, sign_in
# {% elif cookiecutter.auth == "api_key" %}
from tests.keys import auth_settings, sign_in
# {% endif %}

ORIGIN = "https://good.example"
CLIENT = ("203.0.113.7", 50000)

MakeSettings = Callable[..., Settings]
Connect = Callable[[FastAPI], AbstractAsyncContextManager[AsyncClient]]
LogLines = Callable[[], list[dict[str, Any]]]

router = APIRouter()


class Parcel(RequestSchema):
    weight_grams: Annotated[int, Field(strict=True, ge=1, le=30_000)]
    reference: Annotated[str, Field(max_length=100)] | None = None


@router.post("/parcels")
async def create_parcel(parcel: Parcel) -> Parcel:
    return parcel


@router.get("/parcels/{parcel_id}")
async def read_parcel(parcel_id: int) -> int:
    return parcel_id


@router.get("/crash")
async def crash() -> None:
    raise ValueError("a canary in the exception")


@router.get("/text")
async def send_text(size: int = 5000, cache: str = "private") -> PlainTextResponse:
    return PlainTextResponse("x" * size, headers={"Cache-Control": cache})


@router.get("/stream")
async def stream_forever() -> StreamingResponse:
    async def count() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0)

    return StreamingResponse(count(), media_type="text/event-stream")


@router.get("/user")
def name_user() -> None:
    # A sync route, so in a thread: the field must reach the access record all the same.
    context = log_context.get()
    assert context is not None
    context["user_id"] = "u1"


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from `.env`
    for name in (*Settings.model_fields, "secrets_dir"):
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# {% if cookiecutter.database != "none" %}
@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    with make_test_database() as url:
        yield url


@pytest.fixture
def own_database_url(tmp_path: Path) -> Iterator[str]:
    """An empty database that takes several connections at once, as one in memory does not."""
    with make_test_database(tmp_path / "test.db") as url:
        yield url


@pytest.fixture
def defaults(database_url: str) -> dict[str, Any]:
    return {"environment": "test", "cors_origins": [ORIGIN], "database_url": database_url}


# {% else %}
@pytest.fixture
def defaults() -> dict[str, Any]:
    return {"environment": "test", "cors_origins": [ORIGIN]}


# {% endif %}
@pytest.fixture
def make_settings(defaults: dict[str, Any]) -> MakeSettings:
    def make(**values: Any) -> Settings:
        # {% if cookiecutter.auth == "none" %}
        return Settings(_env_file=None, **(defaults | values))
        # {% else %}
        return Settings(_env_file=None, **(auth_settings() | defaults | values))
        # {% endif %}

    return make


@pytest.fixture
def make_app(make_settings: MakeSettings) -> Callable[..., FastAPI]:
    def make(**values: Any) -> FastAPI:
        app = create_app(make_settings(**values))
        app.include_router(router, include_in_schema=False)
        return app

    return make


@pytest.fixture
def connect() -> Connect:
    @asynccontextmanager
    async def enter(app: FastAPI) -> AsyncIterator[AsyncClient]:
        transport = ASGITransport(app, client=CLIENT)
        async with (
            app.router.lifespan_context(app),
            AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            # {% if cookiecutter.database != "none" %}
            await prepare_schema(app.state.engine)
            # {% endif %}
            # {% if cookiecutter.auth != "none" %}
            client.headers.update(await sign_in(app))
            # {% endif %}
            yield client
            # {% if cookiecutter.database != "none" %}
            async with app.state.engine.begin() as connection:
                for table in reversed(Base.metadata.sorted_tables):
                    await connection.execute(delete(table))
            # {% endif %}

    return enter


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app()


@pytest.fixture
async def client(app: FastAPI, connect: Connect) -> AsyncIterator[AsyncClient]:
    async with connect(app) as client:
        yield client


# {% if cookiecutter.auth == "jwt" %}
@pytest.fixture
async def test_user(app: FastAPI, client: AsyncClient) -> User:
    """The one whose requests those of `client` are."""
    async with app.state.sessions() as session:
        users: list[User] = (await session.scalars(select(User))).all()
    return users[0]


@pytest.fixture
def auth_headers(client: AsyncClient) -> dict[str, str]:
    return {"Authorization": client.headers["authorization"]}


# {% endif %}
@pytest.fixture(autouse=True)
def log_lines() -> Iterator[LogLines]:
    """Take over the log as production does, and give back the lines so far as JSON."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    stream = io.TextIOWrapper(io.BytesIO())
    configure_logging(stream=stream)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # the client's own lines
    # {% if cookiecutter.__alembic == "yes" %}
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # {% endif %}

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in stream.buffer.getvalue().decode().splitlines()]

    yield read
    logging.captureWarnings(False)
    structlog.reset_defaults()
    sys.excepthook, threading.excepthook = hooks
    root.handlers, root.level = handlers, level

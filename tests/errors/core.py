"""Errors of FastAPI, Pydantic, uvicorn, browsers and pytest."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from app.core.schemas import RequestSchema
from app.main import create_app
from app.settings import Settings
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.testclient import TestClient
from uvicorn.importer import import_from_string

ORIGIN = "https://app.example"
TESTS = """
import gc, warnings

def test_fixture(client_of_user): ...

def test_coroutine():
    async def load(): ...
    load()
    gc.collect()

def test_warning():
    warnings.warn("use another", DeprecationWarning)
"""
MARKED = """
import pytest

@pytest.mark.slow
def test_marker(): ...
"""
DEPLOYMENT = """
from app.cli.uvicorn_server import run
from app.core.settings import CoreSettings

settings = CoreSettings(_env_file=None, environment="staging", allowed_hosts=["api.example"])
run("missing:app", settings, {"reload": False})
"""


class Unknown:
    """A class without a schema."""


class Order(RequestSchema):
    """A request body."""

    name: str


def client_of(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost")


def client_with(**settings: Any) -> TestClient:  # noqa: ANN401 those of Settings
    return client_of(create_app(Settings(_env_file=None, environment="test", **settings)))


def run_python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def reproduce_python_without_packages() -> str:
    return run_python("-S", "-c", "import fastapi")


def reproduce_server_without_factory() -> None:
    import_from_string("app.main:app")


def reproduce_port_in_use() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = f"from app.cli.serve import check_port; check_port{server.getsockname()}"
        return run_python("-c", check)


async def reproduce_https() -> str:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(FastAPI(), log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(bytes.fromhex("160301020001") + bytes(20))  # the start of a TLS handshake
    response = await reader.read(1000)
    writer.close()
    server.should_exit = True
    await serving
    return response.decode()


def reproduce_setting_without_json() -> None:
    class OwnSettings(Settings):
        """Settings with a list."""

        colours: list[str] = []  # noqa: RUF012 as in a class of settings

    os.environ["COLOURS"] = "red,green"
    OwnSettings(_env_file=None)


def reproduce_return_type() -> None:
    @FastAPI().get("/")
    def read() -> Unknown: ...


def reproduce_invalid_response() -> None:
    app = FastAPI()

    @app.get("/")
    def read() -> Order:
        return {}

    client_of(app).get("/")


def reproduce_body_for_query() -> str:
    app = FastAPI()

    @app.post("/")
    def create(name: str) -> None: ...

    response = client_of(app).post("/", json={"name": "x"})
    (error,) = response.json()["detail"]
    return f"{error['msg']} {error['loc'][0]}"


def reproduce_body_as_string() -> str:
    app = FastAPI()

    @app.post("/")
    def create(order: Order) -> None: ...

    texts = [
        client_of(app).post("/", json=json.dumps({"name": "x"})).text,
        client_of(app).post("/", content=json.dumps({"name": "x"})).text,
    ]
    assert texts[0] == texts[1]
    return texts[0]


def reproduce_unknown_field() -> None:
    Order(name="x", nmae="x")


def reproduce_order_of_routes() -> str:
    app = FastAPI()

    @app.get("/orders/{order_id}")
    def read(order_id: uuid.UUID) -> None: ...

    @app.get("/orders/summary")
    def summarize() -> None: ...

    return client_of(app).get("/orders/summary").json()["detail"][0]["msg"]


def reproduce_slash_at_the_end() -> str:
    assert client_with().get("/api/v1/health").is_success
    return client_with().get("/api/v1/health/").text


def reproduce_empty_path() -> None:
    router = APIRouter()

    @router.get("")
    def read() -> None: ...

    FastAPI().include_router(router)


def reproduce_same_name() -> None:
    app = create_app(Settings(_env_file=None, environment="test"))

    def read_order() -> None: ...

    app.get("/a")(read_order)
    app.get("/b")(read_order)
    app.openapi()


def reproduce_json_of_datetime() -> None:
    JSONResponse({"at": datetime.now(UTC)})


def reproduce_run_in_loop() -> None:
    async def fail() -> None:
        inner = asyncio.sleep(0)
        try:
            asyncio.run(inner)
        finally:
            inner.close()

    asyncio.run(fail())


def reproduce_attribute_of_coroutine() -> None:
    coroutine = asyncio.sleep(0)
    try:
        coroutine.name  # noqa: B018 the error
    finally:
        coroutine.close()


def reproduce_field_without_type() -> None:
    class Schema(BaseModel):
        """A schema."""

        name = "x"


def reproduce_type_without_schema() -> None:
    class Schema(BaseModel):
        """A schema."""

        name: Unknown


def reproduce_type_defined_later() -> None:
    class Schema(BaseModel):
        """A schema."""

        name: "Later"  # noqa: F821 the error

    Schema(name="x")


def reproduce_other_origin() -> str:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    with client_with(cors_origins=["https://good.example"]) as client:
        response = client.options("/api/v1/health", headers=headers)
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers
    # What Chrome then prints.
    return "No 'Access-Control-Allow-Origin' header is present on the requested resource."


def reproduce_other_header() -> str:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    with client_with(cors_origins=[ORIGIN]) as client:
        response = client.options(
            "/api/v1/health", headers=headers | {"Access-Control-Request-Headers": "x-colour"}
        )
    assert response.status_code == 400
    assert response.headers["access-control-allow-origin"] == ORIGIN
    # What Chrome then prints.
    return (
        "Response to preflight request doesn't pass access control check: It does not have HTTP ok"
        " status."
    )


def reproduce_other_host() -> str:
    with TestClient(client_with().app, base_url="http://api.example") as client:
        return client.get("/docs").text


def reproduce_path_prefix() -> str:
    app = client_with().app
    assert "'/openapi.json'" in client_of(app).get("/docs").text
    behind_proxy = TestClient(app, base_url="http://localhost", root_path="/orders")
    assert "'/orders/openapi.json'" in behind_proxy.get("/orders/docs").text
    # What Swagger UI shows without the prefix.
    return "Failed to load API definition."


def reproduce_deployment_without_proxy() -> str:
    return run_python("-c", DEPLOYMENT)


def reproduce_failing_tests() -> str:
    options = ["-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    with tempfile.TemporaryDirectory(dir="tests") as folder:
        for number, source in enumerate((TESTS, MARKED)):
            (Path(folder) / f"test_{number}.py").write_text(source)
        return run_python("-m", "pytest", *options, folder)

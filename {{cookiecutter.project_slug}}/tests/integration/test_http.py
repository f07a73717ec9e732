import asyncio
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.main import create_app
from tests.clients import MakeApp
from tests.routes import router

HEALTH = "/api/v1/health"


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    app.include_router(router)
    return app


@pytest.mark.parametrize("path", [HEALTH, "/openapi.json", "/nowhere", "/docs"])
async def test_head_is_get_without_a_body(client: AsyncClient, path: str) -> None:
    get = await client.get(path, headers={"Accept-Encoding": "identity"})
    head = await client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    differ = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in differ} == {
        k: v for k, v in get.headers.items() if k not in differ
    }


async def test_head_ends_an_endless_stream(client: AsyncClient) -> None:
    async with asyncio.timeout(5):
        assert (await client.head("/stream")).status_code == 200


@pytest.mark.parametrize("path", [HEALTH, "/nowhere", "/crash", "/docs"])
async def test_every_answer_has_the_security_headers(client: AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers
    assert "server" not in headers


async def test_https_gets_strict_transport_security(client: AsyncClient) -> None:
    answer = await client.get("https://localhost/nowhere")
    assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


async def test_a_route_may_set_a_header_itself(client: AsyncClient) -> None:
    assert (await client.get("/text")).headers.get_list("cache-control") == ["private"]


@pytest.mark.parametrize(
    ("path", "accepted", "coding"),
    [
        ("/text", "gzip", "gzip"),
        ("/text", "gzip;q=0", None),
        ("/text?size=10", "gzip", None),
        ("/text?cache=no-store", "gzip", None),
        (HEALTH, "gzip", None),
        ("/nowhere", "gzip", None),
    ],
)
async def test_compression(
    client: AsyncClient, path: str, accepted: str, coding: str | None
) -> None:
    answer = await client.get(path, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    if path == "/text":
        assert "Accept-Encoding" in answer.headers["vary"]
        assert answer.text == "x" * 5000


async def test_a_trailing_slash_is_another_path(client: AsyncClient) -> None:
    assert (await client.get(HEALTH + "/")).status_code == 404


async def test_a_foreign_host_is_refused_but_not_to_probes(client: AsyncClient) -> None:
    evil = {"Host": "evil.example"}
    answer = await client.get("/nowhere", headers=evil)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_HOST")
    assert (await client.get(HEALTH, headers=evil)).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_documentation_can_be_off(
    make_app: Callable[..., FastAPI], connect: Callable[..., AsyncClient], path: str
) -> None:
    async with connect(make_app()) as client:
        assert (await client.get(path)).status_code == 200
    async with connect(make_app(docs_enabled=False)) as client:
        assert (await client.get(path)).status_code == 404


async def test_operations_are_documented(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [item for path in document["paths"].values() for item in path.values()]
    identifiers = [operation["operationId"] for operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    for operation in operations:
        assert operation["tags"]
        assert "default" in operation["responses"]
        if "requestBody" in operation:
            assert {"413", "422"} < set(operation["responses"])
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_the_process_s_own_application_reads_the_environment(
    monkeypatch: pytest.MonkeyPatch, log_lines: object
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "test")
    monkeypatch.setenv("ALLOWED_HOSTS", "api.example.com")
    assert create_app().state.settings.allowed_hosts == ["api.example.com"]


async def test_an_encoded_slash_is_no_slash(client: AsyncClient) -> None:
    answer = await client.get("/api/v1%2Fhealth")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")

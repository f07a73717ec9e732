import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Headers

from tests.clients import MakeApp
from tests.routes import router

ORIGIN = "https://good.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}
EVIL = [
    "https://evil.example",
    "null",
    "https://good.example.evil.example",
]


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    app.include_router(router)
    return app


def allowances(headers: Headers) -> list[str]:
    return [name for name in headers if name.startswith("access-control-allow")]


@pytest.mark.parametrize("path", ["/api/v1/health", "/nowhere", "/crash"])
async def test_an_allowed_origin_may_read_every_answer(client: AsyncClient, path: str) -> None:
    headers = (await client.get(path, headers={"Origin": ORIGIN})).headers
    assert headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in headers
    assert "X-Request-ID" in headers["access-control-expose-headers"]
    assert "Origin" in headers["vary"]


async def test_an_allowed_origin_may_read_a_413(client: AsyncClient) -> None:
    response = await client.post("/parcels", content=b"x" * 1_048_577, headers={"Origin": ORIGIN})
    assert response.status_code == 413
    assert response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("origin", EVIL)
async def test_any_other_origin_may_not(client: AsyncClient, origin: str) -> None:
    response = await client.get("/api/v1/health", headers={"Origin": origin})
    assert allowances(response.headers) == []
    assert "Origin" in response.headers["vary"]
    refused = await client.options("/api/v1/health", headers={"Origin": origin, **PREFLIGHT})
    assert refused.status_code == 400
    assert allowances(refused.headers) == []
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


async def test_a_preflight_of_an_allowed_origin(client: AsyncClient) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Headers": "authorization", **PREFLIGHT}
    response = await client.options("/parcels", headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in response.headers["access-control-allow-methods"]
    assert int(response.headers["access-control-max-age"]) <= 7200
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "asked",
    [
        {"Access-Control-Request-Headers": "x-evil"},
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Private-Network": "true"},
    ],
)
async def test_a_preflight_that_asks_too_much(client: AsyncClient, asked: dict[str, str]) -> None:
    headers = {"Origin": ORIGIN, **PREFLIGHT, **asked}
    assert (await client.options("/api/v1/health", headers=headers)).status_code == 400

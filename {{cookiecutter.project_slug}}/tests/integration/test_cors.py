"""Tests of cross-origin requests."""

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from tests.clients import MakeApp
from tests.routes import router

HEALTH_URL = "/api/v1/health"
ORIGIN = "https://good.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    app.include_router(router)
    return app


class TestRequest:
    async def test_allowed_origin_may_read_errors(self, client: AsyncClient) -> None:
        client.headers["Origin"] = ORIGIN

        crash = await client.get("/crash")
        too_large = await client.post("/parcels", content=b"x" * 1_048_577)

        assert (crash.status_code, too_large.status_code) == (500, 413)
        for headers in (crash.headers, too_large.headers):
            assert headers["access-control-allow-origin"] == ORIGIN
            assert "access-control-allow-credentials" not in headers
            assert "Origin" in headers["vary"]
        assert "X-Request-ID" in crash.headers["access-control-expose-headers"]

    async def test_other_origin_may_not_read_response(self, client: AsyncClient) -> None:
        headers = {"Origin": "https://good.example.evil.example"}

        response = await client.get(HEALTH_URL, headers=headers)

        assert not [name for name in response.headers if name.startswith("access-control-allow")]
        assert "Origin" in response.headers["vary"]


class TestPreflight:
    async def test_allowed_origin_is_accepted(self, client: AsyncClient) -> None:
        headers = PREFLIGHT | {"Access-Control-Request-Headers": "authorization"}

        response = await client.options("/parcels", headers=headers)

        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in response.headers["access-control-allow-methods"]
        assert int(response.headers["access-control-max-age"]) <= 7200
        assert response.headers["x-content-type-options"] == "nosniff"

    async def test_other_origin_or_header_returns_400(self, client: AsyncClient) -> None:
        for name, value in {
            "Origin": "https://evil.example",
            "Access-Control-Request-Headers": "x-evil",
        }.items():
            response = await client.options(HEALTH_URL, headers=PREFLIGHT | {name: value})

            assert response.status_code == 400
            assert response.json()["request_id"] == response.headers["x-request-id"]

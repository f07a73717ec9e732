"""Tests of error responses."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, HTTPException
from httpx2 import AsyncClient

from app.main import create_app
from app.settings import Settings
from tests.clients import connect
from tests.logs import LogLines
from tests.problems import check_problem
from tests.routes import router

PARCELS_URL = "/parcels"
JSON = {"Content-Type": "application/json"}
TOO_LONG = 1_048_577


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    app = create_app(settings)
    app.include_router(router)
    return app


class TestRouting:
    async def test_unknown_path_returns_404(self, client: AsyncClient) -> None:
        check_problem(await client.get("/nowhere"), 404, "NOT_FOUND")

    async def test_other_method_returns_405_with_allow(self, client: AsyncClient) -> None:
        response = await client.put("/api/v1/health")

        check_problem(response, 405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"] == "GET, HEAD"
        head = await client.head(PARCELS_URL)
        assert (head.status_code, head.headers["allow"]) == (405, "POST")


class TestInvalidRequest:
    async def test_invalid_field_is_named_and_not_repeated(self, client: AsyncClient) -> None:
        for body, errors in (
            ({"weight_grams": "canary"}, {"weight_grams": "int_type"}),
            ({"is_admin": "canary"}, {"weight_grams": "missing", "is_admin": "extra_forbidden"}),
        ):
            response = await client.post(PARCELS_URL, json=body)

            problem = check_problem(response, 422, "VALIDATION_ERROR")
            assert {error.loc[1]: error.type for error in problem.errors} == errors
            assert "canary" not in response.text

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"{", id="incomplete"),
            pytest.param(b'{"weight_grams": 1, "reference": "\\ud800"}', id="surrogate"),
        ],
    )
    async def test_invalid_json_returns_422(self, client: AsyncClient, body: bytes) -> None:
        response = await client.post(PARCELS_URL, content=body, headers=JSON)

        check_problem(response, 422, "VALIDATION_ERROR")

    async def test_number_of_errors_is_limited(self, client: AsyncClient) -> None:
        body = {f"unknown{number}": 1 for number in range(90)}

        response = await client.post(PARCELS_URL, json=body)

        assert len(check_problem(response, 422, "VALIDATION_ERROR").errors) == 20

    async def test_invalid_path_parameter_returns_422(self, client: AsyncClient) -> None:
        check_problem(await client.get("/parcels/canary"), 422, "VALIDATION_ERROR")

    async def test_body_over_limit_returns_413(self, client: AsyncClient) -> None:
        response = await client.post(PARCELS_URL, content=b"x" * TOO_LONG, headers=JSON)

        check_problem(response, 413, "PAYLOAD_TOO_LARGE")

    async def test_chunked_body_over_limit_is_not_read(self, client: AsyncClient) -> None:
        sent: list[bytes] = []

        async def send_chunks() -> AsyncIterator[bytes]:
            for _ in range(320):
                sent.append(b" " * 65536)
                yield sent[-1]

        response = await client.post(PARCELS_URL, content=send_chunks(), headers=JSON)

        check_problem(response, 413, "PAYLOAD_TOO_LARGE")
        assert len(b"".join(sent)) < 2 * TOO_LONG


class TestException:
    async def test_crash_returns_500_and_is_logged_once(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        response = await client.get("/crash")

        check_problem(response, 500, "INTERNAL_ERROR")
        assert "canary" not in response.text
        crash = [line for line in log_lines() if "exception" in line]
        assert [line["request_id"] for line in crash] == [response.headers["x-request-id"]]
        assert json.dumps(crash).count("Traceback") == 1

    async def test_crash_with_debug_returns_traceback(self, settings: Settings) -> None:
        app = create_app(settings.model_copy(update={"debug": True}))
        app.include_router(router)

        async with connect(app) as client:
            response = await client.get("/crash", headers={"Accept": "application/json"})

        problem = response.json()
        assert (response.status_code, problem["code"]) == (500, "INTERNAL_ERROR")
        assert problem["detail"].startswith("Traceback")
        assert "canary" in problem["detail"]

    async def test_client_error_is_logged_without_traceback(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        await client.get("/nowhere")
        await client.post(PARCELS_URL, content=b"{", headers=JSON)

        assert [line["event"] for line in log_lines()] == ["request", "request"]

    async def test_http_exception_below_400_is_no_problem(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        @app.get("/unchanged")
        async def raise_unchanged() -> None:
            raise HTTPException(304, headers={"ETag": '"1"'})

        response = await client.get("/unchanged")

        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == '"1"'

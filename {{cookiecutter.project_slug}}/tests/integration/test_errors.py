import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from httpx2 import AsyncClient, Response

from app.core.errors import Problem
from tests import problems
from tests.clients import MakeApp, connect
from tests.routes import router

PARCELS = "/parcels"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    app.include_router(router)
    return app


def check_problem(response: Response, status: int, code: str) -> Problem:
    assert "canary" not in response.text
    return problems.check_problem(response, status, code)


async def test_unknown_path(client: AsyncClient) -> None:
    check_problem(await client.get("/nowhere"), 404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "FOO"])
async def test_wrong_method_names_the_right_ones(client: AsyncClient, method: str) -> None:
    response = await client.request(method, "/api/v1/health")
    check_problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD"


async def test_head_of_a_post_only_path(client: AsyncClient) -> None:
    response = await client.head(PARCELS)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "body",
    [
        {"weight_grams": "canary"},
        {"weight_grams": True},
        {"weight_grams": 0},
        {"weight_grams": 2**63},
        {"weight_grams": 1, "reference": "canary\x00"},
        {"weight_grams": 1, "reference": "canary" * 50},
        {"weight_grams": 1, "is_admin": "canary"},
        {"reference": "canary"},
    ],
)
async def test_invalid_fields_are_named_and_not_echoed(
    client: AsyncClient, body: dict[str, Any]
) -> None:
    problem = check_problem(await client.post(PARCELS, json=body), 422, "VALIDATION_ERROR")
    assert problem.errors


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "",
        "[]",
        "null",
        '{"weight_grams": NaN}',
        '{"weight_grams": 1e999}',
        '{"weight_grams": -Infinity}',
        '{"weight_grams": "\\ud800"}',
        '{"weight_grams": 1, "reference": "\\ud800"}',
        '{"weight_grams": 1, "\\ud800": 1}',
        '{"weight_grams": ' + "9" * 5000 + "}",
        "[" * 60_000,
        '{"weight_grams": 1, "' + "k" * 10_000 + '": 1}',
        "\udcff",
    ],
)
async def test_hostile_bodies_are_the_clients_fault(client: AsyncClient, body: str) -> None:
    content = body.encode("utf-8", "surrogateescape")
    response = await client.post(PARCELS, content=content, headers=JSON)
    code = {400: "BAD_REQUEST", 422: "VALIDATION_ERROR"}[response.status_code]
    check_problem(response, response.status_code, code)
    assert len(response.content) < 2000


async def test_many_findings_are_cut(client: AsyncClient) -> None:
    body = {f"unknown{number}": 1 for number in range(90)}
    problem = check_problem(await client.post(PARCELS, json=body), 422, "VALIDATION_ERROR")
    assert len(problem.errors) == 20


async def test_the_path_is_validated(client: AsyncClient) -> None:
    response = await client.get("/parcels/canary")
    check_problem(response, 422, "VALIDATION_ERROR")


async def test_body_over_the_limit_declared(client: AsyncClient) -> None:
    response = await client.post(PARCELS, content=b"x" * 1_048_577, headers=JSON)
    check_problem(response, 413, "PAYLOAD_TOO_LARGE")


async def test_body_over_the_limit_in_chunks(client: AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(320):
            sent += 65536
            yield b" " * 65536

    response = await client.post(PARCELS, content=chunks(), headers=JSON)
    check_problem(response, 413, "PAYLOAD_TOO_LARGE")
    assert sent < 2**21


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
async def test_a_crash_is_generic_and_logged_once(
    client: AsyncClient, accept: str, log_lines: Any
) -> None:
    response = await client.get("/crash", headers={"Accept": accept})
    check_problem(response, 500, "INTERNAL_ERROR")
    crash = [line for line in log_lines() if "exception" in line]
    assert [line["request_id"] for line in crash] == [response.headers["x-request-id"]]
    assert json.dumps(crash).count("Traceback") == 1


async def test_crash_with_debug_returns_the_traceback(make_app: MakeApp) -> None:
    app = make_app(environment="local", debug=True)
    app.include_router(router)
    async with connect(app) as client:
        response = await client.get("/crash", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (500, "INTERNAL_ERROR")
    assert response.json()["detail"].startswith("Traceback")
    assert "canary" in response.json()["detail"]


async def test_no_traceback_below_500(client: AsyncClient, log_lines: Any) -> None:
    await client.get("/nowhere")
    await client.post(PARCELS, content=b"{", headers=JSON)
    assert [line["event"] for line in log_lines()] == ["request", "request"]


async def test_a_status_below_400_is_no_problem(make_app: Any) -> None:
    app: FastAPI = make_app()

    @app.get("/unchanged")
    async def say_unchanged() -> None:
        raise HTTPException(304, headers={"ETag": '"1"'})

    async with connect(app) as client:
        response = await client.get("/unchanged")
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"1"')

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from httpx2 import AsyncClient, Response

from app.core.errors import Problem
from tests import problems
from tests.clients import MakeApp
from tests.routes import router

PARCELS = "/parcels"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    app.include_router(router)
    return app


def check_problem(answer: Response, status: int, code: str) -> Problem:
    assert "canary" not in answer.text
    return problems.check_problem(answer, status, code)


async def test_unknown_path(client: AsyncClient) -> None:
    check_problem(await client.get("/nowhere"), 404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "FOO"])
async def test_wrong_method_names_the_right_ones(client: AsyncClient, method: str) -> None:
    answer = await client.request(method, "/api/v1/health")
    check_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_head_of_a_post_only_path(client: AsyncClient) -> None:
    answer = await client.head(PARCELS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


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
        "[" * 100_000,
        '{"weight_grams": 1, "' + "k" * 10_000 + '": 1}',
        "\udcff",
    ],
)
async def test_hostile_bodies_are_the_clients_fault(client: AsyncClient, body: str) -> None:
    content = body.encode("utf-8", "surrogateescape")
    answer = await client.post(PARCELS, content=content, headers=JSON)
    code = {400: "BAD_REQUEST", 422: "VALIDATION_ERROR"}[answer.status_code]
    check_problem(answer, answer.status_code, code)
    assert len(answer.content) < 2000


async def test_many_findings_are_cut(client: AsyncClient) -> None:
    body = {f"unknown{number}": 1 for number in range(90)}
    problem = check_problem(await client.post(PARCELS, json=body), 422, "VALIDATION_ERROR")
    assert len(problem.errors) == 20


async def test_the_path_is_validated(client: AsyncClient) -> None:
    answer = await client.get("/parcels/canary")
    check_problem(answer, 422, "VALIDATION_ERROR")


async def test_body_over_the_limit_declared(client: AsyncClient) -> None:
    answer = await client.post(PARCELS, content=b"x" * 1_048_577, headers=JSON)
    check_problem(answer, 413, "PAYLOAD_TOO_LARGE")


async def test_body_over_the_limit_in_chunks(client: AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(320):
            sent += 65536
            yield b" " * 65536

    answer = await client.post(PARCELS, content=chunks(), headers=JSON)
    check_problem(answer, 413, "PAYLOAD_TOO_LARGE")
    assert sent < 2**21


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
async def test_a_crash_is_generic_and_logged_once(
    client: AsyncClient, accept: str, log_lines: Any
) -> None:
    answer = await client.get("/crash", headers={"Accept": accept})
    check_problem(answer, 500, "INTERNAL_ERROR")
    crash = [line for line in log_lines() if "exception" in line]
    assert [line["request_id"] for line in crash] == [answer.headers["x-request-id"]]
    assert json.dumps(crash).count("Traceback") == 1


async def test_no_traceback_below_500(client: AsyncClient, log_lines: Any) -> None:
    await client.get("/nowhere")
    await client.post(PARCELS, content=b"{", headers=JSON)
    assert [line["event"] for line in log_lines()] == ["request", "request"]


async def test_a_status_below_400_is_no_problem(make_app: Any, connect: Any) -> None:
    app: FastAPI = make_app()

    @app.get("/unchanged")
    async def say_unchanged() -> None:
        raise HTTPException(304, headers={"ETag": '"1"'})

    async with connect(app) as client:
        answer = await client.get("/unchanged")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')

"""Tests of the access log."""

import asyncio

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from tests.clients import MakeApp
from tests.logs import LogLines
from tests.routes import router


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    app = make_app()
    app.include_router(router)
    return app


class TestAccessLog:
    async def test_request_is_one_record(self, client: AsyncClient, log_lines: LogLines) -> None:
        await client.get("/user?token=canary", headers={"Authorization": "Bearer canary"})

        (record,) = log_lines()
        assert record.pop("duration_ms") >= 0
        assert len(record.pop("request_id")) == 36
        assert record.pop("timestamp").endswith("Z")
        assert record == {
            "event": "request",
            "level": "info",
            "logger": "app.access",
            "method": "GET",
            "path": "/user",
            "status": 200,
            "client_ip": "203.0.113.7",
            "user_id": "u1",
        }

    async def test_fields_of_one_request_are_not_in_the_next(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        await client.get("/user")
        await client.get("/nowhere")

        assert ["user_id" in line for line in log_lines()] == [True, False]

    async def test_path_with_control_characters_is_one_line(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        await client.get("/%0d%0a%1b%5b1m%e2%80%a8%c2%85")

        assert len(log_lines()) == 1

    async def test_concurrent_requests_keep_their_ids(
        self, client: AsyncClient, log_lines: LogLines
    ) -> None:
        ids = [f"request-{number}" for number in range(50)]

        responses = await asyncio.gather(
            *(client.get("/nowhere", headers={"X-Request-ID": name}) for name in ids)
        )

        assert [response.json()["request_id"] for response in responses] == ids
        assert sorted(line["request_id"] for line in log_lines()) == sorted(ids)

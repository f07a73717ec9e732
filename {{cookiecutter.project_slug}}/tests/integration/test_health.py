"""Tests of the probes."""

import asyncio

import pytest
from fastapi import FastAPI

from app.core import health
from app.core.health import add_readiness_check
from tests.clients import connect
from tests.logs import LogLines


async def succeed() -> None:
    return None


async def fail() -> None:
    raise ConnectionError("canary.internal:5432 refused")


async def cancel() -> None:
    raise asyncio.CancelledError


async def hang() -> None:
    await asyncio.sleep(60)


CHECKS = {"good": succeed, "bad": fail, "cancelled": cancel, "slow": hang}


class TestHealth:
    async def test_runs_no_check_and_is_not_logged(self, app: FastAPI, log_lines: LogLines) -> None:
        add_readiness_check(app, "database", fail)

        async with connect(app) as client:
            response = await client.get("/api/v1/health")

        assert (response.status_code, response.json()["status"]) == (200, "ok")
        assert "/api/v1/health" not in [line.get("path") for line in log_lines()]


class TestReady:
    async def test_passing_checks_return_200(self, app: FastAPI) -> None:
        add_readiness_check(app, "queue", succeed)

        async with connect(app) as client:
            response = await client.get("/api/v1/ready")

        assert response.status_code == 200
        assert set(response.json()["checks"].values()) == {"ok"}
        assert "queue" in response.json()["checks"]

    async def test_failing_checks_return_503_with_their_names(
        self, app: FastAPI, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 0.1)

        async with connect(app) as client:
            # Without the checks of dependencies, which may need longer than the short timeout.
            app.state.readiness_checks = CHECKS
            response = await client.get("/api/v1/ready")

        assert (response.status_code, response.json()["code"]) == (503, "NOT_READY")
        expected = {"good": "ok", "bad": "fail", "cancelled": "fail", "slow": "fail"}
        assert response.json()["checks"] == expected
        assert response.headers["retry-after"].isdigit()
        assert "canary" not in response.text
        failed = {line["check"] for line in log_lines() if line["event"] == "not_ready"}
        assert failed == {"bad", "cancelled", "slow"}
        assert (log_lines()[-1]["path"], log_lines()[-1]["status"]) == ("/api/v1/ready", 503)

import uuid
from typing import Any

import pytest
from fastapi import FastAPI
from limits import RateLimitItemPerHour

from app.core.errors import RateLimitedError
from app.core.rate_limit import RateLimiter, RateLimiterDep
from tests.routes import router

REDIS = "redis://127.0.0.1:6379/15"


async def test_a_client_over_the_general_limit(make_app: Any, connect: Any) -> None:
    app: FastAPI = make_app(rate_limit_per_minute=2)
    app.include_router(router)
    async with connect(app) as client:
        answers = [
            await client.get("/text", headers={"Origin": "https://good.example"}) for _ in range(3)
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        refused = answers[-1]
        assert refused.json()["code"] == "RATE_LIMITED"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["access-control-allow-origin"] == "https://good.example"
        assert (await client.get("/api/v1/health")).status_code == 200


async def test_there_is_no_limit_unless_said(make_app: Any, connect: Any) -> None:
    async with connect(make_app()) as client:
        assert {(await client.get("/nowhere")).status_code for _ in range(50)} == {404}


async def test_a_route_may_limit_by_its_own_key(make_app: Any, connect: Any) -> None:
    app: FastAPI = make_app()

    @app.post("/login/{name}")
    async def login(name: str, limiter: RateLimiterDep) -> None:
        await limiter.hit(f"login:{name}", RateLimitItemPerHour(1))

    async with connect(app) as client:
        answers = [await client.post(f"/login/{name}") for name in "aab"]
    assert [answer.status_code for answer in answers] == [200, 429, 200]


async def test_processes_share_their_counts_in_redis() -> None:
    first, second, other = (RateLimiter(name, REDIS) for name in ("one", "one", "two"))
    key, limit = uuid.uuid4().hex, RateLimitItemPerHour(1)
    try:
        await first.hit(key, limit)
        if first.paused_until:
            pytest.skip("no Redis on this machine")
        with pytest.raises(RateLimitedError):
            await second.hit(key, limit)
        await other.hit(key, limit)
        await first.shared.clear(limit, key)
    finally:
        await first.aclose()
        await second.aclose()
        await other.aclose()

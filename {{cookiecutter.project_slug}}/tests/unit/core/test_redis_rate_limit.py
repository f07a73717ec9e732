import asyncio
import socket
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from limits import RateLimitItemPerMinute

from app.core import redis_rate_limit
from app.core.errors import RateLimitedError
from app.core.rate_limit import RateLimiter
from app.core.redis_rate_limit import RedisRateLimiter, RedisSettings, open_rate_limiter

LogLines = Callable[[], list[dict[str, Any]]]

NO_REDIS = RedisSettings.model_validate({"redis_url": "redis://127.0.0.1:1/0"})
REDIS = RedisSettings.model_validate({"redis_url": "redis://127.0.0.1:6379/15"})
ONE = RateLimitItemPerMinute(1)


async def test_unavailable_redis_counts_in_memory_and_warns_once(log_lines: LogLines) -> None:
    async with open_rate_limiter(NO_REDIS) as limiter:
        await limiter.hit("a", ONE)
        with pytest.raises(RateLimitedError):
            await limiter.hit("a", ONE)

    assert [line["event"] for line in log_lines()] == ["rate_limit_without_redis"]


async def test_redis_is_used_again_after_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_rate_limit, "PAUSE_SECONDS", 0)
    async with open_rate_limiter(NO_REDIS) as limiter:
        assert isinstance(limiter, RedisRateLimiter)
        await limiter.hit("a", ONE)
        limiter.shared = RateLimiter().local

        await limiter.hit("a", ONE)


async def test_unresponsive_redis_delays_requests_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        settings = RedisSettings.model_validate({"redis_url": url})
        async with asyncio.timeout(1.5), open_rate_limiter(settings) as limiter:
            for _ in range(10):
                await limiter.hit("a", RateLimitItemPerMinute(10))


async def test_processes_share_counts_in_redis() -> None:
    key = uuid.uuid4().hex
    async with open_rate_limiter(REDIS) as first, open_rate_limiter(REDIS) as second:
        assert isinstance(first, RedisRateLimiter)
        await first.hit(key, ONE)
        if first.paused_until:
            pytest.skip("no Redis on this machine")

        with pytest.raises(RateLimitedError):
            await second.hit(key, ONE)

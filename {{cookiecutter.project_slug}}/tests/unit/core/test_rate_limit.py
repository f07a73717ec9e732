import asyncio
import math
import socket
import uuid
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from limits import RateLimitItemPerMinute

from app.core import rate_limit
from app.core.rate_limit import RateLimitedError, RateLimiter, RateLimitSettings

LogLines = Callable[[], list[dict[str, Any]]]

NO_REDIS = RateLimitSettings.model_validate({"redis_url": "redis://127.0.0.1:1/0"})
REDIS = RateLimitSettings.model_validate({"redis_url": "redis://127.0.0.1:6379/15"})
IN_MEMORY = RateLimitSettings.model_validate({})
ONE = RateLimitItemPerMinute(1)


async def test_hit_over_limit_raises_error_until_hits_are_released() -> None:
    limiter, limit = RateLimiter(IN_MEMORY), RateLimitItemPerMinute(2)
    limiter.shared = RateLimiter(IN_MEMORY).local  # stands for Redis
    counter, _ = await limiter.count("login:a", limit)
    await limiter.hit("login:a", limit)

    with pytest.raises(RateLimitedError) as raised:
        await limiter.hit("login:a", limit)

    assert raised.value.headers is not None
    assert 1 <= int(raised.value.headers["Retry-After"]) <= 60
    await limiter.hit("login:b", limit)
    limiter.paused_until = math.inf
    for _ in range(2):
        await limiter.release("login:a", limit, counter)
    limiter.paused_until = 0
    await limiter.hit("login:a", limit)


async def test_unavailable_redis_counts_in_memory_and_warns_once(log_lines: LogLines) -> None:
    async with aclosing(RateLimiter(NO_REDIS)) as limiter:
        limit = RateLimitItemPerMinute(3)
        await asyncio.gather(*(limiter.hit("a", limit) for _ in range(3)))
        with pytest.raises(RateLimitedError):
            await limiter.hit("a", limit)

    assert [line["event"] for line in log_lines()] == ["rate_limit_without_redis"]


async def test_redis_is_used_again_after_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "PAUSE_SECONDS", 0)
    async with aclosing(RateLimiter(NO_REDIS)) as limiter:
        await limiter.hit("a", ONE)
        limiter.shared = RateLimiter(IN_MEMORY).local

        await limiter.hit("a", ONE)


async def test_unresponsive_redis_delays_requests_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        settings = RateLimitSettings.model_validate({"redis_url": url})
        async with asyncio.timeout(1.5), aclosing(RateLimiter(settings)) as limiter:
            for _ in range(10):
                await limiter.hit("a", RateLimitItemPerMinute(10))


async def test_processes_share_counts_in_redis() -> None:
    key = uuid.uuid4().hex
    async with aclosing(RateLimiter(REDIS)) as first, aclosing(RateLimiter(REDIS)) as second:
        await first.hit(key, ONE)
        if first.paused_until:
            pytest.skip("no Redis on this machine")

        with pytest.raises(RateLimitedError):
            await second.hit(key, ONE)

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from limits import RateLimitItemPerMinute

from app.core import rate_limit
from app.core.errors import RateLimitedError
from app.core.rate_limit import RateLimiter

NO_REDIS = "redis://127.0.0.1:1/0"


async def test_the_hit_over_the_limit_is_refused_by_key() -> None:
    limiter, limit = RateLimiter("test"), RateLimitItemPerMinute(2)
    await limiter.hit("login:a", limit)
    await limiter.hit("login:a", limit)
    with pytest.raises(RateLimitedError) as refusal:
        await limiter.hit("login:a", limit)
    assert refusal.value.headers is not None
    assert 1 <= int(refusal.value.headers["Retry-After"]) <= 60
    await limiter.hit("login:b", limit)


async def test_without_redis_each_process_counts_and_warns_once(
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    limiter, limit = RateLimiter("test", NO_REDIS), RateLimitItemPerMinute(1)
    await limiter.hit("a", limit)
    with pytest.raises(RateLimitedError):
        await limiter.hit("a", limit)
    await limiter.aclose()
    assert [line["event"] for line in log_lines()] == ["rate_limit_without_redis"]


async def test_redis_is_tried_again_after_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "REDIS_PAUSE_SECONDS", 0)
    limiter = RateLimiter("test", NO_REDIS)
    await limiter.hit("a", RateLimitItemPerMinute(1))
    limiter.shared = RateLimiter("test").shared
    await limiter.hit("a", RateLimitItemPerMinute(1))
    await limiter.aclose()


async def test_a_redis_that_hangs_costs_half_a_second_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limiter = RateLimiter("test", f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        async with asyncio.timeout(1.5):
            for _ in range(10):
                await limiter.hit("a", RateLimitItemPerMinute(10))
        assert limiter.paused_until
        await limiter.aclose()

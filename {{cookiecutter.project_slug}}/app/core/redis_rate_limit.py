"""Rate limits that all processes share through Redis.

While Redis does not respond, each process counts on its own: the service stays available and
limited, only less exactly. A warning is logged every 30 seconds.
"""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from pydantic import RedisDsn, Secret
from redis.asyncio import ConnectionPool
from structlog import get_logger

from app.core.rate_limit import RateLimiter
from app.core.settings import DISTRIBUTION, PLACEHOLDER, CoreSettings

TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 30

log = get_logger("app.rate_limit")


class RedisSettings(CoreSettings):
    """Settings of shared rate limits."""

    redis_url: Secret[RedisDsn] | None = None
    """Redis, in which processes share their rate limits: redis://:password@localhost:6379/0."""

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        if self.redis_url and PLACEHOLDER.search(str(self.redis_url.get_secret_value())):
            yield "REDIS_URL: contains a placeholder"


class RedisRateLimiter(RateLimiter):
    """Counts hits in Redis, under keys that begin with the name of the service."""

    def __init__(self, pool: ConnectionPool, url: str, service: str = DISTRIBUTION) -> None:
        super().__init__()
        self.paused_until = 0.0
        options: dict[str, Any] = {"implementation": "redispy", "connection_pool": pool}
        self.shared = FixedWindowRateLimiter(
            RedisStorage(f"async+{url}", wrap_exceptions=True, key_prefix=service, **options)
        )

    async def run(self, operation: str, *args: Any, **options: int) -> Any:  # noqa: ANN401
        """Call an operation in Redis, or in memory while Redis is unavailable."""
        if time.monotonic() >= self.paused_until:
            try:
                return await getattr(self.shared, operation)(*args, **options)
            except StorageError as error:
                self.paused_until = time.monotonic() + PAUSE_SECONDS
                cause = type(error.storage_error).__name__
                log.warning("rate_limit_without_redis", error=cause)
        return await super().run(operation, *args, **options)


@asynccontextmanager
async def open_rate_limiter(settings: RedisSettings) -> AsyncGenerator[RateLimiter]:
    """Yield the rate limiter, which counts in memory if `REDIS_URL` is not set."""
    if settings.redis_url is None:
        yield RateLimiter()
        return
    url = str(settings.redis_url.get_secret_value())
    pool = ConnectionPool.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
    try:
        yield RedisRateLimiter(pool, url)
    finally:
        await pool.aclose()

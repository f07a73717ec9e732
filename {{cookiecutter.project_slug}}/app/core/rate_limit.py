"""Rate limits: one for all requests of a client, and a piece to limit anything else.

Counts live in Redis when there is `REDIS_URL`, else in each process. While Redis does not answer,
each process counts for itself: the service stays up and stays guarded, only less exactly, and one
warning every 30 seconds says so.
"""

import math
import time
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Never

from fastapi import Depends, Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog import get_logger

from app.core.errors import RateLimitedError
from app.core.health import is_probe

REDIS_TIMEOUT = 0.5  # seconds
REDIS_PAUSE_SECONDS = 30


def get_client_network(request: Request) -> str:
    """Return the client's IPv4 address, or the /64 network of its IPv6 address.

    A host with IPv6 can use any address of its /64 network.
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


class RateLimiter:
    """Counts hits by key, in Redis if it has a URL and Redis answers, under the service's name."""

    def __init__(self, service: str, redis_url: str | None = None) -> None:
        self.local = self.shared = FixedWindowRateLimiter(MemoryStorage())
        self.paused_until = 0.0
        self.pool: ConnectionPool | None = None
        if redis_url:
            self.pool = ConnectionPool.from_url(
                redis_url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
            )
            options: dict[str, Any] = {"implementation": "redispy", "connection_pool": self.pool}
            storage = RedisStorage(
                f"async+{redis_url}", wrap_exceptions=True, key_prefix=service, **options
            )
            self.shared = FixedWindowRateLimiter(storage)

    async def hit(self, key: str, limit: RateLimitItem) -> None:
        """Count one hit of `key`; RateLimitedError with the seconds to wait if over `limit`."""
        if not await self._do("hit", limit, key):
            await self._refuse(limit, key)

    # {% if cookiecutter.auth == "jwt" %}
    async def release(self, key: str, limit: RateLimitItem) -> None:
        """Take back one hit of `key`."""
        await self._do("hit", limit, key, cost=-1)

    async def clear(self, key: str, limit: RateLimitItem) -> None:
        """Forget the hits of `key`."""
        await self._do("clear", limit, key)

    # {% endif %}
    async def _refuse(self, limit: RateLimitItem, key: str) -> Never:
        window = await self._do("get_window_stats", limit, key)
        raise RateLimitedError(max(1, math.ceil(window.reset_time - time.time())))

    async def _do(self, operation: str, limit: RateLimitItem, key: str, **options: int) -> Any:  # noqa: ANN401
        if time.monotonic() >= self.paused_until:
            try:
                return await getattr(self.shared, operation)(limit, key, **options)
            except StorageError as error:
                self.paused_until = time.monotonic() + REDIS_PAUSE_SECONDS
                cause = type(error.storage_error).__name__
                get_logger("app.rate_limit").warning("rate_limit_without_redis", error=cause)
        return await getattr(self.local, operation)(limit, key, **options)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self.pool:
            await self.pool.aclose()


async def get_rate_limiter(request: Request) -> RateLimiter:
    """Return the application's rate limiter."""
    limiter: RateLimiter = request.app.state.rate_limiter
    return limiter


RateLimiterDep = Annotated[RateLimiter, Depends(get_rate_limiter)]


class RateLimitMiddleware:
    """Limits the requests of each client address, except probes."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self.app = app
        self.limit = RateLimitItemPerMinute(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request.

        Raises:
            RateLimitedError: The client is over the limit.
        """
        if scope["type"] != "lifespan" and not is_probe(scope):
            client_ip = scope["client"][0] if scope["client"] else None
            await scope["app"].state.rate_limiter.hit(f"client:{client_ip}", self.limit)
        await self.app(scope, receive, send)

"""Rate limits, counted in Redis, or in the memory of the process if `REDIS_URL` is not set.

While Redis does not respond, each process counts on its own: the service stays available and
limited, only less exactly. A warning is logged every 30 seconds.
"""

import math
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from pydantic import NonNegativeInt, RedisDsn, Secret
from redis.asyncio import BlockingConnectionPool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog import get_logger

from app.core.errors import AppError, handle_app_error
from app.core.health import is_probe
from app.core.settings import PLACEHOLDER, SERVICE_NAME, CoreSettings

TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 20
PAUSE_SECONDS = 30

log = get_logger("app.rate_limit")


class RateLimitSettings(CoreSettings):
    """Settings of rate limits."""

    rate_limit_per_minute: NonNegativeInt = 0
    """Requests per minute and client address; 0 is unlimited."""
    redis_url: Secret[RedisDsn] | None = None
    """Redis, in which processes share their rate limits: redis://:password@localhost:6379/0."""

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        if self.redis_url and PLACEHOLDER.search(str(self.redis_url.get_secret_value())):
            yield "REDIS_URL: contains a placeholder"


class RateLimitedError(AppError):
    """There were too many requests (RFC 6585 section 4)."""

    status_code, code = 429, "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        """Create the error; `retry_after` is in seconds."""
        super().__init__("Too many requests.")
        self.headers = {"Retry-After": str(retry_after)}


class RateLimiter:
    """Counts hits of a key within a time window.

    Keys in Redis begin with the name of the service.
    """

    def __init__(self, settings: RateLimitSettings) -> None:
        self.local = self.shared = FixedWindowRateLimiter(MemoryStorage())
        self.pool: BlockingConnectionPool | None = None
        self.paused_until = 0.0
        if settings.redis_url:
            url = str(settings.redis_url.get_secret_value())
            # Requests wait for a free connection; the other pool would raise an error.
            self.pool = BlockingConnectionPool.from_url(
                url,
                max_connections=MAX_CONNECTIONS,
                timeout=TIMEOUT_SECONDS,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
            )
            options: dict[str, Any] = {"implementation": "redispy", "connection_pool": self.pool}
            storage = RedisStorage(
                f"async+{url}", wrap_exceptions=True, key_prefix=SERVICE_NAME, **options
            )
            self.shared = FixedWindowRateLimiter(storage)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self.pool:
            await self.pool.aclose()

    async def hit(self, key: str, limit: RateLimitItem) -> None:
        """Count one hit.

        Raises:
            RateLimitedError: The key is over the limit.
        """
        _, error = await self.count(key, limit)
        if error:
            raise error

    async def count(
        self, key: str, limit: RateLimitItem
    ) -> tuple[FixedWindowRateLimiter, RateLimitedError | None]:
        """Count one hit, which `release` can take back.

        Returns:
            The counter that holds the hit, and the error if the key is over the limit.
        """
        counter, is_within_limit = await self.run("hit", limit, key)
        if is_within_limit:
            return counter, None
        _, window = await self.run("get_window_stats", limit, key)
        return counter, RateLimitedError(max(1, math.ceil(window.reset_time - time.time())))

    async def release(
        self, key: str, limit: RateLimitItem, counter: FixedWindowRateLimiter
    ) -> None:
        """Take a hit back from the counter that holds it, if that is available."""
        with suppress(StorageError):
            await counter.hit(limit, key, cost=-1)

    async def run(self, operation: str, *args: Any) -> tuple[FixedWindowRateLimiter, Any]:  # noqa: ANN401
        """Call an operation of the counter in Redis, or in memory while Redis is unavailable.

        Returns:
            The counter and the result.
        """
        if time.monotonic() >= self.paused_until:
            try:
                return self.shared, await getattr(self.shared, operation)(*args)
            except StorageError as error:
                if time.monotonic() >= self.paused_until:  # the first of concurrent errors
                    cause = type(error.storage_error).__name__
                    log.warning("rate_limit_without_redis", error=cause)
                self.paused_until = time.monotonic() + PAUSE_SECONDS
        return self.local, await getattr(self.local, operation)(*args)


@asynccontextmanager
async def open_rate_limiter(app: FastAPI) -> AsyncGenerator[None]:
    """Open the rate limiter of the application at startup and close it at shutdown."""
    async with aclosing(RateLimiter(app.state.settings)) as app.state.rate_limiter:
        yield


async def get_rate_limiter(request: Request) -> RateLimiter:
    """Return the rate limiter of the application."""
    limiter: RateLimiter = request.app.state.rate_limiter
    return limiter


RateLimiterDep = Annotated[RateLimiter, Depends(get_rate_limiter)]


def get_client_network(connection: HTTPConnection) -> str:
    """Return the client's IPv4 address, or the /64 network of its IPv6 address.

    A host with IPv6 can use any address of its /64 network.
    """
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


class RateLimitMiddleware:
    """Limits the requests of each client address, except probes."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self.app = app
        self.limit = RateLimitItemPerMinute(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or respond with 429 if the client is over the limit."""
        if scope["type"] == "lifespan" or is_probe(scope):
            return await self.app(scope, receive, send)
        connection = HTTPConnection(scope)
        try:
            key = f"client:{get_client_network(connection)}"
            await scope["app"].state.rate_limiter.hit(key, self.limit)
        except RateLimitedError as error:
            response = await handle_app_error(connection, error)
            return await response(scope, receive, send)
        return await self.app(scope, receive, send)

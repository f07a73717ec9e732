"""Rate limits, counted in the memory of the process."""

import math
import time
# {% if cookiecutter.auth == "none" %}
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
# {% endif %}
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

from fastapi import Depends, Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import RateLimitedError
from app.core.health import is_probe
# {% if cookiecutter.auth == "none" %}
from app.core.settings import CoreSettings
# {% endif %}


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


class RateLimiter:
    """Counts hits of a key within a time window."""

    def __init__(self) -> None:
        self.local = FixedWindowRateLimiter(MemoryStorage())

    async def hit(self, key: str, limit: RateLimitItem) -> None:
        """Count one hit.

        Raises:
            RateLimitedError: The key is over the limit.
        """
        if not await self.run("hit", limit, key):
            await self.reject(key, limit)

    # {% if cookiecutter.auth == "jwt" %}
    async def release(self, key: str, limit: RateLimitItem) -> None:
        """Take one hit back."""
        await self.run("hit", limit, key, cost=-1)

    async def clear(self, key: str, limit: RateLimitItem) -> None:
        """Forget the hits of a key."""
        await self.run("clear", limit, key)

    # {% endif %}
    async def reject(self, key: str, limit: RateLimitItem) -> None:
        """Raise RateLimitedError with the seconds until the window ends."""
        window = await self.run("get_window_stats", limit, key)
        raise RateLimitedError(max(1, math.ceil(window.reset_time - time.time())))

    async def run(self, operation: str, *args: Any, **options: int) -> Any:  # noqa: ANN401
        """Call an operation of the strategy."""
        return await getattr(self.local, operation)(*args, **options)


# {% if cookiecutter.auth == "none" %}
@asynccontextmanager
async def open_rate_limiter(_settings: CoreSettings) -> AsyncGenerator[RateLimiter]:
    """Yield the rate limiter."""
    yield RateLimiter()


# {% endif %}
async def get_rate_limiter(request: Request) -> RateLimiter:
    """Return the rate limiter of the application."""
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
            key = f"client:{get_client_network(HTTPConnection(scope))}"
            await scope["app"].state.rate_limiter.hit(key, self.limit)
        await self.app(scope, receive, send)

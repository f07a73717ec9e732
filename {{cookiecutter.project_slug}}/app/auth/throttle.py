"""Limits on guessing passwords and tokens, by account and client (NIST SP 800-63B-4 3.2.2).

Redis shares the counts. While it is unavailable, each process counts for itself: the limits become
looser by the number of processes, but no route is unprotected or closed.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute
from starlette.requests import ClientDisconnect
from structlog import get_logger

from app.auth.accounts import InvalidCredentialsError
from app.auth.token_settings import AuthSettings
from app.auth.tokens import InvalidTokenError
from app.core.errors import BusinessRuleError, RateLimitedError
from app.core.rate_limit import RateLimiter, RateLimiterDep

WINDOW_MINUTES = 15
# A client that does not wait for the response must not get its attempt back.
FAILURES = (InvalidCredentialsError, InvalidTokenError, BusinessRuleError, ClientDisconnect)

log = get_logger("app.auth")


class LoginThrottle:
    """Limits the attempts of one client."""

    def __init__(self, limiter: RateLimiter, client: str, settings: AuthSettings) -> None:
        self.limiter = limiter
        self.client = client
        self.per_client = RateLimitItemPerMinute(settings.auth_failures_per_client, WINDOW_MINUTES)
        self.per_account = RateLimitItemPerMinute(
            settings.login_attempts_per_account, WINDOW_MINUTES
        )

    async def count_sign_up(self) -> None:
        """Count a sign-up: its response reveals whether an address has an account.

        Raises:
            RateLimitedError: The client is over its limit.
        """
        await self._reserve(f"auth:client:{self.client}:sign-up", self.per_client)

    @asynccontextmanager
    async def limit_failures(self) -> AsyncGenerator[None]:
        """Count an attempt of the client if it fails.

        Raises:
            RateLimitedError: The client is over its limit.
        """
        async with self._attempt(f"auth:client:{self.client}", self.per_client):
            yield

    @asynccontextmanager
    async def limit_guesses(self, email: str) -> AsyncGenerator[None]:
        """Count an attempt of the client if it fails, and of the account until one succeeds.

        Raises:
            RateLimitedError: The client or the account is over its limit.
        """
        # The user name may be any text, also one that cannot be encoded.
        name = sha256(email.encode(errors="backslashreplace")).hexdigest()
        account = f"auth:account:{name}"
        async with self.limit_failures(), self._attempt(account, self.per_account):
            yield
        await self.limiter.clear(account, self.per_account)

    @asynccontextmanager
    async def _attempt(self, key: str, limit: RateLimitItemPerMinute) -> AsyncGenerator[None]:
        # Reserve the attempt first: guesses that arrive together must not all pass the check.
        await self._reserve(key, limit)
        has_failed = False
        try:
            yield
        except FAILURES:
            has_failed = True
            raise
        finally:
            if not has_failed:
                await self.limiter.release(key, limit)

    async def _reserve(self, key: str, limit: RateLimitItemPerMinute) -> None:
        try:
            await self.limiter.hit(key, limit)
        except RateLimitedError:
            await self.limiter.release(key, limit)
            log.warning("rate_limit_exceeded", limit=key.split(":")[1], client=self.client)
            raise


def get_network(host: str) -> str:
    """Return the address, or the /64 network of an IPv6 address, which one customer owns."""
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket has no address
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return address.exploded[:19]


async def get_throttle(request: Request, limiter: RateLimiterDep) -> LoginThrottle:
    """Return the throttle of the client."""
    client = get_network(request.client.host if request.client else "")
    return LoginThrottle(limiter, client, request.app.state.settings)


LoginThrottleDep = Annotated[LoginThrottle, Depends(get_throttle)]

"""Limits on guessing passwords and tokens, by account and client (NIST SP 800-63B-4 3.2.2).

Redis shares the counts. While it is unavailable, each process counts for itself: the limits become
looser by the number of processes, but no route is unprotected or closed.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from structlog import get_logger

from app.auth.passwords import InvalidCredentialsError
from app.auth.settings import AuthSettings
from app.auth.tokens import InvalidTokenError
from app.core.errors import BusinessRuleError
from app.core.rate_limit import RateLimiter, RateLimiterDep, get_client_network

WINDOW_MINUTES = 15
FAILURES = (InvalidCredentialsError, InvalidTokenError, BusinessRuleError)


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

    def limit_failures(self) -> AbstractAsyncContextManager[None]:
        """Count an attempt of the client if it fails.

        Raises:
            RateLimitedError: The client is over its limit.
        """
        return self._attempt(f"auth:client:{self.client}", self.per_client)

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
        await self.limiter.run("clear", self.per_account, account)

    @asynccontextmanager
    async def _attempt(self, key: str, limit: RateLimitItemPerMinute) -> AsyncGenerator[None]:
        # Reserve the attempt first: guesses that arrive together must not all pass the check.
        counter = await self._reserve(key, limit)
        try:
            yield
        except FAILURES:
            raise
        except BaseException:
            await self.limiter.release(key, limit, counter)
            raise
        await self.limiter.release(key, limit, counter)

    async def _reserve(self, key: str, limit: RateLimitItemPerMinute) -> FixedWindowRateLimiter:
        counter, error = await self.limiter.count(key, limit)
        if error:
            await self.limiter.release(key, limit, counter)
            name = key.split(":")[1]
            get_logger("app.auth").warning("rate_limit_exceeded", limit=name, client=self.client)
            raise error
        return counter


async def get_throttle(request: Request, limiter: RateLimiterDep) -> LoginThrottle:
    """Return the throttle of the client."""
    return LoginThrottle(limiter, get_client_network(request), request.app.state.settings)


LoginThrottleDep = Annotated[LoginThrottle, Depends(get_throttle)]

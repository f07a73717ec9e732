"""Limits against guessing, by account and by client (NIST SP 800-63B-4 section 3.2.2).

Counts are shared through Redis. While that is away each process counts for itself: the limits get
looser by the number of processes, but no route is ever unguarded or closed.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute

from app.auth.accounts import InvalidCredentialsError
from app.auth.token_settings import AuthSettings
from app.core.errors import AppError, BusinessRuleError
from app.core.rate_limit import RateLimiter, RateLimiterDep

WINDOW_MINUTES = 15


class LoginThrottle:
    """Counts the attempts of one client."""

    def __init__(self, limiter: RateLimiter, client: str, settings: AuthSettings) -> None:
        self.limiter = limiter
        self.client = f"auth:client:{client}"
        self.per_client, self.per_account, self.refreshes = (
            RateLimitItemPerMinute(amount, WINDOW_MINUTES)
            for amount in (
                settings.auth_failures_per_client,
                settings.login_attempts_per_account,
                settings.refreshes_per_account,
            )
        )

    async def count_sign_up(self) -> None:
        """Count a sign-up, which tells whether an address is taken; RateLimitedError."""
        await self.limiter.hit(f"{self.client}:sign-up", self.per_client)

    async def count_refresh(self, user_id: uuid.UUID) -> None:
        """Count a refresh of a user; RateLimitedError."""
        await self.limiter.hit(f"auth:refresh:{user_id}", self.refreshes)

    @asynccontextmanager
    async def count_failures(self, *failures: type[AppError]) -> AsyncIterator[None]:
        """Count what fails inside; RateLimitedError if the client has failed too often.

        Only failures count: many users may share an address.
        """
        await self.limiter.check(self.client, self.per_client)
        try:
            yield
        except failures:
            await self.limiter.hit(self.client, self.per_client)
            raise

    @asynccontextmanager
    async def guess_password(self, email: str) -> AsyncIterator[None]:
        """Count what is guessed inside, until a guess is right; RateLimitedError.

        For the account a guess counts before it is known to be wrong, or many at once were free.
        """
        # What is typed there may be no address, and not even text that has a form in UTF-8.
        name = sha256(email.encode(errors="backslashreplace")).hexdigest()
        account = f"auth:account:{name}"
        async with self.count_failures(InvalidCredentialsError, BusinessRuleError):
            await self.limiter.hit(account, self.per_account)
            yield
        await self.limiter.clear(account, self.per_account)


async def get_throttle(request: Request, limiter: RateLimiterDep) -> LoginThrottle:
    """Return the throttle of the caller's address."""
    client = request.client.host if request.client else ""
    return LoginThrottle(limiter, client, request.app.state.settings)


LoginThrottleDep = Annotated[LoginThrottle, Depends(get_throttle)]

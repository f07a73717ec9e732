"""A session for a command, which has no request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import create_engine
from app.db.settings import DatabaseSettings

T = TypeVar("T")


def run_in_session(settings: DatabaseSettings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Return the result of the work, committed."""

    async def run() -> T:
        engine = create_engine(settings)
        try:
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                return await work(session)
        finally:
            await engine.dispose()

    return asyncio.run(run())

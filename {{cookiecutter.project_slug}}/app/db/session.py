"""Database sessions: one transaction for each request, committed before the response is sent."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from sqlalchemy import StaticPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session
from structlog import get_logger

from app.core.health import add_readiness_check
from app.db.engine import (
    BACKENDS,
    check_connection,
    create_engine,
    create_probe_engine,
    wait_for_database,
)
from app.db.schema import SchemaError, check_schema, update_schema, upgrade
from app.db.settings import DatabaseSettings


@asynccontextmanager
async def open_database(app: FastAPI, settings: DatabaseSettings) -> AsyncGenerator[None]:
    """Open the engine at startup and close it at shutdown.

    Raises:
        DBAPIError: The database does not respond.
    """
    if not settings.database_url:
        get_logger("app.db").warning("no_database_url", using=str(settings.database))
    engine = create_engine(settings)
    probe_engine = create_probe_engine(engine, settings)
    try:
        await wait_for_database(engine)
        if settings.update_schema_on_startup:
            # Another engine would be another database in memory.
            is_in_memory = isinstance(engine.pool, StaticPool)
            await (upgrade(engine) if is_in_memory else update_schema(settings))
        elif settings.is_deployed:
            await report_schema(engine)
        app.state.engine = engine
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        app.state.read_sessions = async_sessionmaker(
            engine.execution_options(**BACKENDS[engine.name].READ_OPTIONS),
            sync_session_class=ReadSession,
            expire_on_commit=False,
        )
        add_readiness_check(app, "database", partial(check_connection, probe_engine))
        add_readiness_check(app, "schema", partial(check_schema, probe_engine))
        yield
    finally:
        await probe_engine.dispose()
        await engine.dispose()


async def report_schema(engine: AsyncEngine) -> None:
    """Log an outdated schema. The service is ready as soon as the schema is updated."""
    try:
        await check_schema(engine)
    except SchemaError as error:
        get_logger("app.db").error("schema_outdated", reason=str(error))


class ReadSession(Session):
    """The session of GET and HEAD requests, which change no data (RFC 9110 section 9.2.1)."""


@event.listens_for(ReadSession, "before_flush")
def refuse_flush(*_arguments: object) -> None:
    """Refuse to write.

    Raises:
        RuntimeError: Always. What a GET request must write needs a statement of its own and an
            explicit commit.
    """
    raise RuntimeError("a GET request must not change data")


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Provide the session of the request.

    It is committed when the route returns and rolled back when it raises; an error during the
    commit becomes the response. GET and HEAD requests read without a transaction.
    """
    state = request.app.state
    if request.method in ("GET", "HEAD"):
        async with state.read_sessions() as session:
            yield session
            session.sync_session.flush()  # nothing to write, or `refuse_flush` raises
        return
    async with state.sessions() as session:
        yield session
        await session.flush()  # its errors leave the connection usable
        try:
            await session.commit()
        except BaseException:
            # Otherwise the pool reuses the connection with its transaction still open.
            await session.invalidate()
            raise


# With the default scope, FastAPI commits after the response is sent.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]

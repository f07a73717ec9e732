"""One session a request: one transaction, committed before the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog import get_logger

from app.core.health import add_readiness_check
from app.db.engine import check_connection, create_engine, wait_for_database
# {% if cookiecutter.__alembic == "yes" %}
from app.db.migrate import check_schema, update_schema
# {% else %}
from app.db.schema import check_schema, update_schema
# {% endif %}
from app.db.settings import DatabaseSettings


@asynccontextmanager
async def open_database(app: FastAPI, settings: DatabaseSettings) -> AsyncIterator[None]:
    """Give the application its engine and sessions; DBAPIError if the database does not answer."""
    if not settings.database_url:
        get_logger("app.db").warning("no_database_url", using=str(settings.database))
    engine = create_engine(settings)
    try:
        await wait_for_database(engine, settings.database_startup_timeout)
        if settings.update_schema_on_startup:
            await update_schema(settings)
        app.state.engine = engine
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        add_readiness_check(app, "database", partial(check_connection, engine))
        add_readiness_check(app, "schema", partial(check_schema, engine))
        yield
    finally:
        await engine.dispose()


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give the session of the request: committed when the route returns, rolled back if it raises.

    An error of the commit is the answer, since that has not been sent.
    """
    async with request.app.state.sessions() as session:
        yield session
        await session.flush()
        try:
            await session.commit()
        except BaseException:
            # Otherwise its connection is used again as it is, with the transaction open.
            await session.invalidate()
            raise


# With the default scope the commit would come after the answer.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]

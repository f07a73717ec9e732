"""Errors of SQLAlchemy and SQLite."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from app.db.session import ReadSession, SessionDep
from fastapi import FastAPI
from sqlalchemy import ForeignKey, create_engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    configure_mappers,
    joinedload,
    mapped_column,
    relationship,
)
from sqlalchemy.pool import AsyncAdaptedQueuePool
from starlette.testclient import TestClient


class Base(DeclarativeBase):
    """Base of the models."""


class Line(Base):
    """The many side."""

    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))


class Order(Base):
    """The one side."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    lines: Mapped[list[Line]] = relationship()
    strict_lines: Mapped[list[Line]] = relationship(lazy="raise", viewonly=True)


async def with_order(work: Callable[[AsyncSession], Awaitable[Any]]) -> None:
    """Run a function with a session, on a database that has an order."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/test.db")
        try:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            async with AsyncSession(engine) as session, session.begin():
                session.add(Order(id=1, name="a", lines=[Line()]))
            async with AsyncSession(engine) as session:
                await work(session)
        finally:
            await engine.dispose()


async def read_order(session: AsyncSession) -> Order:
    return (await session.scalars(select(Order))).one()


async def reproduce_lazy_load() -> None:
    async def work(session: AsyncSession) -> None:
        _ = (await read_order(session)).lines

    await with_order(work)


async def reproduce_lazy_raise() -> None:
    async def work(session: AsyncSession) -> None:
        _ = (await read_order(session)).strict_lines

    await with_order(work)


async def reproduce_object_without_session() -> None:
    async def work(session: AsyncSession) -> None:
        order = await read_order(session)
        await session.close()
        _ = order.lines

    await with_order(work)


async def reproduce_joined_load() -> None:
    async def work(session: AsyncSession) -> None:
        (await session.scalars(select(Order).options(joinedload(Order.lines)))).all()

    await with_order(work)


async def reproduce_unique_violation() -> None:
    async def work(session: AsyncSession) -> None:
        session.add(Order(name="a"))
        await session.flush()

    await with_order(work)


async def reproduce_continue_after_error() -> None:
    async def work(session: AsyncSession) -> None:
        session.add(Order(name="a"))
        with suppress(IntegrityError):
            await session.flush()
        await read_order(session)

    await with_order(work)


async def reproduce_two_queries_at_once() -> None:
    async def work(session: AsyncSession) -> None:
        await session.bind.dispose()
        await asyncio.gather(read_order(session), read_order(session))

    await with_order(work)


async def reproduce_write_in_get() -> None:
    async def work(session: AsyncSession) -> None:
        async with AsyncSession(session.bind, sync_session_class=ReadSession) as reading:
            reading.add(Order(name="b"))
            await reading.flush()

    await with_order(work)


async def reproduce_no_free_connection() -> None:
    pool = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_async_engine("sqlite+aiosqlite://", pool_timeout=0.01, **pool)
    try:
        async with engine.connect(), engine.connect():
            pass
    finally:
        await engine.dispose()


def reproduce_model_not_imported() -> None:
    class Alone(Base):
        """A model that refers to a missing class."""

        __tablename__ = "alone"

        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
        customer: Mapped["Customer"] = relationship()  # noqa: F821 the error

    configure_mappers()


def reproduce_table_not_imported() -> None:
    Base.metadata.create_all(create_engine("sqlite://"))


def reproduce_missing_table() -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("SELECT * FROM orders"))


def reproduce_missing_column() -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("CREATE TABLE orders (id int)"))
        connection.execute(text("SELECT colour FROM orders"))


def reproduce_two_writers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/test.db"
        with (
            create_engine(url).connect() as first,
            create_engine(url, connect_args={"timeout": 0.01}).connect() as second,
        ):
            first.exec_driver_sql("BEGIN IMMEDIATE")
            second.exec_driver_sql("BEGIN IMMEDIATE")


def reproduce_driver_of_sqlite() -> None:
    create_async_engine("sqlite://")


def reproduce_application_not_started() -> None:
    app = FastAPI()

    @app.post("/")
    def create(session: SessionDep) -> None: ...

    TestClient(app).post("/")

"""Errors of PostgreSQL and asyncpg."""

import asyncio
import os

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

URL = os.environ["POSTGRESQL_URL"]


def create_engine(url: str = URL) -> AsyncEngine:
    return create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))


async def execute(*statements: str, **parameters: object) -> None:
    """Run statements in one transaction."""
    engine = create_engine()
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement), parameters)
    finally:
        await engine.dispose()


def reproduce_default_driver() -> None:
    create_async_engine("postgresql://localhost/test")


async def reproduce_no_server() -> None:
    async with create_engine("postgresql://127.0.0.1:1/test").connect():
        pass


async def reproduce_missing_relation() -> None:
    await execute("SELECT * FROM orders")


async def reproduce_duplicate_key() -> None:
    insert = "INSERT INTO orders VALUES (1)"
    await execute("CREATE TEMPORARY TABLE orders (id int UNIQUE)", insert, insert)


async def reproduce_wrong_type() -> None:
    await execute("SELECT 1 + CAST(:number AS int)", number="1")


async def reproduce_two_operations() -> None:
    connection = await asyncpg.connect(URL)
    try:
        await asyncio.gather(connection.execute("SELECT 1"), connection.execute("SELECT 2"))
    finally:
        await connection.close()


def reproduce_two_event_loops() -> None:
    engine = create_engine()

    async def query() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    asyncio.run(query())
    asyncio.run(query())

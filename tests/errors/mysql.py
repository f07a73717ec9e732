"""Errors of MySQL and asyncmy."""

import os

from sqlalchemy import MetaData, String, Table, text
from sqlalchemy.dialects.mysql import dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import Column, CreateTable

URL = os.environ["MYSQL_URL"]


def create_engine(url: str = URL) -> AsyncEngine:
    return create_async_engine(url.replace("mysql:", "mysql+asyncmy:"))


async def execute(*statements: str) -> None:
    """Run statements on one connection."""
    engine = create_engine()
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


def reproduce_default_driver_of_mysql() -> None:
    create_async_engine("mysql://localhost/test")


async def reproduce_no_mysql_server() -> None:
    async with create_engine("mysql://127.0.0.1:1/test").connect():
        pass


async def reproduce_missing_table_of_mysql() -> None:
    await execute("SELECT * FROM mysql.orders")


async def reproduce_duplicate_entry() -> None:
    insert = "INSERT INTO mysql.orders VALUES (1)"
    await execute("CREATE TEMPORARY TABLE mysql.orders (id int UNIQUE)", insert, insert)


def reproduce_string_without_length() -> None:
    CreateTable(Table("orders", MetaData(), Column("name", String))).compile(dialect=dialect())


async def reproduce_long_key() -> None:
    await execute(
        "CREATE TEMPORARY TABLE mysql.orders (name varchar(1000) PRIMARY KEY) CHARACTER SET utf8mb4"
        " ENGINE InnoDB"
    )

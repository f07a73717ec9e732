"""Transactions and failures."""

import asyncio
import threading
import uuid
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, event, select, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from app.db.session import SessionDep
# {% if cookiecutter.database != "sqlite" %}
from app.db.url import BACKEND
# {% endif %}
from app.models import Item, Tag
# {% if cookiecutter.database != "sqlite" %}
from tests.databases import make_test_database
# {% endif %}

ITEMS = "/api/v1/items"
MUG = {"sku": "MUG-01", "name": "Mug", "price": "9.90", "tags": ["kitchen"]}


async def count_items(app: FastAPI) -> int:
    async with app.state.sessions() as session:
        return len((await session.scalars(select(Item))).all())


async def join_failed_connections() -> None:
    """Wait for the threads that aiosqlite leaves behind: they still speak to the event loop."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


class TestTransaction:
    async def test_a_commit_that_fails_is_no_success(
        self, make_app: Any, connect: Any, own_database_url: str
    ) -> None:
        app = make_app(database_url=own_database_url)
        async with connect(app) as client:

            @event.listens_for(app.state.engine.sync_engine, "commit")
            def fail(_connection: Any) -> None:
                raise ConnectionResetError("a canary")

            answer = await client.post(ITEMS, json=MUG)
            event.remove(app.state.engine.sync_engine, "commit", fail)
            assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert "canary" not in answer.text
            assert await count_items(app) == 0

    async def test_an_error_undoes_what_was_flushed(self, make_app: Any, connect: Any) -> None:
        app: FastAPI = make_app()

        @app.post("/half")
        async def delete_and_fail(session: SessionDep) -> None:
            await session.execute(delete(Item))
            raise ValueError

        async with connect(app) as client:
            await client.post(ITEMS, json=MUG)
            assert (await client.post("/half")).status_code == 500
            assert await count_items(app) == 1

    async def test_a_savepoint_is_undone_alone_and_with_the_rest(
        self, make_app: Any, connect: Any
    ) -> None:
        app: FastAPI = make_app()
        async with connect(app) as client:
            await client.post(ITEMS, json=MUG)
            async with app.state.sessions() as session:
                async with session.begin_nested():
                    await session.execute(delete(Item))
                await session.rollback()
            assert await count_items(app) == 1

    async def test_relations_are_never_loaded_unasked(self, make_app: Any, connect: Any) -> None:
        app = make_app()
        async with connect(app) as client:
            await client.post(ITEMS, json=MUG)
            async with app.state.sessions() as session:
                item = await session.scalar(select(Item))
                with pytest.raises(InvalidRequestError):
                    _ = item.tags

    async def test_children_go_with_their_parent(self, make_app: Any, connect: Any) -> None:
        app = make_app()
        async with connect(app) as client:
            await client.post(ITEMS, json=MUG)
            async with app.state.sessions() as session:
                await session.execute(delete(Item))
                assert (await session.scalars(select(Tag))).all() == []

    async def test_a_child_needs_its_parent(self, make_app: Any, connect: Any) -> None:
        app: FastAPI = make_app()

        @app.post("/orphan")
        async def add_orphan(session: SessionDep) -> None:
            session.add(Tag(item_id=uuid.uuid4(), name="x"))

        async with connect(app) as client:
            assert (await client.post("/orphan")).status_code == 409


class TestFailure:
    async def test_an_exhausted_pool_is_503_and_recovers(
        self, make_app: Any, connect: Any, own_database_url: str
    ) -> None:
        small = {"database_pool_size": 1, "database_max_overflow": 0, "database_pool_timeout": 1}
        app = make_app(database_url=own_database_url, **small)
        async with connect(app) as client:
            async with app.state.sessions() as session:
                await session.execute(text("SELECT 1"))
                answer = await client.get(ITEMS)
            assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert answer.headers["retry-after"].isdigit()
            assert (await client.get(ITEMS)).status_code == 200

    async def test_our_own_mistakes_are_500(self, make_app: Any, connect: Any) -> None:
        app: FastAPI = make_app()

        @app.get("/mistake")
        async def ask_nonsense(session: SessionDep) -> None:
            await session.execute(text("SELECT canary("))

        async with connect(app) as client:
            answer = await client.get("/mistake")
            assert answer.status_code == 500
            assert "canary" not in answer.text

    @pytest.mark.parametrize(
        "url",
        [
            # {% if cookiecutter.database == "postgresql" %}
            "postgresql://u:canary@127.0.0.1:1/x",
            "postgresql://u:canary@localhost:1/x?sslmode=require",
            "postgresql://u:canary@canary.invalid/x",
            # {% elif cookiecutter.database == "mysql" %}
            "mysql://u:canary@127.0.0.1:1/x",
            "mysql://u:canary@canary.invalid/x",
            # {% endif %}
            "sqlite:////nowhere/x.db",
        ],
    )
    async def test_no_start_without_the_database(
        self, make_app: Any, connect: Any, log_lines: Any, url: str
    ) -> None:
        app = make_app(database_url=url, database_startup_timeout=0)
        with pytest.raises(DBAPIError):
            async with connect(app):
                pass
        await join_failed_connections()
        assert [line["event"] for line in log_lines()] == ["database_unreachable"]

    async def test_a_start_waits_for_the_database(
        self, make_app: Any, connect: Any, log_lines: Any, tmp_path: Any
    ) -> None:
        folder = tmp_path / "later"
        app = make_app(database_url=f"sqlite:///{folder}/x.db")
        asyncio.get_running_loop().call_later(0.2, folder.mkdir)
        async with connect(app) as client:
            assert (await client.get(ITEMS)).status_code == 200
        await join_failed_connections()

    async def test_a_vanished_database_is_503_and_comes_back(
        self, make_app: Any, connect: Any
    ) -> None:
        app = make_app()
        async with connect(app) as client:

            @event.listens_for(app.state.engine.sync_engine, "before_cursor_execute")
            def refuse(*_arguments: Any) -> None:
                raise ConnectionRefusedError("canary")

            answers = [await client.get(path) for path in (ITEMS, "/api/v1/ready")]
            assert [answer.status_code for answer in answers] == [503, 503]
            assert all("canary" not in answer.text for answer in answers)
            assert (await client.get("/api/v1/health")).status_code == 200
            event.remove(app.state.engine.sync_engine, "before_cursor_execute", refuse)
            answers = [await client.get(path) for path in (ITEMS, "/api/v1/ready")]
            assert [answer.status_code for answer in answers] == [200, 200]


class TestFirstRun:
    async def test_locally_without_a_url_it_is_a_file(
        self, make_app: Any, connect: Any, log_lines: Any, tmp_path: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        app = make_app(environment="local", database_url=None)
        async with connect(app) as client:
            assert (await client.post(ITEMS, json=MUG)).status_code == 201
            assert (await client.get("/api/v1/ready")).status_code == 200
        assert (tmp_path / "local.db").exists()
        (line,) = [line for line in log_lines() if line["event"] == "no_database_url"]
        assert line["using"] == "sqlite+aiosqlite:///local.db"
# {% if cookiecutter.database != "sqlite" %}


def test_tests_never_touch_a_database_that_is_not_called_test(monkeypatch: Any) -> None:
    server = f"{BACKEND}://u@127.0.0.1:1"
    monkeypatch.setenv("TEST_DATABASE_URL", f"{server}/shop")
    with pytest.raises(RuntimeError, match="must contain `test`"), make_test_database():
        pass
# {% endif %}

import json
# {% if cookiecutter.database != "none" %}
from datetime import UTC, datetime, timedelta
# {% endif %}
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
# {% if cookiecutter.database != "none" %}
from sqlalchemy import event, select, update
# {% endif %}

from app.auth.api_keys import HEADER, CurrentUser, compute_checksum, make_key
# {% if cookiecutter.database != "none" %}
from app.auth.clients import ApiClient, ApiKey
from app.auth.stored_keys import Keys
# {% endif %}
from tests.keys import sign_in
from tests.problems import check_problem, tell

# {% if cookiecutter.database == "none" %}
RESOURCE = "/api/v1/quotes/DE"
# {% else %}
RESOURCE = "/api/v1/items"
# {% endif %}
CHALLENGE = 'ApiKey realm="api"'


@pytest.fixture
def app(make_app: Any) -> FastAPI:
    app: FastAPI = make_app()
    add_route(app)
    return app


def add_route(app: FastAPI) -> None:
    @app.get("/caller", include_in_schema=False)
    @app.post("/caller", include_in_schema=False)
    async def name_caller(caller: CurrentUser) -> str:
        return caller.name


@pytest.fixture
async def client(app: FastAPI, connect: Any) -> Any:
    async with connect(app) as client:
        yield client


@pytest.fixture
async def stranger(client: AsyncClient) -> AsyncClient:
    """A client that shows no key."""
    del client.headers[HEADER]
    return client


def check_refusal(answer: Response, status: int, code: str, challenge: str = CHALLENGE) -> None:
    check_problem(answer, status, code)
    assert answer.headers["www-authenticate"] == challenge


def change_secret(text: str) -> str:
    """Return a key with the same id and another secret."""
    body = "_".join([*text.split("_")[:-1], "0" * 64])
    return body + compute_checksum(body)


class TestCaller:
    async def test_a_key_says_which_client_calls(self, app: FastAPI, stranger: AsyncClient) -> None:
        for name in ("acme", "umbrella"):
            headers = await sign_in(app, name)
            assert (await stranger.get("/caller", headers=headers)).json() == name

    async def test_every_key_of_a_client_is_that_client(
        self, app: FastAPI, stranger: AsyncClient
    ) -> None:
        keys = [await sign_in(app) for _ in range(2)]
        assert keys[0] != keys[1]
        answers = [await stranger.get("/caller", headers=headers) for headers in keys]
        assert {answer.json() for answer in answers} == {"acme"}

    async def test_the_log_has_the_id_of_the_key(
        self, app: FastAPI, stranger: AsyncClient, log_lines: Any
    ) -> None:
        headers = await sign_in(app)
        await stranger.get("/caller", headers=headers)
        (record,) = [line for line in log_lines() if line["event"] == "request"]
        assert record["key_id"] == headers[HEADER].split("_")[-2]
        assert headers[HEADER] not in json.dumps(log_lines())

    async def test_the_document_says_how_to_show_a_key(self, client: AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        (scheme,) = document["components"]["securitySchemes"].values()
        assert scheme == {"type": "apiKey", "in": "header", "name": HEADER}
        assert document["paths"]["/api/v1/health"]["get"].get("security") is None
        operations = [item for path in document["paths"].values() for item in path.values()]
        assert any("security" in operation for operation in operations)

    async def test_a_browser_may_send_the_header(self, client: AsyncClient) -> None:
        headers = {
            "Origin": "https://good.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": HEADER,
        }
        assert (await client.options(RESOURCE, headers=headers)).status_code == 200


class TestRefusal:
    async def test_no_key(self, stranger: AsyncClient) -> None:
        for headers in ({}, {HEADER: ""}):
            answer = await stranger.post(RESOURCE, headers=headers, json={})
            check_refusal(answer, 401, "NOT_AUTHENTICATED")

    @pytest.mark.parametrize("place", ["query", "cookie", "Authorization"])
    async def test_a_key_anywhere_else_is_none(
        self, app: FastAPI, stranger: AsyncClient, place: str, log_lines: Any
    ) -> None:
        text = (await sign_in(app))[HEADER]
        query = f"?{HEADER}={text}&api_key={text}" if place == "query" else ""
        headers = {
            "cookie": {"Cookie": f"{HEADER}={text}; api_key={text}"},
            "Authorization": {"Authorization": f"ApiKey {text}"},
        }.get(place, {})
        answer = await stranger.get(f"/caller{query}", headers=headers)
        check_refusal(answer, 401, "NOT_AUTHENTICATED")
        assert text not in json.dumps(log_lines())

    async def test_two_keys(self, app: FastAPI, stranger: AsyncClient) -> None:
        text = (await sign_in(app))[HEADER].encode()
        for other in (text, b"", b"x"):
            pair: Any = [(HEADER.encode(), text), (HEADER.encode(), other)]
            answer = await stranger.get("/caller", headers=pair)
            check_refusal(answer, 400, "INVALID_REQUEST", f'{CHALLENGE}, error="invalid_request"')

    async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(
        self, app: FastAPI, stranger: AsyncClient
    ) -> None:
        good = (await sign_in(app))[HEADER]
        wrong = {
            "text": "x",
            "unknown": make_key()[1],
            "secret": change_secret(good),
            "checksum": good[:-1] + ("0" if good[-1] != "0" else "1"),
            "expired": (await sign_in(app, days=-1))[HEADER],
        }
        # {% if cookiecutter.database != "none" %}
        wrong["revoked"] = (await sign_in(app))[HEADER]
        async with app.state.sessions.begin() as session:
            await Keys(session).revoke(wrong["revoked"].split("_")[-2])
        # {% endif %}
        answers = [await stranger.get("/caller", headers={HEADER: text}) for text in wrong.values()]
        check_refusal(answers[0], 401, "INVALID_API_KEY")
        assert all(tell(answer) == tell(answers[0]) for answer in answers)
        assert (await stranger.get("/caller", headers={HEADER: good})).status_code == 200

    @pytest.mark.parametrize(
        "text", [b"\xff\xfe", "schlüssel".encode(), b"a\0b", b"x" * 1_000_000, b" ", b"a b", b"%00"]
    )
    async def test_odd_text_is_no_key(self, stranger: AsyncClient, text: bytes) -> None:
        odd: Any = [(HEADER.encode(), text)]
        answer = await stranger.get("/caller", headers=odd)
        check_refusal(answer, 401, "INVALID_API_KEY")

    async def test_a_key_in_capitals_is_another(self, app: FastAPI, stranger: AsyncClient) -> None:
        text = (await sign_in(app))[HEADER]
        answer = await stranger.get("/caller", headers={HEADER: text.upper()})
        check_refusal(answer, 401, "INVALID_API_KEY")

    async def test_another_secret_of_the_service_ends_all_keys(
        self, app: FastAPI, client: AsyncClient, make_settings: Any
    ) -> None:
        assert (await client.get("/caller")).status_code == 200
        app.state.settings.secret_key = make_settings(secret_key="x" * 32).secret_key
        check_refusal(await client.get("/caller"), 401, "INVALID_API_KEY")

    async def test_it_is_logged_without_the_key(
        self, app: FastAPI, stranger: AsyncClient, log_lines: Any
    ) -> None:
        text = change_secret((await sign_in(app))[HEADER])
        await stranger.get("/caller", headers={HEADER: text})
        (line,) = [line for line in log_lines() if line["event"] == "authn_key_fail"]
        assert line["key_id"] == text.split("_")[-2]
        assert line["request_id"]
        assert "0" * 64 not in json.dumps(log_lines())


class TestScope:
    async def test_a_key_to_read_does_not_write(
        self, app: FastAPI, stranger: AsyncClient, log_lines: Any
    ) -> None:
        headers = await sign_in(app, scopes="read")
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="write"'
        answer = await stranger.post(RESOURCE, headers=headers, json={})
        check_refusal(answer, 403, "INSUFFICIENT_SCOPE", challenge)
        (line,) = [line for line in log_lines() if line["event"] == "authz_fail"]
        assert (line["scope"], line["key_id"]) == ("write", headers[HEADER].split("_")[-2])
        for method in ("GET", "HEAD"):
            assert (await stranger.request(method, "/caller", headers=headers)).status_code == 200

    async def test_a_key_to_write_does_not_read(self, app: FastAPI, stranger: AsyncClient) -> None:
        headers = await sign_in(app, scopes="write")
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="read"'
        for method in ("GET", "HEAD"):
            answer = await stranger.request(method, "/caller", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (403, challenge)
        assert (await stranger.post("/caller", headers=headers)).status_code == 200


class TestThrottle:
    async def test_a_key_over_its_limit(self, make_app: Any, connect: Any) -> None:
        app = make_app(api_key_requests_per_minute=2)
        add_route(app)
        async with connect(app) as client:
            answers = [await client.get("/caller") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
            assert (await client.get("/caller", headers=await sign_in(app))).status_code == 200

    async def test_an_address_with_too_many_keys_that_are_not_valid(
        self, make_app: Any, connect: Any
    ) -> None:
        app = make_app(invalid_keys_per_minute=2)
        add_route(app)
        async with connect(app) as client:
            guesses = [
                await client.get("/caller", headers={HEADER: make_key()[1]}) for _ in range(3)
            ]
            assert [answer.status_code for answer in guesses] == [401, 401, 429]
            check_problem(guesses[-1], 429, "RATE_LIMITED")
            assert (await client.get("/caller")).status_code == 200
# {% if cookiecutter.database != "none" %}


class TestStore:
    async def test_it_holds_no_secret(self, app: FastAPI, client: AsyncClient) -> None:
        text = client.headers[HEADER]
        async with app.state.sessions() as session:
            key = await session.scalar(select(ApiKey))
            kept = str([getattr(key, column.key) for column in ApiKey.__table__.columns])
        assert text.split("_")[-2] in kept
        assert text.split("_")[-1][:64] not in kept

    async def test_revoking_works_from_the_next_request_on(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        assert (await client.get("/caller")).status_code == 200
        async with app.state.sessions.begin() as session:
            await session.execute(update(ApiKey).values(revoked_at=datetime.now(UTC)))
        check_refusal(await client.get("/caller"), 401, "INVALID_API_KEY")

    async def test_a_key_ends_on_time(self, app: FastAPI, client: AsyncClient) -> None:
        for seconds, status in ((30, 200), (-1, 401)):
            end = datetime.now(UTC) + timedelta(seconds=seconds)
            async with app.state.sessions.begin() as session:
                await session.execute(update(ApiKey).values(expires_at=end))
            assert (await client.get("/caller")).status_code == status

    async def test_the_keys_of_a_client_go_with_it(self, app: FastAPI, client: AsyncClient) -> None:
        async with app.state.sessions.begin() as session:
            await session.delete(await session.scalar(select(ApiClient)))
        check_refusal(await client.get("/caller"), 401, "INVALID_API_KEY")

    @pytest.mark.parametrize("minutes_ago", [None, 2])
    async def test_use_is_noted_once_a_minute_on_one_connection(
        self, make_app: Any, connect: Any, own_database_url: str, minutes_ago: int | None
    ) -> None:
        one = {"database_pool_size": 1, "database_max_overflow": 0, "database_pool_timeout": 1}
        app: FastAPI = make_app(database_url=own_database_url, **one)
        now = datetime.now(UTC)
        before = now - timedelta(minutes=minutes_ago) if minutes_ago else None
        writes: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            writes.extend([statement] if statement.startswith("UPDATE") else [])

        async with connect(app) as client:
            async with app.state.sessions.begin() as session:
                await session.execute(update(ApiKey).values(last_used_at=before))
            event.listen(app.state.engine.sync_engine, "before_cursor_execute", note)
            for _ in range(3):
                assert (await client.get(RESOURCE)).status_code == 200
            async with app.state.sessions() as session:
                key = await session.scalar(select(ApiKey))
        assert len(writes) == 1
        assert now <= key.last_used_at <= datetime.now(UTC)

    async def test_of_two_requests_at_once_one_notes_the_use(
        self, make_app: Any, connect: Any, own_database_url: str
    ) -> None:
        app: FastAPI = make_app(database_url=own_database_url)
        async with connect(app) as client:
            key_id = client.headers[HEADER].split("_")[-2]
            async with app.state.sessions.begin() as session:
                await session.execute(update(ApiKey).values(last_used_at=None))
            used = []
            async with app.state.sessions() as first, app.state.sessions() as second:
                found = [(keys, await keys.find(key_id)) for keys in (Keys(first), Keys(second))]
                for keys, key in found:
                    assert key
                    await keys.note_use(key)
                    used.append(await first.scalar(select(ApiKey.last_used_at)))
                    await first.commit()
        assert used[0] == used[1] is not None

    async def test_use_is_noted_though_the_request_fails(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        async with app.state.sessions.begin() as session:
            await session.execute(update(ApiKey).values(last_used_at=None))
        assert (await client.post(RESOURCE, json={})).status_code == 422
        async with app.state.sessions() as session:
            assert await session.scalar(select(ApiKey.last_used_at))
# {% endif %}

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select

from app.auth.users import User
from tests.problems import check_problem
from tests.users import AUTH, EMAIL, PASSWORD, log_in, sign_up

JSON = {"Content-Type": "application/json"}
SIGN_UP = f"{AUTH}/sign-up"
NEW = {"email": "new@example.com", "password": PASSWORD}
NO_ADDRESSES = [
    *("", "canary", "canary@", "@x.co", "canary@@x.co", "ca nary@x.co", "canary@x.co "),
    *("canary@localhost", "canary@1.2.3.4", "canary@[1.2.3.4]", "<script>@x.co"),
    *('"canary"@x.co', "canary(comment)@x.co", "canary@x.co\r\nBcc: b@x.co", "canary@x..co"),
    *("canary\x00@x.co", "canary\ud800@x.co", "canary.@x.co", "canary@x_y.co"),
    *("canary@" + "x." * 130 + "co", None, 5, ["canary@x.co"]),
]


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


async def count_users(app: FastAPI) -> int:
    async with app.state.sessions() as session:
        return await session.scalar(select(func.count()).select_from(User)) or 0


async def test_a_new_user(app: FastAPI, client: AsyncClient, log_lines: Any) -> None:
    answer = await client.post(SIGN_UP, json=NEW)
    user = answer.json()
    assert answer.status_code == 201
    assert user.keys() == {"id", "email", "name", "is_active", "is_superuser", "created_at"}
    assert (user["email"], user["is_active"], user["is_superuser"]) == (NEW["email"], True, False)
    assert (await log_in(client, NEW["email"])).status_code == 200
    for value in NEW.values():
        assert value not in json.dumps(log_lines())
    async with app.state.sessions() as session:
        stored = await session.scalar(select(User.password_hash).where(User.email == NEW["email"]))
    assert stored.startswith("$2b$04$")


async def test_nobody_is_there_from_the_start(app: FastAPI, client: AsyncClient) -> None:
    assert await count_users(app) == 1  # whom the test signed in


@pytest.mark.parametrize(
    ("email", "same"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada@example.com", "ada@EXAMPLE.com"),
        ("ada@example.com", "ADA@example.com"),
        ("caf\u00e9@example.com", "cafe\u0301@example.com"),
        ("ada@b\u00fccher.de", "ada@xn--bcher-kva.de"),
    ],
)
async def test_an_address_is_taken_however_it_is_spelled(
    client: AsyncClient, email: str, same: str
) -> None:
    await sign_up(client, email)
    answer = await sign_up(client, same, "another password")
    check_problem(answer, 409, "CONFLICT")
    assert email not in answer.text
    assert same not in answer.text
    assert (await log_in(client, same)).status_code == 200


@pytest.mark.parametrize("other", ["\u00e0da@example.com", "ada@example.co", "a.da@example.com"])
async def test_another_address_is_not(client: AsyncClient, other: str) -> None:
    assert (await sign_up(client, EMAIL)).status_code == 409
    assert (await sign_up(client, other)).status_code == 201


async def test_of_many_at_once_with_one_address_one_is_made(
    make_app: Any, connect: Any, own_database_url: str
) -> None:
    app = make_app(database_url=own_database_url)
    async with connect(app) as client:
        answers = await asyncio.gather(*(client.post(SIGN_UP, json=NEW) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        assert await count_users(app) == 2


async def test_nobody_gives_themselves_more(app: FastAPI, client: AsyncClient) -> None:
    more = {"is_superuser": True, "is_active": False, "id": "0", "role": "admin"}
    more |= {"password_hash": "x", "hashed_password": "x", "created_at": "2000-01-01T00:00:00Z"}
    for name, value in more.items():
        answer = await client.post(SIGN_UP, json={**NEW, name: value})
        check_problem(answer, 422, "VALIDATION_ERROR")
    assert await count_users(app) == 1


@pytest.mark.parametrize(
    "password",
    [
        "x" * 72,
        " " * 64 + "x",
        "aaaa bbbb cccc",
        "12345678",
        " \t\u200flead and trail\u200f ",
        "\U0001f600" * 18,
    ],
)
async def test_a_password_is_kept_as_it_is(client: AsyncClient, password: str) -> None:
    assert (await sign_up(client, NEW["email"], password)).status_code == 201
    assert (await log_in(client, NEW["email"], password)).status_code == 200
    for other in (password + "x", password[:-1], password.upper() + " "):
        assert (await log_in(client, NEW["email"], other)).status_code == 401


@pytest.mark.parametrize(
    "password",
    [
        "canary!",
        "e\u0301" * 7,
        "canary" + "x" * 67,
        "\U0001f600" * 64,
        "canary" * 171,
        "canary\x00canary",
        "canary\ud800",
        NEW["email"],
        NEW["email"].upper(),
        8_000_000,
        None,
        ["canary"],
        {"canary": "canary"},
    ],
)
async def test_a_password_that_is_refused_is_not_shown(
    app: FastAPI, client: AsyncClient, password: object
) -> None:
    body = json.dumps({"email": NEW["email"], "password": password})
    answer = await client.post(SIGN_UP, content=body, headers=JSON)
    problem = check_problem(answer, 422, "VALIDATION_ERROR")
    assert problem.errors[0].loc[:2] == ["body", "password"]
    for value in ("canary", NEW["email"], "8000000"):
        assert value not in answer.text.lower()
    assert await count_users(app) == 1


async def test_what_is_no_address(app: FastAPI, client: AsyncClient) -> None:
    for email in NO_ADDRESSES:
        body = json.dumps({**NEW, "email": email})
        answer = await client.post(SIGN_UP, content=body, headers=JSON)
        check_problem(answer, 422, "VALIDATION_ERROR")
        assert "canary" not in answer.text
        assert PASSWORD not in answer.text
    assert await count_users(app) == 1


async def test_a_megabyte_is_too_much(client: AsyncClient) -> None:
    check_problem(await sign_up(client, EMAIL, "x" * 2**20), 413, "PAYLOAD_TOO_LARGE")


async def test_sign_up_may_be_closed(make_app: Any, connect: Any) -> None:
    app = make_app(sign_up_enabled=False)
    async with connect(app) as client:
        for email in (NEW["email"], EMAIL):
            check_problem(await sign_up(client, email), 403, "SIGN_UP_CLOSED")
        assert await count_users(app) == 1


async def test_a_password_may_have_to_be_longer(make_app: Any, connect: Any) -> None:
    async with connect(make_app(password_min_length=20)) as client:
        check_problem(await sign_up(client, NEW["email"], "x" * 19), 422, "VALIDATION_ERROR")
        assert (await sign_up(client, NEW["email"], "x" * 20)).status_code == 201

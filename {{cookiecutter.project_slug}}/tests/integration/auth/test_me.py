from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import select, update

from app.auth.passwords import PasswordHasher
from app.auth.tokens import TokenPair
from app.auth.users import User
from tests.problems import check_problem
from tests.users import ME, PASSWORD, bearer, is_accepted, log_in, refresh, sign_in, start_session

NEW_PASSWORD = "battery staple"  # noqa: S105
UUID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@pytest.fixture
async def test_user(app: FastAPI, client: AsyncClient) -> User:
    """The one whose requests those of `client` are."""
    async with app.state.sessions() as session:
        users: list[User] = (await session.scalars(select(User))).all()
    return users[0]


async def change_password(
    client: AsyncClient, new: str = NEW_PASSWORD, current: str = PASSWORD, **options: Any
) -> Response:
    body = {"current_password": current, "new_password": new}
    return await client.post(f"{ME}/password", json=body, **options)


async def test_who_one_is(client: AsyncClient, test_user: User) -> None:
    answer = await client.get(ME)
    created_at = answer.json().pop("created_at")
    assert created_at.endswith("Z")
    assert answer.json() == {
        "id": str(test_user.id),
        "email": test_user.email,
        "name": None,
        "is_active": True,
        "is_superuser": False,
        "created_at": created_at,
    }


async def test_a_name_is_changed_and_emptied(client: AsyncClient) -> None:
    for body, name in (({"name": "Ada"}, "Ada"), ({}, "Ada"), ({"name": None}, None)):
        assert (await client.patch(ME, json=body)).json()["name"] == name
        assert (await client.get(ME)).json()["name"] == name


async def test_nothing_else_is_changed(client: AsyncClient) -> None:
    before = (await client.get(ME)).json()
    more = {"is_superuser": True, "is_active": False, "id": UUID, "email": "bob@example.com"}
    more |= {"password": NEW_PASSWORD, "password_hash": "x", "role": "admin", "created_at": "x"}
    for name, value in more.items():
        check_problem(await client.patch(ME, json={name: value}), 422, "VALIDATION_ERROR")
    for text in ("", "x" * 101, "a\x00b"):
        check_problem(await client.patch(ME, json={"name": text}), 422, "VALIDATION_ERROR")
    assert (await client.get(ME)).json() == before


async def test_others_stay_as_they_are(app: FastAPI, client: AsyncClient) -> None:
    bob = await sign_in(app, "bob@example.com")
    await client.patch(ME, json={"name": "Ada"})
    assert (await client.get(ME, headers=bob)).json()["name"] is None


class TestPassword:
    async def test_the_session_goes_on_with_new_tokens(
        self, app: FastAPI, client: AsyncClient, log_lines: Any
    ) -> None:
        bob = await sign_in(app, "bob@example.com")
        old = await start_session(client)
        answer = await change_password(client, headers=bearer(old.access_token))
        assert answer.status_code == 200, answer.text
        pair = TokenPair.model_validate_json(answer.content)
        assert (await refresh(client, old.refresh_token)).status_code == 401
        for token in (old.access_token, pair.access_token):
            assert await is_accepted(client, token)
        assert (await client.get(ME, headers=bob)).status_code == 200
        assert (await refresh(client, pair.refresh_token)).status_code == 200
        assert "authn_password_change" in [line["event"] for line in log_lines()]
        check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")
        assert (await log_in(client, password=NEW_PASSWORD)).status_code == 200

    async def test_the_current_one_is_needed(self, client: AsyncClient) -> None:
        answer = await change_password(client, current="not it at all")
        check_problem(answer, 400, "BUSINESS_RULE_VIOLATED")
        assert (await client.get(ME)).status_code == 200
        assert (await log_in(client)).status_code == 200

    async def test_it_is_not_guessed_by_a_thief_of_a_token(self, client: AsyncClient) -> None:
        guesses = [await change_password(client, current=f"guess {n}") for n in range(10)]
        assert {answer.status_code for answer in guesses} == {400}
        answer = await change_password(client)
        check_problem(answer, 429, "RATE_LIMITED")
        assert int(answer.headers["retry-after"]) > 0

    async def test_of_two_changes_at_once_one_counts(
        self, app: FastAPI, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        winner, loser = "w" * 60, "l" * 60

        async def lose(_passwords: PasswordHasher, _password: str) -> str:
            async with app.state.sessions.begin() as session:
                await session.execute(update(User).values(password_hash=winner))
            return loser

        monkeypatch.setattr(PasswordHasher, "hash", lose)
        check_problem(await change_password(client), 409, "CONFLICT")
        async with app.state.sessions() as session:
            assert await session.scalar(select(User.password_hash)) == winner

    @pytest.mark.parametrize(
        "new", ["short", "x" * 73, "ada@example.com", "a\x00bcdefgh", "", None, 12345678]
    )
    async def test_one_that_may_not_be(self, client: AsyncClient, new: Any) -> None:
        problem = check_problem(await change_password(client, new), 422, "VALIDATION_ERROR")
        assert problem.errors[0].loc[:2] == ["body", "new_password"]
        assert (await log_in(client)).status_code == 200

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import update

from app.auth.users import User
from tests.problems import check_problem, tell
from tests.users import AUTH, EMAIL, PASSWORD, PASSWORD_HASH, log_in, sign_up

LOGIN = f"{AUTH}/login"
FORM = {"username": EMAIL, "password": PASSWORD}
WRONG = "not it at all"
MULTIPART = b"""--b\r
Content-Disposition: form-data; name="username"\r
\r
\\ud800\r
--b\r
Content-Disposition: form-data; name="password"\r
\r
\\ud800\r
--b--\r
"""


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


async def change(app: FastAPI, **values: Any) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(User).values(values))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that bcrypt is asked about."""
    digests: list[bytes] = []
    check_password: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def check(password: bytes, digest: bytes) -> bool:
        digests.append(digest)
        return check_password(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    return digests


async def test_what_a_sign_in_gives(client: AsyncClient, log_lines: Any) -> None:
    answer = await log_in(client)
    pair = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert pair.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 900)
    assert "authn_login_success" in [line["event"] for line in log_lines()]


@pytest.mark.parametrize("username", ["Ada@Example.COM", "ada@example.com"])
async def test_an_address_in_any_case(client: AsyncClient, username: str) -> None:
    assert (await log_in(client, username)).status_code == 200


async def test_what_is_wrong_is_not_told(
    app: FastAPI, client: AsyncClient, checked: list[bytes], log_lines: Any
) -> None:
    answers = [await log_in(client, EMAIL, WRONG), await log_in(client, "none@example.com")]
    await change(app, is_active=False)
    answers += [await log_in(client), await log_in(client, EMAIL, WRONG)]
    answers += [await log_in(client, "no address"), await log_in(client, "' OR '1'='1'--")]
    for answer in answers:
        problem = check_problem(answer, 401, "INVALID_CREDENTIALS")
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
        assert problem.detail == "The e-mail address or the password is wrong."
        assert tell(answer) == tell(answers[0])
    # Each cost one hash, and one of the same cost.
    assert {digest[:7] for digest in checked} == {PASSWORD_HASH[:7].encode()}
    assert len(checked) == len(answers)
    events = [line["event"] for line in log_lines()]
    assert events.count("authn_login_fail") == len(answers)


async def test_the_whole_password_counts(client: AsyncClient) -> None:
    await sign_up(client, "long@example.com", "x" * 72)
    assert (await log_in(client, "long@example.com", "x" * 72)).status_code == 200
    for password in ("x" * 73, "x" * 71, "x" * 500_000):
        answer = await log_in(client, "long@example.com", password)
        check_problem(answer, 401, "INVALID_CREDENTIALS")


async def test_a_password_in_either_form_of_unicode(client: AsyncClient) -> None:
    await sign_up(client, "bob@example.com", "cafe\u0301 au lait")
    assert (await log_in(client, "bob@example.com", "caf\u00e9 au lait")).status_code == 200


@pytest.mark.parametrize("password", ["correct horse ", " correct horse", "Correct horse", ""])
async def test_nothing_is_trimmed(client: AsyncClient, password: str) -> None:
    answer = await log_in(client, EMAIL, password)
    assert answer.status_code == (401 if password else 422)


@pytest.mark.parametrize(
    "password_hash",
    ["", "x", "$2b$04$", PASSWORD_HASH[:-1], "é" * 60],
    ids=["empty", "text", "prefix", "truncated", "not_ascii"],
)
async def test_a_hash_that_is_none(app: FastAPI, client: AsyncClient, password_hash: str) -> None:
    await change(app, password_hash=password_hash)
    check_problem(await log_in(client), 401, "INVALID_CREDENTIALS")


async def test_a_hash_of_another_cost_is_made_anew(
    app: FastAPI, client: AsyncClient, checked: list[bytes]
) -> None:
    await change(app, password_hash=bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode())
    for _ in range(2):
        assert (await log_in(client)).status_code == 200
    assert [digest[:7] for digest in checked] == [b"$2b$05$", b"$2b$04$"]


async def test_a_wrong_password_makes_no_hash_anew(
    app: FastAPI, client: AsyncClient, checked: list[bytes]
) -> None:
    await change(app, password_hash=bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode())
    assert (await log_in(client, EMAIL, WRONG)).status_code == 401
    assert (await log_in(client)).status_code == 200
    assert [digest[:7] for digest in checked] == [b"$2b$05$"] * 2


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": EMAIL},
        {"password": PASSWORD},
        {**FORM, "grant_type": "client_credentials"},
        {**FORM, "grant_type": "password "},
        {**FORM, **{f"field{number}": "x" for number in range(5000)}},
    ],
)
async def test_a_form_that_is_none(client: AsyncClient, form: dict[str, str]) -> None:
    answer = await client.post(LOGIN, data=form)
    assert answer.status_code in {400, 422}
    assert PASSWORD not in answer.text


async def test_the_grant_of_the_form_is_the_password(client: AsyncClient) -> None:
    assert (await client.post(LOGIN, data={**FORM, "grant_type": "password"})).status_code == 200


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"username": "ada@example.com", "password": "correct horse"}', "application/json"),
        (b"username=ada%40example.com&password=correct+horse", "text/plain"),
        (b"", "application/x-www-form-urlencoded"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data"),
    ],
)
async def test_what_is_no_form(client: AsyncClient, content: bytes, media_type: str) -> None:
    answer = await client.post(LOGIN, content=content, headers={"Content-Type": media_type})
    assert answer.status_code in {400, 415, 422}
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("charset", ["utf-8", "unicode_escape", "raw_unicode_escape", "utf-16"])
async def test_a_form_may_hold_what_is_no_text(client: AsyncClient, charset: str) -> None:
    media_type = f"multipart/form-data; boundary=b; charset={charset}"
    answer = await client.post(LOGIN, content=MULTIPART, headers={"Content-Type": media_type})
    assert answer.status_code in {401, 422}


@pytest.mark.parametrize(
    "username",
    ["admin'/*", '"; DROP TABLE users;--', "\x00", "ada@example.com\x00", "%", "x" * 1_000_000],
)
async def test_a_name_is_no_sql(client: AsyncClient, username: str) -> None:
    check_problem(await log_in(client, username), 401, "INVALID_CREDENTIALS")
    assert (await log_in(client)).status_code == 200


async def test_no_page_of_others_reads_the_tokens(client: AsyncClient) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = await client.post(LOGIN, data=FORM, headers=headers)
    assert "access-control-allow-origin" not in answer.headers


async def test_others_are_served_while_hashes_are_computed(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_arguments: done.wait(10))
    logins = asyncio.gather(*(log_in(client, f"user{number}@example.com") for number in range(10)))
    async with asyncio.timeout(5):
        assert (await client.get("/api/v1/health")).status_code == 200
        assert (await client.get("/api/v1/ready")).status_code == 200
    done.set()
    assert {answer.status_code for answer in await logins} == {401}

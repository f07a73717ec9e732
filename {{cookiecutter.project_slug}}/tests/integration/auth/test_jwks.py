from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from tests.users import is_accepted, make_pem, make_public_pem, read_part, refresh, start_session

JWKS = "/.well-known/jwks.json"


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@asynccontextmanager
async def reach(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Give a client of another replica, with the same database."""
    transport = ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def test_what_is_published_of_a_key(client: AsyncClient) -> None:
    client.headers.clear()
    answer = await client.get(JWKS)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
    assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
    assert "=" not in key["n"]


async def test_who_has_it_is_not_sent_it_again(client: AsyncClient) -> None:
    etag = (await client.get(JWKS)).headers["etag"]
    again = await client.get(JWKS, headers={"If-None-Match": f'"x", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await client.get(JWKS, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_the_key_of_a_token_is_published_first(make_app: Any, connect: Any) -> None:
    app = make_app(rsa_public_keys=[make_public_pem("next"), make_public_pem()])
    async with connect(app) as client:
        kids = [key["kid"] for key in (await client.get(JWKS)).json()["keys"]]
        pair = await start_session(client)
    assert len(kids) == 2
    for token in (pair.access_token, pair.refresh_token):
        assert read_part(token, 0)["kid"] == kids[0]


async def test_a_token_is_good_at_every_replica(
    make_app: Any, connect: Any, own_database_url: str
) -> None:
    one, two = (make_app(database_url=own_database_url) for _ in range(2))
    async with connect(one) as client, reach(two) as other:
        pair = await start_session(client)
        assert await is_accepted(other, pair.access_token)
        assert (await refresh(other, pair.refresh_token)).status_code == 200


@pytest.mark.parametrize(("kept", "status"), [(["ours"], 200), ([], 401)])
async def test_an_old_key_is_good_until_it_is_removed(
    make_app: Any, connect: Any, own_database_url: str, kept: list[str], status: int
) -> None:
    one = make_app(database_url=own_database_url)
    two = make_app(
        database_url=own_database_url,
        rsa_private_key_content=make_pem("next"),
        rsa_public_keys=[make_public_pem(name) for name in kept],
    )
    async with connect(one) as client, reach(two) as other:
        pair = await start_session(client)
        assert await is_accepted(other, pair.access_token) is (status == 200)
        answer = await refresh(other, pair.refresh_token)
        assert answer.status_code == status
        if kept:
            assert not await is_accepted(client, answer.json()["access_token"])


async def test_a_local_service_makes_its_key(
    make_app: Any, connect: Any, tmp_path: Any, log_lines: Any
) -> None:
    for _ in range(2):
        async with connect(make_app(rsa_private_key_content=None)) as client:
            assert (await client.get(JWKS)).status_code == 200
    assert [path.name for path in tmp_path.glob("*.pem")] == ["local.pem"]
    warnings = [line for line in log_lines() if line["event"] == "no_private_key"]
    assert [line["using"] for line in warnings] == ["local.pem"] * 2

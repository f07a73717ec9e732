"""Tests of the published keys and of key rotation."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.clients import connect_user, open_client
from tests.users import (
    is_accepted,
    make_pem,
    make_public_pem,
    read_part,
    refresh,
    start_session,
)

JWKS_URL = "/.well-known/jwks.json"


class TestReadPublicKeys:
    async def test_returns_public_members(self, client: AsyncClient) -> None:
        response = await client.get(JWKS_URL)

        assert response.status_code == 200
        assert response.headers["content-type"] == "application/jwk-set+json"
        assert response.headers["cache-control"] == "public, max-age=300"
        assert response.headers["access-control-allow-origin"] == "*"
        (key,) = response.json()["keys"]
        assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
        assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")

    async def test_openapi_declares_media_type(self, client: AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        responses = document["paths"][JWKS_URL]["get"]["responses"]
        schema = {"$ref": "#/components/schemas/JwkSet"}
        assert responses["200"]["content"] == {"application/jwk-set+json": {"schema": schema}}

    async def test_first_key_signs(self, make_app: Any) -> None:
        async with connect_user(make_app(rsa_public_keys=[make_public_pem("next")])) as client:
            kids = [key["kid"] for key in (await client.get(JWKS_URL)).json()["keys"]]
            pair = await start_session(client)

        assert len(kids) == 2
        assert read_part(pair.access_token, 0)["kid"] == kids[0]

    async def test_local_service_creates_key_once(self, make_app: Any, log_lines: Any) -> None:
        kids = set()
        for _ in range(2):
            async with connect_user(make_app(rsa_private_key_content=None)) as client:
                kids |= {key["kid"] for key in (await client.get(JWKS_URL)).json()["keys"]}

        assert len(kids) == 1
        warnings = [line for line in log_lines() if line["event"] == "no_private_key"]
        assert [line["using"] for line in warnings] == ["local.pem"] * 2


class TestKeyRotation:
    @pytest.mark.parametrize(("kept", "status"), [(["signing"], 200), ([], 401)])
    async def test_old_tokens_are_valid_while_public_key_is_kept(
        self, make_app: Any, own_database_url: str, kept: list[str], status: int
    ) -> None:
        before = make_app(database_url=own_database_url)
        after = make_app(
            database_url=own_database_url,
            rsa_private_key_content=make_pem("next"),
            rsa_public_keys=[make_public_pem(name) for name in kept],
        )
        async with (
            connect_user(before) as client,
            after.router.lifespan_context(after),
            open_client(after) as later_client,
        ):
            pair = await start_session(client)

            assert await is_accepted(later_client, pair.access_token) is (status == 200)
            response = await refresh(later_client, pair.refresh_token)
            assert response.status_code == status

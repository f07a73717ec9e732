"""Tests of the OpenID provider's cache, against a provider that misbehaves."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.auth import provider as provider_module
from app.auth.provider import REFRESH_SECONDS, RETRY_SECONDS, Provider, ProviderUnavailableError
from tests.logs import LogLines
from tests.provider import DISCOVERY, JWKS, LocalProvider, make_jwk

KEYS = json.dumps({"keys": [make_jwk("rsa")]}).encode()
HMAC_KEY = {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}


@pytest.fixture
def remote() -> Iterator[LocalProvider]:
    remote = LocalProvider()
    yield remote
    remote.close()


@pytest.fixture
def provider(remote: LocalProvider) -> Provider:
    return Provider(remote.issuer)


def count_refreshes(remote: LocalProvider) -> int:
    return remote.requests.count(JWKS)


class TestFindKey:
    async def test_simultaneous_requests_share_one_refresh(
        self, provider: Provider, remote: LocalProvider
    ) -> None:
        keys = await asyncio.gather(*(provider.find_key("rsa") for _ in range(100)))

        assert all(keys)
        assert remote.requests == [DISCOVERY, JWKS]

    async def test_unknown_keys_cause_one_refresh_in_ten_seconds(
        self, provider: Provider, remote: LocalProvider
    ) -> None:
        await provider.find_key("rsa")
        provider.refreshed_at -= RETRY_SECONDS

        keys = await asyncio.gather(*(provider.find_key(f"unknown-{n}") for n in range(100)))

        assert keys == [None] * 100
        assert count_refreshes(remote) == 2

    async def test_new_key_of_provider_is_found_and_old_one_dropped(
        self, provider: Provider, remote: LocalProvider
    ) -> None:
        await provider.find_key("rsa")
        remote.kids = ["ec"]
        provider.refreshed_at -= RETRY_SECONDS

        assert await provider.find_key("ec")
        assert await provider.find_key("rsa") is None

    async def test_known_key_does_not_wait_for_slow_provider(
        self, provider: Provider, remote: LocalProvider
    ) -> None:
        await provider.find_key("rsa")
        remote.delay = 0.5
        provider.refreshed_at -= REFRESH_SECONDS
        started = time.monotonic()

        assert await provider.find_key("rsa")

        assert time.monotonic() - started < 0.25
        assert provider.refresh
        await provider.refresh
        assert count_refreshes(remote) == 2

    async def test_slow_provider_is_given_up(
        self, provider: Provider, remote: LocalProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider_module, "TIMEOUT_SECONDS", 0.05)
        remote.delay = 0.5

        with pytest.raises(ProviderUnavailableError):
            await provider.find_key("rsa")

    async def test_known_keys_stay_valid_while_provider_is_down(
        self, provider: Provider, remote: LocalProvider, log_lines: LogLines
    ) -> None:
        await provider.find_key("rsa")
        remote.responses[DISCOVERY] = (500, b"")
        provider.refreshed_at -= RETRY_SECONDS

        assert await provider.find_key("unknown") is None
        assert await provider.find_key("rsa")
        (line,) = log_lines()
        assert line["event"] == "provider_unavailable"

    @pytest.mark.parametrize(
        ("path", "status", "body"),
        [
            pytest.param(DISCOVERY, 200, b"{", id="no-json"),
            pytest.param(DISCOVERY, 200, b"[]", id="no-metadata"),
            pytest.param(JWKS, 200, b"{}", id="no-keys"),
            pytest.param(JWKS, 200, b'{"keys": []}', id="empty"),
            pytest.param(JWKS, 200, b'{"keys": [{}, {"kty": "x"}]}', id="unusable-keys"),
            pytest.param(JWKS, 200, json.dumps({"keys": [HMAC_KEY]}).encode(), id="hmac-key"),
            pytest.param(JWKS, 404, KEYS, id="not-found"),
            pytest.param(JWKS, 200, KEYS + b" " * 10_000_000, id="10-mb"),
            pytest.param(JWKS, 200, b"[" * 100_000, id="deeply-nested"),
        ],
    )
    async def test_unusable_response_is_refused(
        self, provider: Provider, remote: LocalProvider, path: str, status: int, body: bytes
    ) -> None:
        remote.responses[path] = (status, body)

        with pytest.raises(ProviderUnavailableError):
            await provider.find_key("rsa")

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"issuer": "https://evil.example"}, id="other-issuer"),
            pytest.param({"jwks_uri": "http://0.0.0.0:{port}/jwks"}, id="keys-without-https"),
            pytest.param({"token_endpoint": "javascript:alert(1)"}, id="other-scheme"),
        ],
    )
    async def test_unsafe_metadata_is_refused(
        self, provider: Provider, remote: LocalProvider, changes: dict[str, Any]
    ) -> None:
        document = json.dumps(remote.metadata | changes)
        document = document.replace("{port}", remote.issuer.rpartition(":")[2])
        remote.responses[DISCOVERY] = (200, document.encode())

        with pytest.raises(ProviderUnavailableError):
            await provider.find_key("rsa")

    async def test_redirect_is_not_followed(
        self, provider: Provider, remote: LocalProvider
    ) -> None:
        remote.responses[JWKS] = (302, KEYS)
        remote.headers["Location"] = f"{remote.issuer}/elsewhere"

        with pytest.raises(ProviderUnavailableError):
            await provider.find_key("rsa")

        assert "/elsewhere" not in remote.requests

    async def test_keys_for_other_purposes_are_ignored(
        self, provider: Provider, remote: LocalProvider
    ) -> None:
        keys = [make_jwk("ec"), make_jwk("enc", use="enc"), make_jwk("pss", alg="PS256"), HMAC_KEY]
        remote.responses[JWKS] = (200, json.dumps({"keys": keys}).encode())

        await provider.find_key("ec")

        assert provider.keys.keys() == {"ec"}

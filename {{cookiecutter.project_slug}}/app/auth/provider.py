"""The OpenID provider: its metadata and the keys that sign its tokens.

Both are cached. Requests with a known key never wait for the provider, which may be down.
"""

import asyncio
import time

import orjson
from httpx2 import AsyncClient, HTTPError, InvalidURL
from jwt import PyJWK, PyJWKSet, PyJWTError
from pydantic import BaseModel
from structlog import get_logger

from app.auth.settings import ProviderUrl
from app.core.errors import AppError

WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = {"RS256", "ES256"}
REFRESH_SECONDS = 600
RETRY_SECONDS = 10  # the shortest time between two refreshes
TIMEOUT_SECONDS = 5
MAX_BYTES = 512 * 1024
# What an unreachable or a misbehaving provider causes.
ERRORS = (HTTPError, InvalidURL, TimeoutError, ValueError, PyJWTError, AttributeError, TypeError)

log = get_logger("app.auth")


class ProviderUnavailableError(AppError):
    """The provider's keys could not be fetched since the service was started."""

    status_code, code = 503, "SERVICE_UNAVAILABLE"
    detail = "The identity provider is unavailable. Please retry."


class Metadata(BaseModel):
    """The metadata of the provider (OpenID Connect Discovery 1.0 section 3)."""

    issuer: str
    authorization_endpoint: ProviderUrl
    token_endpoint: ProviderUrl
    jwks_uri: ProviderUrl
    grant_types_supported: list[str] = []
    scopes_supported: list[str] = []


class Provider:
    """The OpenID provider with this issuer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.metadata: Metadata | None = None
        self.keys: dict[str | None, PyJWK] = {}
        self.refreshed_at = 0.0
        self.refresh: asyncio.Task[None] | None = None

    async def find_key(self, kid: str) -> PyJWK | None:
        """Return the signing key with this id, or None if the provider does not publish it.

        Raises:
            ProviderUnavailableError: No keys are known.
        """
        if kid in self.keys:
            self.start_refresh(REFRESH_SECONDS)
        else:
            await self.finish_refresh()
        return self.keys.get(kid)

    async def get_metadata(self) -> Metadata:
        """Return the metadata.

        Raises:
            ProviderUnavailableError: It is not known.
        """
        return self.metadata or await self.finish_refresh()

    async def finish_refresh(self) -> Metadata:
        """Wait for a refresh, unless one has just ended, and return the metadata."""
        # Many requests wait for the same task, and none cancels it.
        await asyncio.wait({self.start_refresh(RETRY_SECONDS)})
        if self.metadata is None:
            raise ProviderUnavailableError
        return self.metadata

    def start_refresh(self, max_age: int) -> asyncio.Task[None]:
        """Return the last refresh, or a new one if that started `max_age` seconds ago."""
        now = time.monotonic()
        if self.refresh is None or now - self.refreshed_at >= max_age:
            self.refreshed_at = now
            self.refresh = asyncio.create_task(self.fetch_keys())
        return self.refresh

    async def fetch_keys(self) -> None:
        """Fetch the metadata and the keys. If that fails, the present ones stay valid."""
        url, headers = self.issuer.rstrip("/") + WELL_KNOWN, {"Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), AsyncClient(headers=headers) as client:
                metadata = Metadata.model_validate_json(await fetch(client, url))
                if metadata.issuer != self.issuer:  # OpenID Connect Discovery 1.0 section 4.3
                    raise ValueError(f"the issuer is {metadata.issuer}")
                keys = parse_keys(await fetch(client, metadata.jwks_uri))
        except ERRORS as error:
            log.warning("provider_unavailable", error=type(error).__name__, reason=str(error)[:200])
        else:
            self.metadata, self.keys = metadata, keys


async def fetch(client: AsyncClient, url: str) -> bytes:
    """Return the body at a URL. Redirects are not followed.

    Raises:
        HTTPError: The server does not respond.
        ValueError: The status is not 200, or the body is too large.
    """
    body = bytearray()
    async with client.stream("GET", url) as response:
        if response.status_code != 200:
            raise ValueError(f"status {response.status_code} from {url}")
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES} bytes from {url}")
    return bytes(body)


def parse_keys(document: bytes) -> dict[str | None, PyJWK]:
    """Return the keys of a JWK Set that verify signatures with `ALGORITHMS`, by their ids.

    Raises:
        ValueError: There are none.
    """
    keys = {
        key.key_id: key
        for key in PyJWKSet.from_dict(orjson.loads(document)).keys
        if key.algorithm_name in ALGORITHMS and key.public_key_use in ("sig", None)
    }
    if not keys:
        raise ValueError("no signing keys")
    return keys

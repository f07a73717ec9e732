"""API keys in the setting API_KEYS."""

from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request


@dataclass(frozen=True)
class ApiClient:
    """A program that calls the API."""

    name: str


@dataclass(frozen=True)
class ApiKey:
    """An entry of API_KEYS.

    `scopes` is `read`, `write` or `read+write`; `last_day` is the ISO date (UTC) on which the key
    is valid for the last time.
    """

    client_name: str
    key_id: str
    scopes: str
    last_day: str
    digest: str

    @property
    def client(self) -> ApiClient:
        """The client that owns the key."""
        return ApiClient(self.client_name)

    def __str__(self) -> str:
        """Return the entry."""
        return "/".join(astuple(self))


@dataclass
class KeyService:
    """Finds API keys among the entries of API_KEYS."""

    entries: list[str]

    async def find(self, key_id: str) -> ApiKey | None:
        """Return the key, or None if it is unknown or expired."""
        today = datetime.now(UTC).date().isoformat()
        keys = (ApiKey(*entry.split("/")) for entry in self.entries if f"/{key_id}/" in entry)
        return next((key for key in keys if key.last_day >= today), None)

    def list_all(self) -> list[ApiKey]:
        """Return every key."""
        return [ApiKey(*entry.split("/")) for entry in self.entries]


async def get_key_service(request: Request) -> KeyService:
    """Return the service."""
    return KeyService(request.app.state.settings.api_keys)


KeyServiceDep = Annotated[KeyService, Depends(get_key_service)]

"""The API keys in the setting API_KEYS."""

from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request


@dataclass(frozen=True)
class ApiClient:
    """A program that calls."""

    name: str


@dataclass(frozen=True)
class ApiKey:
    """A key of a client, as API_KEYS has it; of its secret there is only a digest.

    `scopes` is such as `read+write`, `last_day` the ISO date of the last day (UTC) it is good for.
    """

    client_name: str
    key_id: str
    scopes: str
    last_day: str
    digest: str

    @property
    def client(self) -> ApiClient:
        """Whose key it is."""
        return ApiClient(self.client_name)

    def __str__(self) -> str:
        """Return the entry of API_KEYS."""
        return "/".join(astuple(self))


class Keys:
    """Finds keys among the entries of API_KEYS."""

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries

    async def find(self, key_id: str) -> ApiKey | None:
        """Return the key; None if there is none, or it has expired."""
        today = datetime.now(UTC).date().isoformat()
        found = (key for key in self.list() if key.key_id == key_id and key.last_day >= today)
        return next(found, None)

    def list(self) -> list[ApiKey]:
        """Return every key."""
        return [ApiKey(*entry.split("/")) for entry in self.entries]


async def get_keys(request: Request) -> Keys:
    """Return what finds keys."""
    return Keys(request.app.state.settings.api_keys)


KeysDep = Annotated[Keys, Depends(get_keys)]

"""API keys in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from app.auth.models import ApiClient, ApiKey
from app.core.errors import NotFoundError
from app.db.errors import is_transient, unique
from app.db.session import SessionDep

USE_RECORDED_EVERY = timedelta(minutes=1)

# Built once, because every request executes the second one.
ALL_KEYS = select(ApiKey).join(ApiKey.client).options(contains_eager(ApiKey.client))
VALID_KEY = ALL_KEYS.where(
    ApiKey.key_id == bindparam("key_id"),
    ApiKey.revoked_at.is_(None),
    ApiKey.expires_at > bindparam("now"),
)


@dataclass
class KeyService:
    """Creates, finds and revokes API keys."""

    session: AsyncSession

    async def find(self, key_id: str) -> ApiKey | None:
        """Return the key with its client, or None if it is unknown, revoked or expired."""
        parameters = {"key_id": key_id, "now": datetime.now(UTC)}
        key: ApiKey | None = await self.session.scalar(VALID_KEY, parameters)
        return key

    async def record_use(self, key: ApiKey) -> ApiKey | None:
        """Store that the key is used, at most once a minute.

        It is committed at once: other requests with the key must not wait for this one to end.

        Returns:
            The key, or None if it was revoked meanwhile.
        """
        now = datetime.now(UTC)
        if key.last_used_at is None or key.last_used_at <= now - USE_RECORDED_EVERY:
            is_unchanged = ApiKey.last_used_at == key.last_used_at  # by a concurrent request
            statement = update(ApiKey).where(ApiKey.id == key.id, is_unchanged)
            key_id = key.key_id
            try:
                await self.session.execute(statement.values(last_used_at=now))
                await self.session.commit()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                # Locked, full or read-only: a later request records it.
                await self.session.rollback()
                return await self.find(key_id)
        return key

    async def add(self, client_name: str, key: ApiKey) -> None:
        """Store a key, and its client if there is none with this name.

        Raises:
            ConflictError: Another process has just created the client.
        """
        client = select(ApiClient).where(ApiClient.name == client_name)
        key.client = await self.session.scalar(client) or ApiClient(name=client_name)
        self.session.add(key)
        with unique("The client was created at the same time. Try again."):
            await self.session.flush()

    async def revoke(self, key_id: str) -> None:
        """Revoke a key with immediate effect.

        Raises:
            NotFoundError: No key has this id.
        """
        key = await self.session.scalar(select(ApiKey).where(ApiKey.key_id == key_id))
        if key is None:
            raise NotFoundError("API key not found.")
        key.revoked_at = key.revoked_at or datetime.now(UTC)

    async def list_all(self) -> Sequence[ApiKey]:
        """Return every key with its client, ordered by the client's name."""
        ordered = ALL_KEYS.order_by(ApiClient.name, ApiKey.created_at)
        return (await self.session.scalars(ordered)).all()


async def get_key_service(session: SessionDep) -> KeyService:
    """Return the service of the request."""
    return KeyService(session)


KeyServiceDep = Annotated[KeyService, Depends(get_key_service)]

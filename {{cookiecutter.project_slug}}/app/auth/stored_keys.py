"""The API keys in the database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from app.auth.clients import ApiClient, ApiKey
from app.core.errors import NotFoundError
from app.db.session import SessionDep

USE_IS_NOTED_AFTER = timedelta(minutes=1)


class Keys:
    """Finds, makes and ends keys."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def find(self, key_id: str) -> ApiKey | None:
        """Return the key with its client; None if there is none, or it is revoked or expired."""
        key: ApiKey | None = await self.session.scalar(
            select(ApiKey)
            .join(ApiKey.client)
            .where(ApiKey.key_id == key_id)
            .where(ApiKey.revoked_at.is_(None), ApiKey.expires_at > datetime.now(UTC))
            .options(contains_eager(ApiKey.client))
        )
        return key

    async def note_use(self, key: ApiKey) -> None:
        """Store that the key was used, once a minute and not with each request.

        It is committed here, before the request does anything else: no other request with the
        key waits for this one to end.
        """
        now = datetime.now(UTC)
        before = now - USE_IS_NOTED_AFTER
        if key.last_used_at and key.last_used_at > before:
            return
        # Of many requests at once, one finds it so.
        unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= before)
        noted = update(ApiKey).where(ApiKey.id == key.id, unnoted).values(last_used_at=now)
        await self.session.execute(noted)
        await self.session.commit()

    async def add(self, client_name: str, key: ApiKey) -> None:
        """Give a key to the client of this name, which is made if there is none."""
        named = select(ApiClient).where(ApiClient.name == client_name)
        key.client = await self.session.scalar(named) or ApiClient(name=client_name)
        self.session.add(key)
        await self.session.flush()

    async def revoke(self, key_id: str) -> None:
        """End a key, from the next request on; NotFoundError."""
        key = await self.session.scalar(select(ApiKey).where(ApiKey.key_id == key_id))
        if key is None:
            raise NotFoundError("There is no such key.")
        key.revoked_at = key.revoked_at or datetime.now(UTC)

    async def list(self) -> Sequence[ApiKey]:
        """Return every key, with its client, by the clients' names."""
        query = select(ApiKey).join(ApiKey.client).options(contains_eager(ApiKey.client))
        found = await self.session.scalars(query.order_by(ApiClient.name, ApiKey.created_at))
        return found.all()


async def get_keys(session: SessionDep) -> Keys:
    """Return what finds keys."""
    return Keys(session)


KeysDep = Annotated[Keys, Depends(get_keys)]

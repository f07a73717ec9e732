import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db.types import UTCDateTime, make_uuid7, new_id
from app.models import Item

MOMENT = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("make", [make_uuid7, new_id], ids=["ours", "used"])
def test_a_uuid7_holds_the_time(make: Any) -> None:
    made = [make() for _ in range(100)]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == 100
    moment = datetime.fromtimestamp((made[0].int >> 80) / 1000, UTC)
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


def test_a_moment_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UTCDateTime().process_bind_param(MOMENT.replace(tzinfo=None), None)  # type: ignore[arg-type]


async def test_moments_come_back_equal_and_in_utc(make_app: Any, connect: Any) -> None:
    app = make_app()
    async with connect(app) as client:
        await client.post("/api/v1/items", json={"sku": "A", "name": "a", "price": "1"})
        async with app.state.sessions.begin() as session:
            await session.execute(update(Item).values(created_at=MOMENT))
        async with app.state.sessions() as session:
            item = await session.scalar(select(Item).where(Item.created_at == MOMENT))
    assert item.created_at == MOMENT
    assert item.created_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - item.updated_at) < timedelta(seconds=5)

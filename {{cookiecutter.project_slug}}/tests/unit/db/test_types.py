"""Tests of the column types, on the database of the test run."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import StatementError

from app.db.types import UTCDateTime, create_uuid7, new_id
from tests.parcels import PARCELS_URL, Parcel

TIME = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))


def test_uuid7_contains_the_time() -> None:
    for create in (create_uuid7, new_id):  # from Python 3.14 on, two functions
        ids = [create() for _ in range(100)]

        assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
        assert len(set(ids)) == 100
        time = datetime.fromtimestamp((ids[0].int >> 80) / 1000, UTC)
        assert abs(datetime.now(UTC) - time) < timedelta(seconds=5)


class TestUTCDateTime:
    def test_time_without_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            UTCDateTime().process_bind_param(TIME.replace(tzinfo=None), DefaultDialect())

    async def test_time_is_returned_in_utc(self, app: FastAPI, parcels: AsyncClient) -> None:
        await parcels.post(PARCELS_URL)

        async with app.state.sessions() as session:
            await session.execute(update(Parcel).values(created_at=TIME))
            parcel = await session.scalar(select(Parcel).where(Parcel.created_at == TIME))

        assert parcel.created_at == TIME
        assert parcel.created_at.tzinfo is UTC


class TestExactDecimal:
    async def test_arithmetic_is_exact(self, app: FastAPI, parcels: AsyncClient) -> None:
        for price in ("9.90", "0.05"):
            await parcels.post(PARCELS_URL, params={"price": price})

        async with app.state.sessions() as session:
            doubled = (await session.scalars(select(Parcel.price * 2))).all()
            total = await session.scalar(select(func.sum(Parcel.price)))

        assert sorted(doubled) == [Decimal("0.10"), Decimal("19.80")]
        assert total == Decimal("9.95")

    def test_multiplication_by_a_fraction_is_refused(self) -> None:
        with pytest.raises(TypeError, match="multiplied by an integer"):
            Parcel.price * Decimal("1.5")

    async def test_more_than_two_decimals_are_refused(
        self, app: FastAPI, parcels: AsyncClient
    ) -> None:
        async with app.state.sessions() as session:
            with pytest.raises(StatementError, match="the column has 2 decimals"):
                await session.execute(update(Parcel).values(price=Decimal("1.999")))

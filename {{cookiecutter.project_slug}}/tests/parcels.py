"""Tables and routes for tests of the database layer, which must not depend on a resource."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import AsyncClient
from sqlalchemy import ForeignKey, MetaData, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import NAMING_CONVENTION, Base, Record
from app.db.session import SessionDep
from app.db.types import ExactDecimal
from tests.clients import connect

PARCELS_URL = "/parcels"


class Label(Base):
    # These tables are not part of the schema of the service, and named unlike any resource.
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    __tablename__ = "test_labels"

    parcel_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("test_parcels.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(50), primary_key=True)


class Parcel(Record):
    metadata = Label.metadata
    __tablename__ = "test_parcels"

    name: Mapped[str] = mapped_column(String(50))
    price: Mapped[Decimal] = mapped_column(ExactDecimal(12, 2))

    labels: Mapped[list[Label]] = relationship(passive_deletes=True, lazy="raise")


router = APIRouter(prefix=PARCELS_URL, include_in_schema=False)


@router.post("", status_code=201)
async def create_parcel(session: SessionDep, price: Decimal = Decimal("9.90")) -> uuid.UUID:
    parcel = Parcel(name="Mug", price=price, labels=[Label(name="kitchen")])
    session.add(parcel)
    await session.flush()
    return parcel.id


@router.get("")
async def list_parcels(session: SessionDep) -> list[uuid.UUID]:
    return list(await session.scalars(select(Parcel.id)))


@asynccontextmanager
async def connect_parcels(app: FastAPI) -> AsyncGenerator[AsyncClient]:
    """Start an application that has the tables and routes, and yield a client."""
    app.include_router(router)
    async with connect(app) as client:
        async with app.state.engine.begin() as connection:
            await connection.run_sync(Parcel.metadata.create_all)
        yield client
        async with app.state.engine.begin() as connection:
            await connection.run_sync(Parcel.metadata.drop_all)


@pytest.fixture
async def parcels(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """A client of an application that has the tables and routes."""
    async with connect_parcels(app) as client:
        yield client

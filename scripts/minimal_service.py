"""A minimal service on the tables of the default project, written by hand for the benchmark.

It does the same work with the usual means: RS256 token, session and user from the database, pool
with pre-ping, one transaction a request, uvicorn's access log. It limits, checks and logs nothing
else. Run by uvicorn in the project's environment.
"""

import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, ForeignKey, Numeric, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=10,
    max_overflow=5,
    pool_pre_ping=True,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
# The key that the default project creates in local development.
public_key = load_pem_private_key(Path("local.pem").read_bytes(), None).public_key()
app = FastAPI()


class Base(DeclarativeBase):
    """Base of the models."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


class User(Base):
    """A user."""

    __tablename__ = "users"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str | None]
    is_active: Mapped[bool]
    is_superuser: Mapped[bool]
    created_at: Mapped[datetime]


class UserSession(Base):
    """A login."""

    __tablename__ = "user_sessions"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]


class Tag(Base):
    """A tag of an item."""

    __tablename__ = "item_tags"
    item_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("items.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


class Item(Base):
    """An item."""

    __tablename__ = "items"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner_id: Mapped[uuid.UUID]
    sku: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    tags: Mapped[list[Tag]] = relationship(order_by=Tag.name)


class UserRead(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    email: str
    name: str | None
    is_active: bool
    is_superuser: bool
    created_at: datetime


class TagRead(BaseModel):
    """A tag."""

    model_config = ConfigDict(from_attributes=True)
    name: str


class ItemRead(BaseModel):
    """An item."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    sku: str
    name: str
    description: str | None
    price: Decimal
    tags: list[TagRead]
    created_at: datetime
    updated_at: datetime


class ItemCreate(BaseModel):
    """A new item."""

    sku: str
    name: str
    description: str | None = None
    price: Decimal
    tags: list[str] = []


class Page(BaseModel):
    """A page of items."""

    items: list[ItemRead]
    total: int


async def get_session() -> AsyncIterator[AsyncSession]:
    """Provide a session and commit it."""
    async with sessions() as session:
        yield session
        await session.commit()


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
Token = Annotated[str, Depends(OAuth2PasswordBearer("/api/v1/auth/login"))]


async def get_user(session: SessionDep, token: Token) -> User:
    """Return the user of the token whose session still exists."""
    claims = jwt.decode(token, public_key, ["RS256"], options={"verify_aud": False})
    statement = (
        select(User)
        .join(UserSession, UserSession.user_id == User.id)
        .where(UserSession.id == uuid.UUID(claims["sid"]), User.is_active)
        .where(UserSession.expires_at > datetime.now(UTC))
    )
    user = await session.scalar(statement)
    if user is None:
        raise HTTPException(401)
    return user


UserDep = Annotated[User, Depends(get_user)]


@app.get("/api/v1/health")
async def health() -> dict[str, str]:
    """Return that the process is alive."""
    return {"status": "ok"}


@app.get("/api/v1/auth/me")
async def read_me(user: UserDep) -> UserRead:
    """Return the current user."""
    return UserRead.model_validate(user)


@app.get("/api/v1/items", response_model=Page)
async def list_items(session: SessionDep, user: UserDep, limit: int = 20) -> dict[str, object]:
    """Return the newest items."""
    mine = select(Item).where(Item.owner_id == user.id, Item.is_active)
    page = mine.options(selectinload(Item.tags)).order_by(Item.created_at.desc(), Item.id.desc())
    items = (await session.scalars(page.limit(limit))).all()
    total = await session.scalar(select(func.count()).select_from(mine.subquery()))
    return {"items": items, "total": total}


@app.get("/api/v1/items/{item_id}", response_model=ItemRead)
async def read_item(session: SessionDep, user: UserDep, item_id: uuid.UUID) -> Item:
    """Return an item."""
    mine = select(Item).where(Item.id == item_id, Item.owner_id == user.id, Item.is_active)
    item = await session.scalar(mine.options(selectinload(Item.tags)))
    if item is None:
        raise HTTPException(404)
    return item


@app.post("/api/v1/items", status_code=201, response_model=ItemRead)
async def create_item(session: SessionDep, user: UserDep, data: ItemCreate) -> Item:
    """Create an item."""
    tags = [Tag(name=name) for name in data.tags]
    item = Item(**data.model_dump(exclude={"tags"}), tags=tags, owner_id=user.id)
    session.add(item)
    await session.flush()
    return item

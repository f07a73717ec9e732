"""What all models share."""

import uuid
from datetime import datetime
# {% if cookiecutter.database == "mysql" %}
from typing import Any
# {% endif %}

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.db.types import UTCDateTime, UTCNow, new_id

# Constraints have names by which they can be changed, on every database.
NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """A model. What the database fills in is read back with the statement that causes it."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    # {% if cookiecutter.database == "mysql" %}
    # Any text, compared byte by byte: `à` is not `a`. Put it also in a `__table_args__` of yours.
    __table_args__: Any = ({"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"},)
    # {% endif %}
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - as SQLAlchemy declares it


class Record(Base):
    """A model with an id and the times of its making and last change."""

    __abstract__ = True

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, server_default=UTCNow(), index=True)
    updated_at: Mapped[datetime] = mapped_column(
        UTCDateTime, server_default=UTCNow(), onupdate=UTCNow()
    )

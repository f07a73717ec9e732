"""Column types that mean the same on every database."""

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
# {% if cookiecutter.database == "mysql" %}
from typing import Any
# {% endif %}

from sqlalchemy import BigInteger, DateTime, Dialect
# {% if cookiecutter.database == "mysql" %}
from sqlalchemy.dialects import mysql
# {% endif %}
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
# {% if cookiecutter.database == "mysql" %}
from sqlalchemy.types import TypeDecorator, TypeEngine
# {% else %}
from sqlalchemy.types import TypeDecorator
# {% endif %}


def make_uuid7() -> uuid.UUID:
    """Return a UUID that begins with the time, in milliseconds (RFC 9562 section 5.7)."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


# The standard library's, from Python 3.14, also grows within a millisecond.
new_id: Callable[[], uuid.UUID] = getattr(uuid, "uuid7", make_uuid7)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment, with microseconds; goes in and comes out with a time zone, in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    # {% if cookiecutter.database == "mysql" %}
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the column."""
        if dialect.name == "mysql":
            return mysql.DATETIME(fsp=6)
        return super().load_dialect_impl(dialect)

    # {% endif %}
    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return what is sent; ValueError if the moment has no time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return the moment, whether the database says the zone or not."""
        return value and value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class UTCNow(FunctionElement[datetime]):
    """The database's time, for `server_default` and `onupdate`."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(UTCNow)
def say_now(_element: UTCNow, _compiler: object, **_options: object) -> str:
    """Return SQL for now."""
    return "CURRENT_TIMESTAMP"


# {% if cookiecutter.database == "mysql" %}
@compiles(UTCNow, "mysql")
def say_mysql_now(_element: UTCNow, _compiler: object, **_options: object) -> str:
    """Return MySQL for now, in UTC whatever the session's time zone."""
    return "(UTC_TIMESTAMP(6))"


# {% endif %}
@compiles(UTCNow, "sqlite")
def say_sqlite_now(_element: UTCNow, _compiler: object, **_options: object) -> str:
    """Return SQLite for now, in the form of SQLAlchemy and as exactly as SQLite knows."""
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


class Money(TypeDecorator[Decimal]):
    """An amount with two decimals, stored exactly as a number of hundredths.

    SQLite has no decimals, and hundredths add up and sort everywhere.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, _dialect: Dialect) -> int | None:
        """Return the hundredths."""
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> Decimal | None:
        """Return the amount."""
        return None if value is None else Decimal(value).scaleb(-2)

"""Column types that behave the same on every database."""

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Numeric
# {% if cookiecutter.database == "mysql" %}
from sqlalchemy.dialects import mysql
# {% endif %}
from sqlalchemy.sql import operators
from sqlalchemy.sql.functions import ReturnTypeFromArgs
from sqlalchemy.types import TypeDecorator, TypeEngine

CENT = Decimal("0.01")


def create_uuid7() -> uuid.UUID:
    """Return a UUID that begins with the time in milliseconds (RFC 9562 section 5.7)."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


# The standard library has it from Python 3.14; there ids also increase within a millisecond.
new_id: Callable[[], uuid.UUID] = getattr(uuid, "uuid7", create_uuid7)


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """A time with microseconds. Values have a time zone, and results are in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    # {% if cookiecutter.database == "mysql" %}
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the database."""
        if dialect.name == "mysql":
            return mysql.DATETIME(fsp=6)
        return super().load_dialect_impl(dialect)

    # {% endif %}
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert to UTC.

        Raises:
            ValueError: The time has no time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Add the time zone, which some databases do not store."""
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount with two decimals.

    It is NUMERIC(12, 2) on a server. SQLite has no decimals and stores hundredths as an integer.
    Amounts can be compared, added, subtracted and multiplied by an integer; `func.sum` and
    `func.avg` work, and averages are rounded to two decimals. To other functions of SQLite an
    amount is its hundredths.
    """

    impl = Numeric(12, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the database."""
        return BigInteger() if dialect.name == "sqlite" else self.impl_instance

    def coerce_compared_value(self, op: object, value: object) -> TypeEngine[Any]:
        """Return the type of a literal: the factor of a multiplication is a plain integer.

        Raises:
            TypeError: The operation would give other results on SQLite.
        """
        if op is operators.mul and isinstance(value, int):
            return Integer()
        if op in {operators.mul, operators.truediv, operators.floordiv, operators.mod}:
            raise TypeError("an amount can only be multiplied by an integer")
        return self

    def process_bind_param(
        self, value: Decimal | int | None, dialect: Dialect
    ) -> Decimal | int | None:
        """Convert to the stored value.

        Raises:
            ValueError: The amount has more than two decimals.
        """
        if value is None:
            return None
        amount = Decimal(value).quantize(CENT)
        if amount != value:
            raise ValueError("an amount has at most two decimals")
        return int(amount.scaleb(2)) if dialect.name == "sqlite" else amount

    def process_result_value(
        self, value: Decimal | float | None, dialect: Dialect
    ) -> Decimal | None:
        """Convert from the stored value."""
        if value is None:
            return None
        amount = Decimal(value).scaleb(-2 if dialect.name == "sqlite" else 0)
        return amount.quantize(CENT, ROUND_HALF_UP)


class avg(ReturnTypeFromArgs[Any]):  # noqa: N801 `func.avg` is found by this name
    """`func.avg`, which is an amount if its argument is."""

    inherit_cache = True

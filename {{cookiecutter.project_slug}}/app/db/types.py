"""Column types that behave the same on every database."""

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Numeric
from sqlalchemy.sql import operators
from sqlalchemy.sql.functions import ReturnTypeFromArgs
from sqlalchemy.types import TypeDecorator, TypeEngine


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


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal number with up to 18 digits, `scale` of them after the point.

    It is NUMERIC on a server. SQLite has no decimals and stores an integer, for example hundredths.
    Numbers can be compared, added, subtracted and multiplied by an integer; `func.sum` and
    `func.avg` work, and averages are rounded. Other functions of SQLite receive the integer.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        """Create the type of a column with `precision` digits."""
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale
        self.unit = Decimal(1).scaleb(-scale)

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
            raise TypeError("a decimal can only be multiplied by an integer")
        return self

    def process_bind_param(
        self, value: Decimal | int | None, dialect: Dialect
    ) -> Decimal | int | None:
        """Convert to the stored value.

        Raises:
            ValueError: The number has more decimals than the column.
        """
        if value is None:
            return None
        number = Decimal(value).quantize(self.unit)
        if number != value:
            raise ValueError(f"the column has {self.scale} decimals")
        return int(number.scaleb(self.scale)) if dialect.name == "sqlite" else number

    def process_result_value(
        self, value: Decimal | float | None, dialect: Dialect
    ) -> Decimal | None:
        """Convert from the stored value."""
        if value is None:
            return None
        number = Decimal(value).scaleb(-self.scale if dialect.name == "sqlite" else 0)
        return number.quantize(self.unit, ROUND_HALF_UP)


class avg(ReturnTypeFromArgs[Any]):  # noqa: N801 `func.avg` is found by this name
    """`func.avg`, which has the type of its argument."""

    inherit_cache = True

"""Types of fields in request bodies."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainValidator


def decimal_string(precision: int, scale: int) -> PlainValidator:
    """Return a validator that accepts a string such as `9.90` for a column `ExactDecimal`.

    JSON numbers are not accepted, because most clients round them, nor are negative numbers.
    """
    digits, unit = precision - scale, Decimal(1).scaleb(-scale)
    example = str(Decimal(1).quantize(unit))
    pattern = r"^[0-9]{1," f"{digits}" r"}(\.[0-9]{1," f"{scale}" "})?$"

    def parse(value: object) -> Decimal:
        if not (isinstance(value, str) and re.fullmatch(pattern, value)):
            raise ValueError(f"must be a string such as {example}")
        return Decimal(value).quantize(unit)

    text = Annotated[str, Field(pattern=pattern, max_length=precision + 1, examples=[example])]
    return PlainValidator(parse, json_schema_input_type=text)

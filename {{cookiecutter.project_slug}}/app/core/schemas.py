"""The base class of request schemas."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

# Control characters except tab and line ends, lone surrogates, and the replacement character:
# databases, terminals and encoders treat each of them differently.
UNSAFE = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd"
UNSAFE_TEXT = re.compile(rf"[{UNSAFE}\ud800-\udfff]")

# Tells the OpenAPI document which text `RequestSchema` accepts.
Text = Annotated[str, Field(json_schema_extra={"pattern": f"^[^{UNSAFE}]*$"})]


def contains_unsafe_text(value: object) -> bool:
    """Return whether a validated value is, or contains, a string with unsafe characters."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if UNSAFE_TEXT.search(item):
                return True
        elif isinstance(item, dict):
            pending += [*item, *item.values()]
        elif isinstance(item, (list, tuple, set, frozenset)):
            pending += item
    return False


class RequestSchema(BaseModel):
    """A request body or query string: no unknown fields, no unsafe text, finite numbers only."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def reject_unsafe_text(cls, value: object) -> object:
        """Accept only text that can be stored and displayed everywhere.

        Raises:
            ValueError: A string contains a control character or a lone surrogate.
        """
        if contains_unsafe_text(value):
            raise ValueError("must not contain control characters")
        return value

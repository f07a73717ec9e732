"""What every schema of a request shares."""

import re

from pydantic import BaseModel, ConfigDict, field_validator

# Control characters other than tab and line ends, and halves of surrogate pairs: databases,
# terminals and encoders each treat them in another way.
UNSAFE_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class RequestSchema(BaseModel):
    """A request body: unknown fields, unsafe text and numbers that are not JSON are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def refuse_unsafe_text(cls, value: object) -> object:
        """Return the value, a text or a list of them, if it can be stored and shown anywhere."""
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and UNSAFE_TEXT.search(text) for text in texts):
            raise ValueError("must not contain control characters")
        return value

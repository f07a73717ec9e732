"""What every schema of a request shares."""

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, field_validator

# Control characters other than tab and line ends, halves of surrogate pairs, and what decoders put
# for them: databases, terminals and encoders each treat them in another way.
UNSAFE_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


def find_texts(value: object) -> Iterator[str]:
    """Yield every text in a document of JSON, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from find_texts([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from find_texts(item)


class RequestSchema(BaseModel):
    """A request's body or query: no unknown fields, unsafe text, or numbers that are not JSON."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def refuse_unsafe_text(cls, value: object) -> object:
        """Return the value if all its texts can be stored and shown anywhere."""
        if any(UNSAFE_TEXT.search(text) for text in find_texts(value)):
            raise ValueError("must not contain control characters")
        return value

"""What goes in and out over HTTP."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# ISO 3166-1 alpha-2
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class QuoteCreate(BaseModel):
    """The parcel to be sent."""

    model_config = ConfigDict(extra="forbid")

    weight_grams: int = Field(ge=1, le=30_000)


class QuoteRead(BaseModel):
    """A price and what it was computed from."""

    country: Country
    express: bool
    weight_grams: int
    price: Decimal
    currency: Literal["EUR"] = "EUR"

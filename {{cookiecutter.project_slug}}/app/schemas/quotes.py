"""Request and response bodies of the quotes."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from app.core.schemas import RequestSchema


class QuoteCreate(RequestSchema):
    """A parcel to send."""

    weight_grams: Annotated[int, Field(strict=True, ge=1, le=30_000, examples=[1200])]


class QuoteRead(BaseModel):
    """The price of a parcel."""

    country: Annotated[str, Field(examples=["DE"])]
    express: bool
    weight_grams: int
    price: Annotated[Decimal, Field(examples=["14.80"])]
    currency: str

"""Shipping quotes, a resource without a store: shapes, routes and rules."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.core.errors import BusinessRuleError, Problem
from app.core.schemas import RequestSchema

EXPRESS_MAX_GRAMS = 10_000
Country = Annotated[
    str, Path(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["DE"])
]

router = APIRouter(prefix="/quotes", tags=["quotes"])


class QuoteCreate(RequestSchema):
    """A parcel to be priced."""

    weight_grams: Annotated[int, Field(strict=True, ge=1, le=30_000, examples=[1200])]


class QuoteRead(BaseModel):
    """The price of a parcel."""

    country: Annotated[str, Field(examples=["DE"])]
    express: bool
    weight_grams: int
    price: Annotated[Decimal, Field(examples=["14.80"])]
    currency: str


@router.post("/{country}", responses={400: {"model": Problem}})
async def create_quote(country: Country, parcel: QuoteCreate, express: bool = False) -> QuoteRead:
    """Price a parcel to a country."""
    return quote_parcel(country, parcel.weight_grams, express=express)


def quote_parcel(country: str, weight_grams: int, *, express: bool) -> QuoteRead:
    """Return the quote in euros; BusinessRuleError if an express parcel weighs over 10 kg."""
    if express and weight_grams > EXPRESS_MAX_GRAMS:
        raise BusinessRuleError("Express is not offered above 10 kg.")
    price = (Decimal("4.90") + Decimal("0.00125") * weight_grams) * (2 if express else 1)
    return QuoteRead(
        country=country,
        express=express,
        weight_grams=weight_grams,
        price=price.quantize(Decimal("0.01")),
        currency="EUR",
    )

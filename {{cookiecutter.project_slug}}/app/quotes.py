"""Shipping quotes, a resource without a database: schemas, business rules and routes."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from app.core.errors import BusinessRuleError, problems
from app.core.schemas import RequestSchema

EXPRESS_MAX_GRAMS = 10_000
Country = Annotated[
    str, Path(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code.", examples=["DE"])
]
Express = Annotated[bool, Query(description="Deliver on the next day, for twice the price.")]
RULE = problems(400, description="An express parcel weighs more than 10 kg.")

router = APIRouter(prefix="/quotes", tags=["quotes"])


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


def quote_parcel(country: str, weight_grams: int, *, express: bool) -> QuoteRead:
    """Return the price of a parcel in euros.

    Raises:
        BusinessRuleError: An express parcel weighs more than 10 kg.
    """
    if express and weight_grams > EXPRESS_MAX_GRAMS:
        raise BusinessRuleError("Express is not available above 10 kg.")
    price = (Decimal("4.90") + Decimal("0.00125") * weight_grams) * (2 if express else 1)
    return QuoteRead(
        country=country,
        express=express,
        weight_grams=weight_grams,
        price=price.quantize(Decimal("0.01")),
        currency="EUR",
    )


@router.post("/{country}", responses=RULE)
async def create_quote(country: Country, data: QuoteCreate, express: Express = False) -> QuoteRead:
    """Return the price of a parcel to a country."""
    return quote_parcel(country, data.weight_grams, express=express)

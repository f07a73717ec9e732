"""Routes of the shipping quotes, a resource without a database."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.core.errors import problems
from app.schemas.quotes import QuoteCreate, QuoteRead
from app.services.quotes import quote_parcel

Country = Annotated[
    str, Path(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code.", examples=["DE"])
]
Express = Annotated[bool, Query(description="Deliver on the next day, for twice the price.")]
RULE = problems(400, description="An express parcel weighs more than 10 kg.")

router = APIRouter(prefix="/quotes", tags=["quotes"])


@router.post("/{country}", responses=RULE)
async def create_quote(country: Country, data: QuoteCreate, express: Express = False) -> QuoteRead:
    """Return the price of a parcel to a country."""
    return quote_parcel(country, data.weight_grams, express=express)

"""The routes of shipping quotes, a resource without a store."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.core.errors import Problem
from app.schemas.quotes import QuoteCreate, QuoteRead
from app.services.quotes import quote_parcel

Country = Annotated[
    str, Path(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["DE"])
]

router = APIRouter(prefix="/quotes", tags=["quotes"])


@router.post("/{country}", responses={400: {"model": Problem}})
async def create_quote(country: Country, parcel: QuoteCreate, express: bool = False) -> QuoteRead:
    """Price a parcel to a country."""
    return quote_parcel(country, parcel.weight_grams, express=express)

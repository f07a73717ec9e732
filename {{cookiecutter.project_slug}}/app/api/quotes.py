"""The routes of the quotes."""

from fastapi import APIRouter

from app.schemas.quotes import Country, QuoteCreate, QuoteRead
from app.services.quotes import price_parcel

router = APIRouter(prefix="/quotes", tags=["quotes"])


@router.post("/{country}")
async def create_quote(country: Country, body: QuoteCreate, *, express: bool = False) -> QuoteRead:
    """Say what a parcel to a country costs."""
    return price_parcel(country, body, express=express)

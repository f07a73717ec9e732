"""Shipping quotes: the routes and the rules behind them."""

from decimal import Decimal

from fastapi import APIRouter

from app.schemas import Country, QuoteCreate, QuoteRead

BASE_PRICE = Decimal("4.50")
PRICE_PER_KILOGRAM = Decimal("1.20")
EXPRESS_FACTOR = 2

router = APIRouter(prefix="/quotes", tags=["quotes"])


@router.post("/{country}")
async def create_quote(country: Country, body: QuoteCreate, *, express: bool = False) -> QuoteRead:
    """Say what a parcel to a country costs."""
    return price_parcel(country, body, express=express)


def price_parcel(country: str, parcel: QuoteCreate, *, express: bool) -> QuoteRead:
    """Return the price in euros, rounded to the cent."""
    price = BASE_PRICE + PRICE_PER_KILOGRAM * parcel.weight_grams / 1000
    if express:
        price *= EXPRESS_FACTOR
    return QuoteRead(
        country=country,
        express=express,
        weight_grams=parcel.weight_grams,
        price=price.quantize(Decimal("0.01")),
    )

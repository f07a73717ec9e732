"""The rules of the quotes."""

from decimal import Decimal

from app.schemas.quotes import QuoteCreate, QuoteRead

BASE_PRICE = Decimal("4.50")
PRICE_PER_KILOGRAM = Decimal("1.20")
EXPRESS_FACTOR = 2


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

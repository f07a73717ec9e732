"""Business rules for shipping quotes."""

from decimal import Decimal

from app.core.errors import BusinessRuleError
from app.schemas.quotes import QuoteRead

EXPRESS_MAX_GRAMS = 10_000


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

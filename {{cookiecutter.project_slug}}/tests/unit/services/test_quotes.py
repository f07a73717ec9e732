from decimal import Decimal

import pytest

from app.schemas.quotes import QuoteCreate
from app.services.quotes import price_parcel


@pytest.mark.parametrize(
    ("weight_grams", "express", "price"),
    [
        pytest.param(1000, False, "5.70", id="one kilogram"),
        pytest.param(1000, True, "11.40", id="express doubles it"),
        pytest.param(1, False, "4.50", id="rounded to the cent"),
    ],
)
def test_price_grows_with_weight_and_speed(weight_grams: int, price: str, *, express: bool) -> None:
    quote = price_parcel("DE", QuoteCreate(weight_grams=weight_grams), express=express)

    assert quote.price == Decimal(price)

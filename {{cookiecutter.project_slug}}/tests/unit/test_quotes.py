"""Tests of the price rules."""

from decimal import Decimal

import pytest

from app.core.errors import BusinessRuleError
from app.quotes import quote_parcel


@pytest.mark.parametrize(
    ("weight_grams", "express", "price"),
    [(1, False, "4.90"), (1000, False, "6.15"), (1000, True, "12.30"), (30_000, False, "42.40")],
)
def test_price_depends_on_weight_and_doubles_for_express(
    weight_grams: int, express: bool, price: str
) -> None:
    assert quote_parcel("DE", weight_grams, express=express).price == Decimal(price)


def test_express_above_ten_kilograms_is_refused() -> None:
    assert quote_parcel("DE", 10_000, express=True)
    with pytest.raises(BusinessRuleError):
        quote_parcel("DE", 10_001, express=True)

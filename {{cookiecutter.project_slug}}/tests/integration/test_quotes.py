"""Tests of the quote endpoint."""

from httpx2 import AsyncClient

from tests.problems import check_problem

QUOTE_URL = "/api/v1/quotes/DE"


class TestCreateQuote:
    async def test_returns_quote(self, user_client: AsyncClient) -> None:
        response = await user_client.post(f"{QUOTE_URL}?express=true", json={"weight_grams": 1200})

        assert response.status_code == 200
        assert response.json() == {
            "country": "DE",
            "express": True,
            "weight_grams": 1200,
            "price": "12.80",
            "currency": "EUR",
        }

    async def test_express_above_ten_kilograms_returns_400(self, user_client: AsyncClient) -> None:
        response = await user_client.post(
            f"{QUOTE_URL}?express=true", json={"weight_grams": 10_001}
        )

        problem = check_problem(response, 400, "BUSINESS_RULE_VIOLATED")
        assert problem.detail == "Express is not available above 10 kg."

    async def test_invalid_country_returns_422(self, user_client: AsyncClient) -> None:
        response = await user_client.post("/api/v1/quotes/de", json={"weight_grams": 1})

        check_problem(response, 422, "VALIDATION_ERROR")

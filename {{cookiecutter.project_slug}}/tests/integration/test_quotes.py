import pytest
from httpx2 import AsyncClient

QUOTE = "/api/v1/quotes/DE"


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


async def test_a_quote(client: AsyncClient) -> None:
    answer = await client.post(f"{QUOTE}?express=true", json={"weight_grams": 1200})

    assert answer.status_code == 200
    assert answer.json() == {
        "country": "DE",
        "express": True,
        "weight_grams": 1200,
        "price": "12.80",
        "currency": "EUR",
    }


async def test_express_above_ten_kilograms_breaks_a_rule(client: AsyncClient) -> None:
    answer = await client.post(f"{QUOTE}?express=true", json={"weight_grams": 10_001})

    assert (answer.status_code, answer.json()["code"]) == (400, "BUSINESS_RULE_VIOLATED")
    assert answer.json()["detail"] == "Express is not offered above 10 kg."


async def test_a_country_is_two_capitals(client: AsyncClient) -> None:
    answer = await client.post("/api/v1/quotes/de", json={"weight_grams": 1})

    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")


async def test_the_document_declares_what_a_quote_can_answer(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    responses = document["paths"]["/api/v1/quotes/{country}"]["post"]["responses"]
    assert {"200", "400", "413", "422", "default"} == set(responses)

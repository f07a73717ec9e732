import pytest
from httpx2 import AsyncClient


async def test_quote_gives_the_price_of_a_parcel(client: AsyncClient) -> None:
    response = await client.post("/api/v1/quotes/DE", json={"weight_grams": 2500})

    assert response.status_code == 200
    assert response.json() == {
        "country": "DE",
        "express": False,
        "weight_grams": 2500,
        "price": "7.50",
        "currency": "EUR",
    }


async def test_express_costs_more(client: AsyncClient) -> None:
    response = await client.post("/api/v1/quotes/DE?express=true", json={"weight_grams": 2500})

    assert response.json()["express"] is True
    assert response.json()["price"] == "15.00"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("de", {"weight_grams": 1}, id="country in lower case"),
        pytest.param("DEU", {"weight_grams": 1}, id="country of three letters"),
        pytest.param("DE?express=perhaps", {"weight_grams": 1}, id="express is no boolean"),
        pytest.param("DE", {}, id="weight missing"),
        pytest.param("DE", {"weight_grams": 0}, id="weight too small"),
        pytest.param("DE", {"weight_grams": 30_001}, id="weight too large"),
        pytest.param("DE", {"weight_grams": 1, "colour": "red"}, id="unknown field"),
    ],
)
async def test_bad_input_is_refused(
    client: AsyncClient, path: str, body: dict[str, object]
) -> None:
    response = await client.post(f"/api/v1/quotes/{path}", json=body)

    assert response.status_code == 422

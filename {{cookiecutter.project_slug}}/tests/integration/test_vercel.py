from httpx2 import ASGITransport, AsyncClient


async def test_function_without_lifespan_starts_with_its_first_request() -> None:
    import index  # noqa: PLC0415 reads the settings, as Vercel's runtime has it do

    async with AsyncClient(
        transport=ASGITransport(index.app), base_url="http://localhost"
    ) as client:
        assert not index.app.has_started
        response = await client.get("/api/v1/health")
        assert response.status_code == 200
        assert index.app.has_started
        await index.app.resources.aclose()

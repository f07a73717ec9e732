from limits import RateLimitItemPerHour

from app.core.rate_limit import RateLimiterDep
from tests.clients import MakeApp, connect


async def test_client_over_limit_gets_429_except_for_probes(make_app: MakeApp) -> None:
    origin = {"Origin": "https://good.example"}
    async with connect(make_app(rate_limit_per_minute=2)) as client:
        responses = [await client.get("/nowhere", headers=origin) for _ in range(3)]
        health = await client.get("/api/v1/health")

    assert [response.status_code for response in responses] == [404, 404, 429]
    assert responses[-1].json()["code"] == "RATE_LIMITED"
    assert 1 <= int(responses[-1].headers["retry-after"]) <= 60
    assert responses[-1].headers["access-control-allow-origin"] == origin["Origin"]
    assert health.status_code == 200


async def test_route_can_limit_by_its_own_key(make_app: MakeApp) -> None:
    app = make_app()

    @app.post("/login/{name}")
    async def log_in(name: str, limiter: RateLimiterDep) -> None:
        await limiter.hit(f"login:{name}", RateLimitItemPerHour(1))

    async with connect(app) as client:
        responses = [await client.post(f"/login/{name}") for name in "aab"]

    assert [response.status_code for response in responses] == [200, 429, 200]

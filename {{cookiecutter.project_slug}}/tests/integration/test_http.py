"""Tests of the HTTP layer: HEAD, security headers, hosts, documentation."""

import gc
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from httpx2 import AsyncClient

from app.main import create_app
from tests.clients import MakeApp, connect

HEALTH = "/api/v1/health"


class TestHeaders:
    async def test_head_returns_headers_of_get_without_body(self, client: AsyncClient) -> None:
        get, head = await client.get(HEALTH), await client.head(HEALTH)

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]

    async def test_response_has_security_headers(self, client: AsyncClient) -> None:
        for url in (HEALTH, "/nowhere"):
            headers = (await client.get(url)).headers

            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "strict-transport-security" not in headers

    async def test_https_response_has_strict_transport_security(self, client: AsyncClient) -> None:
        response = await client.get("https://localhost/nowhere")

        expected = "max-age=63072000; includeSubDomains"
        assert response.headers["strict-transport-security"] == expected


class TestHosts:
    async def test_unknown_host_returns_400_except_for_probes(self, client: AsyncClient) -> None:
        headers = {"Host": "evil.example"}

        response = await client.get("/nowhere", headers=headers)

        assert (response.status_code, response.json()["code"]) == (400, "INVALID_HOST")
        assert (await client.get(HEALTH, headers=headers)).status_code == 200

    async def test_allowed_hosts_match_subdomains_and_ports(self, make_app: MakeApp) -> None:
        hosts = ["API.example.com:8443", "a.b.example.org", "evil-example.org"]

        async with connect(make_app(allowed_hosts=["api.example.com", "*.example.org"])) as client:
            responses = [await client.get("/nowhere", headers={"Host": host}) for host in hosts]

        assert [response.status_code for response in responses] == [404, 404, 400]


class TestDocumentation:
    async def test_documentation_can_be_disabled(self, make_app: MakeApp) -> None:
        for is_enabled, status in ((True, 200), (False, 404)):
            async with connect(make_app(docs_enabled=is_enabled)) as client:
                for path in ("/docs", "/redoc", "/openapi.json"):
                    assert (await client.get(path)).status_code == status, path

    async def test_root_redirects_to_documentation(self, client: AsyncClient) -> None:
        response = await client.get("/")

        assert (response.status_code, response.headers["location"]) == (307, "/docs")

    async def test_operations_declare_their_errors(self, client: AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        operations = [item for path in document["paths"].values() for item in path.values()]
        identifiers = [operation["operationId"] for operation in operations]
        assert len(set(identifiers)) == len(identifiers)
        for operation in operations:
            assert operation["tags"]
            assert {*operation["responses"]["default"]["content"]} == {"application/problem+json"}
            assert all(item["description"] for item in operation.get("parameters", []))
            if "requestBody" in operation:
                assert {"413", "422"} < set(operation["responses"])
        assert "HTTPValidationError" not in document["components"]["schemas"]


class TestApplication:
    def test_dependencies_are_async(self, app: FastAPI) -> None:
        """A plain `def` dependency would cost every request a thread switch of about 170 µs."""
        routes = [context.route for context in iter_route_contexts(app.routes)]
        pending = [route.dependant for route in routes if isinstance(route, APIRoute)]
        dependencies = []
        while pending:
            dependant = pending.pop()
            pending += dependant.dependencies
            dependencies += [dependant.call] if isfunction(dependant.call) else []

        assert dependencies
        for function in dependencies:
            assert iscoroutinefunction(function) or isasyncgenfunction(function), function

    def test_application_reads_environment(
        self, monkeypatch: pytest.MonkeyPatch, log_lines: object
    ) -> None:
        monkeypatch.setenv("ENVIRONMENT", "test")
        monkeypatch.setenv("ALLOWED_HOSTS", "api.example.com")

        assert create_app().state.settings.allowed_hosts == ["api.example.com"]
        assert gc.get_freeze_count()
        gc.unfreeze()

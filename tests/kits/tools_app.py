"""A service with a tool that an owner may add, run by the project's own Python.

The first argument selects a function below, whose result is printed as a line of JSON.
"""

# ruff: noqa: PLC0415 (only one of these packages is installed at a time)

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from app.core.logging import configure_logging
from app.main import create_app
from app.settings import Settings
from fastapi import FastAPI, Request, WebSocket
from httpx2 import ASGITransport, AsyncClient, Response


class KitFaultError(Exception):
    """The exception that the tools must see."""


def build(**settings: Any) -> FastAPI:  # noqa: ANN401 any setting
    """Return the application with a route that fails."""
    configure_logging()
    app = create_app(Settings(_env_file=None, environment="test", **settings))

    @app.get("/crash")
    async def crash() -> None:
        raise KitFaultError

    return app


async def ask(app: FastAPI, path: str = "/crash", **headers: str) -> Response:
    """Return the response of the running application."""
    transport = ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        return await client.get(path, headers=headers)


def use_sentry() -> dict[str, Any]:
    """Return the events that Sentry's SDK sends."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    events: list[Any] = []

    class RecordingTransport(Transport):
        def capture_envelope(self, envelope: Any) -> None:  # noqa: ANN401 of the SDK
            if event := envelope.get_event():
                events.append(event)

    sentry_sdk.init("https://key@sentry.invalid/1", transport=RecordingTransport)
    response = asyncio.run(ask(build()))
    sentry_sdk.flush()
    return {
        "request_id": response.headers["x-request-id"],
        "events": [
            {
                "exception": event["exception"]["values"][-1]["type"],
                "request_id": event["request"]["headers"]["x-request-id"],
            }
            for event in events
        ],
    }


def record_spans() -> Any:  # noqa: ANN401 of the SDK
    """Return an exporter that keeps the spans in memory."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def describe_spans(response: Response, exporter: Any) -> dict[str, Any]:  # noqa: ANN401 of the SDK
    """Return the spans that have an exception."""
    spans = exporter.get_finished_spans()
    return {
        "request_id": response.headers["x-request-id"],
        "spans": [
            {
                "exception": event.attributes["exception.type"].rpartition(".")[2],
                "request_id": span.attributes.get("http.request.header.x-request-id", [None])[0],
                "trace_id": f"{span.context.trace_id:032x}",
            }
            for span in spans
            for event in span.events
            if event.name == "exception"
        ],
    }


def use_native_telemetry() -> dict[str, Any]:
    """Trace with FastAPI's own telemetry."""
    exporter = record_spans()
    return describe_spans(asyncio.run(ask(build())), exporter)


def use_instrument_app() -> dict[str, Any]:
    """Trace with OpenTelemetry's instrumentation of one application, as Logfire does."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    exporter = record_spans()
    app = build()
    FastAPIInstrumentor.instrument_app(app)
    return describe_spans(asyncio.run(ask(app)), exporter)


def use_zero_code() -> dict[str, Any]:
    """Trace with zero-code instrumentation, which replaces FastAPI before the import."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    exporter = record_spans()
    FastAPIInstrumentor().instrument()
    return describe_spans(asyncio.run(ask(build())), exporter)


def use_logfire() -> dict[str, Any]:
    """Trace with Logfire."""
    import logfire
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    processors = [SimpleSpanProcessor(exporter)]
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=processors)
    app = build()
    logfire.instrument_fastapi(app)
    return describe_spans(asyncio.run(ask(app)), exporter)


def stream_from_database() -> dict[str, Any]:
    """Run the recipe for a streaming response of docs/database.md, as it stands."""
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.models import Item
    from fastapi import APIRouter
    from fastapi.responses import StreamingResponse
    from sqlalchemy import select

    guide = Path(os.environ["PYTHONPATH"], "docs", "database.md").read_text()
    (recipe,) = [block for block in guide.split("```") if "StreamingResponse" in block]
    app = build(database_url="sqlite:///stream.db", update_schema_on_startup=True)
    names = {
        "AsyncIterator": AsyncIterator,
        "Item": Item,
        "Request": Request,
        "StreamingResponse": StreamingResponse,
        "router": APIRouter(),
        "select": select,
    }
    exec(recipe.removeprefix("python\n"), names)  # noqa: S102 our own
    app.include_router(names["router"])

    async def create_and_stream() -> Response:
        async with app.router.lifespan_context(app):
            async with app.state.sessions.begin() as session:
                session.add_all(Item(sku=name, name=name, price=1) for name in ("cup", "mug"))
            async with AsyncClient(
                transport=ASGITransport(app), base_url="http://localhost"
            ) as client:
                return await client.get("/names")

    response = asyncio.run(create_and_stream())
    return {"status": response.status_code, "text": response.text}


def serve_html() -> None:
    """Serve an administration interface, and a frontend at its own prefix."""
    from pathlib import Path

    import uvicorn
    from sqladmin import Admin, ModelView
    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Planet(Base):
        __tablename__ = "planets"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class PlanetView(ModelView, model=Planet):
        column_list = [Planet.id, Planet.name]  # noqa: RUF012 as sqladmin documents it

    folder = Path("frontend")
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(
        "<!doctype html><title>Shop</title><main>blank</main><script src='main.js'></script>"
    )
    (folder / "main.js").write_text("document.querySelector('main').textContent = 'it runs'")
    engine = create_engine("sqlite:///planets.db")
    Base.metadata.create_all(engine)
    app = build()
    Admin(app, engine).add_view(PlanetView)
    app.frontend("/shop", directory=folder)
    uvicorn.run(app, port=int(os.environ["PORT"]), log_config=None)


def serve_project() -> None:
    """Run `manage serve`."""
    from app.cli.serve import serve

    serve(args=[])


def build_with_websocket() -> FastAPI:
    """Return the application with a WebSocket route."""
    app = build()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while (text := await websocket.receive_text()) != "end":
            await websocket.send_text(text)
        await websocket.close()

    return app


def talk() -> dict[str, Any]:
    """Send messages to the WebSocket at URL, and return what comes back."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    answers: list[str | bytes] = []
    with connect(os.environ["URL"]) as websocket:
        try:
            for text in ("one", "two", "end"):
                websocket.send(text)
                answers.append(websocket.recv(timeout=5))
        except ConnectionClosed as error:
            answers.append(f"closed {error.rcvd.code if error.rcvd else None}")
    return {"answers": answers}


def serve_websocket() -> None:
    """Run `manage serve` with a WebSocket route."""
    from app.cli import serve

    serve.APPLICATION = "tools_app:build_with_websocket"
    serve.serve(args=[])


if __name__ == "__main__":
    function: Callable[[], Any] = globals()[sys.argv[1]]
    print(json.dumps(function()))  # noqa: T201 read by the test

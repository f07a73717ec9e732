"""The application as Vercel's Python runtime loads it: the top-level `app`."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from structlog import get_logger

from app.core.errors import problem_response
from app.core.logging import configure_logging
from app.main import create_app
from app.settings import load_settings


class Function:
    """Runs the startup of a service before its first request.

    The platform is not relied on to run the lifespan, and never runs its end: it freezes a function
    between requests and stops it without notice.
    """

    def __init__(self, service: FastAPI) -> None:
        self.service = service
        self.resources = AsyncExitStack()
        self.starting = asyncio.Lock()
        self.has_started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or respond with 503 as long as the startup fails."""
        if scope["type"] != "http":
            return
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001 whatever the startup raises
            get_logger("app.vercel").error("startup_failed", error=type(error).__name__)
            await problem_response(503)(scope, receive, send)
        else:
            await self.service(scope, receive, send)

    async def start(self) -> None:
        """Run the startup unless it has succeeded before."""
        async with self.starting:
            if not self.has_started:
                lifespan = self.service.router.lifespan_context(self.service)
                await self.resources.enter_async_context(lifespan)
                self.has_started = True


settings = load_settings()
# {% if cookiecutter.database != "none" %}
# A function is frozen between requests, so it cannot keep connections open. It does not change the
# schema, since many functions start at the same time.
settings = settings.model_copy(update={"database_pool_size": 0, "update_schema_on_startup": False})
# {% endif %}
configure_logging(settings.log_level, local=settings.environment == "local")
app = Function(create_app(settings))

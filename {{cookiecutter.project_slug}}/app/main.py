"""The application factory, the only module that knows every part."""

import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import metadata
from typing import Any

# {% if cookiecutter.auth == "none" %}
from fastapi import FastAPI
# {% else %}
from fastapi import Depends, FastAPI
# {% endif %}
from starlette.types import Receive, Scope, Send

from app.api import router as resource_router
# {% if cookiecutter.auth != "none" %}
from app.auth import get_current_user
from app.auth import router as auth_router
# {% endif %}
from app.core import docs, health
from app.core.errors import ERROR_HANDLERS, Problem, document_problems
from app.core.logging import configure_logging
from app.core.middleware import list_middleware
# {% if cookiecutter.auth == "none" %}
from app.core.rate_limit import open_rate_limiter
# {% else %}
from app.core.redis_rate_limit import open_rate_limiter
# {% endif %}
from app.core.request_middleware import RequestMiddleware
from app.core.settings import DISTRIBUTION
from app.core.telemetry import load_telemetry_variables
# {% if cookiecutter.database != "none" %}
from app.db import errors as db_errors
from app.db.session import open_database
# {% endif %}
from app.settings import Settings, load_settings


class Service(FastAPI):
    """FastAPI wrapped in `RequestMiddleware`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 those of FastAPI
        super().__init__(**options)
        self.handle_request = RequestMiddleware(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.handle_request(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document with every error."""
        return document_problems(super().openapi())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open shared resources at startup and close them at shutdown."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        limiter = await stack.enter_async_context(open_rate_limiter(settings))
        app.state.rate_limiter = limiter
        # {% if cookiecutter.database != "none" %}
        await stack.enter_async_context(open_database(app, settings))
        # {% endif %}
        yield


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application.

    Without `settings`, load them and configure logging and telemetry for the process.

    Raises:
        SettingsError: A setting is missing or invalid.
    """
    if settings is None:
        # Otherwise garbage collection passes over all modules, which takes 100 ms.
        gc.freeze()
        settings = load_settings()
        load_telemetry_variables(Settings)
        configure_logging(settings.log_level, local=settings.environment == "local")
    about = metadata(DISTRIBUTION)
    app = Service(
        title=DISTRIBUTION.replace("-", " ").title(),
        version=about["Version"],
        description=about["Summary"],
        debug=settings.debug,
        lifespan=lifespan,
        openapi_url=docs.OPENAPI_URL if settings.docs_enabled else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=list_middleware(settings),
        exception_handlers=ERROR_HANDLERS,
        responses={"default": {"model": Problem, "description": "Another error."}},
        generate_unique_id_function=lambda route: route.name,
        # Without log records, which contain the messages of exceptions.
        telemetry={"auto_configure": True, "logs": False},
    )
    app.state.settings = settings
    app.state.readiness_checks = {}
    # {% if cookiecutter.database != "none" %}
    app.exception_handlers.update(db_errors.ERROR_HANDLERS)
    # {% endif %}
    app.include_router(health.router, prefix=health.API_PREFIX)
    # {% if cookiecutter.auth == "none" %}
    app.include_router(resource_router, prefix=health.API_PREFIX)
    # {% else %}
    app.include_router(
        resource_router,
        prefix=health.API_PREFIX,
        dependencies=[Depends(get_current_user)],
        responses={status: {"model": Problem} for status in (400, 401)},
    )
    app.include_router(auth_router)
    # {% endif %}
    if settings.docs_enabled:
        app.include_router(docs.router)
    return app

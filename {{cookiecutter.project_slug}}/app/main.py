"""The composition root: puts the parts together, and is the only module that knows them all."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from importlib.metadata import metadata
from typing import Any

# {% if cookiecutter.auth == "none" %}
from fastapi import FastAPI
# {% else %}
from fastapi import Depends, FastAPI
# {% endif %}
from starlette.types import Receive, Scope, Send

# {% if cookiecutter.structure == "modular" %}
from app import api
# {% elif cookiecutter.database == "none" %}
from app import quotes
# {% else %}
from app import items
# {% endif %}
# {% if cookiecutter.auth != "none" %}
from app.auth import get_current_user
from app.auth import router as auth_router
# {% endif %}
from app.core import docs, health
from app.core.errors import ERROR_HANDLERS, Problem, document_problems
from app.core.logging import configure_logging
from app.core.middleware import RequestMiddleware, list_middleware
from app.core.rate_limit import RateLimiter
from app.core.settings import DISTRIBUTION
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
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what must be closed again, and close it."""
    settings: Settings = app.state.settings
    redis_url = str(settings.redis_url.get_secret_value()) if settings.redis_url else None
    async with AsyncExitStack() as stack:
        limiter = await stack.enter_async_context(aclosing(RateLimiter(DISTRIBUTION, redis_url)))
        app.state.rate_limiter = limiter
        # {% if cookiecutter.database != "none" %}
        await stack.enter_async_context(open_database(app, settings))
        # {% endif %}
        yield


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application.

    Without `settings` it is the application of this process: it reads the settings and takes over
    the log. Raises SettingsError.
    """
    if settings is None:
        settings = load_settings()
        configure_logging(settings.log_level, local=settings.environment == "local")
    about = metadata(DISTRIBUTION)
    app = Service(
        title=DISTRIBUTION,
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
        responses={"default": {"model": Problem}},
        generate_unique_id_function=lambda route: route.name,
        # Not its logs: they hold the messages of exceptions.
        telemetry={"auto_configure": settings.otel_enabled, "logs": False},
    )
    app.state.settings = settings
    app.state.readiness_checks = {}
    # {% if cookiecutter.database != "none" %}
    app.exception_handlers.update(db_errors.ERROR_HANDLERS)
    # {% endif %}
    app.include_router(health.router, prefix=health.API_PREFIX)
    # {% if cookiecutter.structure == "modular" %}
    resources = api.router
    # {% elif cookiecutter.database == "none" %}
    resources = quotes.router
    # {% else %}
    resources = items.router
    # {% endif %}
    # {% if cookiecutter.auth == "none" %}
    app.include_router(resources, prefix=health.API_PREFIX)
    # {% else %}
    known_callers = [Depends(get_current_user)]
    app.include_router(resources, prefix=health.API_PREFIX, dependencies=known_callers)
    app.include_router(auth_router)
    # {% endif %}
    if settings.docs_enabled:
        app.include_router(docs.router)
    return app

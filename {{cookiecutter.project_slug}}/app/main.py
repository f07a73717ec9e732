"""The application factory, the only module that knows every part."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import metadata
from typing import Any

# {% if cookiecutter.auth == "none" %}
from fastapi import FastAPI
# {% else %}
from fastapi import Depends, FastAPI
# {% endif %}
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import Receive, Scope, Send

from app.api import router as resource_router
# {% if cookiecutter.auth != "none" %}
from app.auth import get_current_user
from app.auth import router as auth_router
# {% endif %}
from app.core import docs, health
from app.core.compression import CompressionMiddleware
# {% if cookiecutter.auth == "none" %}
from app.core.errors import ERROR_HANDLERS, document_problems
# {% else %}
from app.core.errors import ERROR_HANDLERS, document_problems, problems
# {% endif %}
from app.core.logging import configure_logging
from app.core.middleware import wrap
# {% if cookiecutter.auth != "none" %}
from app.core.rate_limit import RateLimitMiddleware
# {% endif %}
from app.core.settings import API_PREFIX, SERVICE_NAME
# {% if cookiecutter.__server == "yes" %}
from app.core.telemetry import TelemetryMiddleware, load_telemetry_variables
# {% endif %}
# {% if cookiecutter.database != "none" %}
from app.db import errors as db_errors
from app.db.session import open_database
# {% endif %}
from app.settings import Settings, load_settings


class Service(FastAPI):
    """The application in middleware that sees its error responses, too.

    Its OpenAPI document lists every error.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:  # noqa: ANN401 those of FastAPI
        super().__init__(**options)
        self.state.settings = settings
        self.state.readiness_checks = {}
        self.handle_request = wrap(super().__call__, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.handle_request(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return document_problems(super().openapi())


# {% if cookiecutter.database == "none" %}
@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Open shared resources at startup, before `yield`, and close them at shutdown."""
    yield


# {% else %}
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open shared resources at startup and close them at shutdown."""
    async with open_database(app, app.state.settings):
        yield


# {% endif %}
def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application.

    Without `settings`, load them and configure the process.

    Raises:
        SettingsError: A setting is missing or invalid.
    """
    if settings is None:
        # Exclude what is imported from garbage collection: a full pass over it takes 100 ms.
        gc.freeze()
        settings = load_settings()
        configure_logging(settings.log_level, local=settings.environment == "local")
        # {% if cookiecutter.__server == "yes" %}
        load_telemetry_variables()
        # {% endif %}
    about = metadata(SERVICE_NAME)
    app = Service(
        settings,
        title=SERVICE_NAME.replace("-", " ").title(),
        version=about["Version"],
        description=about["Summary"],
        lifespan=lifespan,
        openapi_url=docs.OPENAPI_URL if settings.docs_enabled else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=ERROR_HANDLERS,
        responses={"default": {"description": "Any other error."}},
        generate_unique_id_function=lambda route: route.name,
        # {% if cookiecutter.__server == "yes" %}
        # Without log records, which contain the messages of exceptions.
        telemetry={"auto_configure": True, "logs": False},
        # {% endif %}
    )
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(CompressionMiddleware)
    # {% if cookiecutter.__server == "yes" %}
    app.add_middleware(TelemetryMiddleware)
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    app.exception_handlers.update(db_errors.ERROR_HANDLERS)
    # {% endif %}
    app.include_router(health.router, prefix=API_PREFIX)
    # {% if cookiecutter.auth == "none" %}
    app.include_router(resource_router, prefix=API_PREFIX)
    # {% else %}
    if settings.rate_limit_per_minute:
        app.add_middleware(RateLimitMiddleware, per_minute=settings.rate_limit_per_minute)
    app.include_router(
        resource_router,
        prefix=API_PREFIX,
        dependencies=[Depends(get_current_user)],
        responses=problems(400, 401),
    )
    app.include_router(auth_router)
    # {% endif %}
    if settings.docs_enabled:
        app.include_router(docs.router)
    return app

"""The composition root: the only module that knows every part."""

from importlib.metadata import metadata

from fastapi import FastAPI

# {% if cookiecutter.structure == "modular" %}
from app import api
# {% else %}
from app import quotes
# {% endif %}
from app.core import health
from app.core.config import Settings

API_PREFIX = "/api/v1"


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: Taken from the environment when not given.

    Raises:
        pydantic.ValidationError: A setting is missing or has a bad value.
    """
    settings = settings or Settings()
    about = metadata("{{ cookiecutter.project_slug }}")
    app = FastAPI(
        title=about["Name"],
        version=about["Version"],
        description=about["Summary"],
        debug=settings.debug,
        redirect_slashes=False,
    )
    app.include_router(health.router, prefix=API_PREFIX)
    # {% if cookiecutter.structure == "modular" %}
    app.include_router(api.router, prefix=API_PREFIX)
    # {% else %}
    app.include_router(quotes.router, prefix=API_PREFIX)
    # {% endif %}
    return app

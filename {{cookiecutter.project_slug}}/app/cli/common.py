"""Functions that several commands use."""

import sys
from typing import Never

from pydantic_settings import SettingsError
from structlog import get_logger

from app.core.logging import configure_logging
from app.settings import Settings, load_settings


def prepare() -> Settings:
    """Configure logging and return the settings, or exit with status 1 if they are invalid."""
    try:
        settings = load_settings()
    except SettingsError as error:
        fail(str(error))
    configure_logging(settings.log_level, local=settings.environment == "local")
    return settings


def fail(reason: str, event: str = "invalid_settings") -> Never:
    """Log the reason in one line and exit with status 1."""
    configure_logging()
    get_logger("app.cli").critical(event, reason=reason)
    sys.exit(1)

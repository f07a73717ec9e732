"""How a command begins."""

import sys
from typing import Never

from pydantic_settings import SettingsError
from structlog import get_logger

from app.core.config import Settings, load_settings
from app.core.logging import configure_logging


def prepare() -> Settings:
    """Take over the log and return the settings, or say in one line why they are not valid."""
    try:
        settings = load_settings()
    except SettingsError as error:
        refuse(str(error))
    configure_logging(settings.log_level, local=settings.environment == "local")
    return settings


def refuse(reason: str) -> Never:
    """Say in one line of the log why there is no start, and exit with status 1."""
    configure_logging()
    get_logger("app.cli").critical("invalid_settings", reason=reason)
    sys.exit(1)

"""OpenTelemetry, which FastAPI exports if `OTEL_EXPORTER_OTLP_ENDPOINT` is set."""

import os

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from app.core.settings import DISTRIBUTION


def load_telemetry_variables(settings_class: type[BaseSettings]) -> None:
    """Copy the `OTEL_*` variables of `.env` to the environment, where OpenTelemetry reads them.

    The service is named after the project unless `OTEL_SERVICE_NAME` is set.
    """
    variables = DotEnvSettingsSource(settings_class).env_vars
    for name, value in variables.items():
        if name.startswith("otel_") and value:
            os.environ.setdefault(name.upper(), value)
    os.environ.setdefault("OTEL_SERVICE_NAME", DISTRIBUTION)

"""Settings of the HTTP service. `app.settings` combines them with those of the other parts."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, IPvAnyNetwork, PositiveInt, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SERVICE_NAME = "{{ cookiecutter.project_slug }}"
API_PREFIX = "/api/v1"
PLACEHOLDER = re.compile(
    r"(?<![a-z])change[-_ ]?(me|this)(?![a-z])|placeholder|:(secret|password)@", re.IGNORECASE
)

T = TypeVar("T")


def split_items(value: object) -> object:
    """Split `a, b` (CSV) or `["a", "b"]` (JSON) into a list and return other types unchanged."""
    if not isinstance(value, str):
        return value
    if value.startswith("["):
        with suppress(ValueError):  # it may be an IPv6 address
            return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


CommaSeparated = Annotated[list[T], NoDecode, BeforeValidator(split_items)]
HostName = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$")]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.\[\]:-]+)$")]
RootPath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")]


class CoreSettings(BaseSettings):
    """Settings that every service has."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    environment: Literal["local", "test", "staging", "production"] = "local"
    """Environment: local, test, staging or production. The last two refuse unsafe values."""
    debug: bool = False
    """Send tracebacks to the client. Only with ENVIRONMENT=local."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest logged level: DEBUG, INFO, WARNING or ERROR."""
    docs_enabled: bool = Field(
        default_factory=lambda known: known["environment"] in ("local", "test")
    )
    """Serve /docs, /redoc and /openapi.json. Default: only locally and in tests."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on."""
    # {% if cookiecutter.__server == "yes" %}
    workers: int = Field(default=1, ge=1, le=64)
    """Number of worker processes."""
    shutdown_timeout: int = Field(default=20, ge=1, le=3600)
    """Seconds that requests in flight have to finish after SIGTERM."""
    # {% endif %}

    root_path: RootPath = ""
    """Path prefix that a proxy removes, such as /orders."""
    allowed_hosts: CommaSeparated[HostName] = ["localhost", "127.0.0.1", "[::1]"]
    """Host names of this service; *.example.com matches every subdomain."""
    cors_origins: CommaSeparated[Origin] = []
    """Origins of browser applications on other sites, as in https://app.example.com."""
    forwarded_allow_ips: CommaSeparated[IPvAnyNetwork] = []
    """Addresses or networks of proxies whose X-Forwarded-* headers are trusted."""
    max_body_bytes: PositiveInt = 64 * 1024
    """Largest accepted request body in bytes."""

    @property
    def is_deployed(self) -> bool:
        """Whether the service runs in staging or production."""
        return self.environment in ("staging", "production")

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        # The default names the local machine, which is never the host name of production.
        hosts = self.allowed_hosts if "allowed_hosts" in self.model_fields_set else []
        if not hosts or "*" in hosts:
            yield "ALLOWED_HOSTS: must list the host names of the service, without *"
        if "*" in self.cors_origins:
            yield "CORS_ORIGINS: must not be *"

    @model_validator(mode="after")
    def reject_unsafe_values(self) -> Self:
        """Report every unsafe value at once (OWASP ASVS 5.0, 13.4).

        Raises:
            ValueError: A value is not allowed in this environment.
        """
        messages = list(self.find_unsafe_values()) if self.is_deployed else []
        if self.debug and self.environment != "local":
            messages.insert(0, "DEBUG: only with ENVIRONMENT=local")
        if messages:
            raise ValueError("; ".join(messages))
        return self

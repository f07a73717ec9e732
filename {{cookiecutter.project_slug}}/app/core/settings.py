"""Settings of the HTTP service; the other parts add theirs in `app.settings`."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, IPvAnyNetwork, RedisDsn, Secret, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DISTRIBUTION = "{{ cookiecutter.project_slug }}"
PLACEHOLDER = re.compile(r"change.?(me|this)|placeholder|:(secret|password)@", re.IGNORECASE)

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


class CoreSettings(BaseSettings):
    """Settings that every service has."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    environment: Literal["local", "test", "production"] = Field(
        default="local", description="Where the service runs. Production refuses unsafe values."
    )
    debug: bool = Field(
        default=False, description="Send tracebacks to the client. Only with ENVIRONMENT=local."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The lowest level that is logged."
    )
    docs_enabled: bool = Field(
        default_factory=lambda known: known["environment"] != "production",
        description="Serve /docs, /redoc and /openapi.json. Default: not in production.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(default=1, ge=1, le=64, description="Number of worker processes.")
    shutdown_timeout: int = Field(
        default=20,
        ge=1,
        le=3600,
        description="Seconds that requests in flight have to finish after SIGTERM.",
    )
    allowed_hosts: CommaSeparated[HostName] = Field(
        default=["localhost", "127.0.0.1", "[::1]"],
        description="Host names of this service; *.example.com matches every subdomain.",
    )
    cors_origins: CommaSeparated[Origin] = Field(
        default=[], description="Origins of browser applications on other sites."
    )
    forwarded_allow_ips: CommaSeparated[IPvAnyNetwork] = Field(
        default=[], description="Proxies whose X-Forwarded-* headers are trusted."
    )
    max_body_bytes: int = Field(
        default=1024 * 1024, ge=1, description="Largest accepted request body in bytes."
    )
    rate_limit_per_minute: int = Field(
        default=0, ge=0, description="Requests per minute and client address; 0 is unlimited."
    )
    redis_url: Secret[RedisDsn] | None = Field(
        default=None,
        description="Redis for shared rate limits. Default: each process counts its own requests.",
    )
    otel_enabled: bool = Field(
        default=False, description="Export OpenTelemetry traces and metrics."
    )

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that this environment must not have."""
        if self.debug and self.environment != "local":
            yield "DEBUG: only with ENVIRONMENT=local"
        if self.environment != "production":
            return
        # The default names the local machine, which is never the host name of production.
        hosts = self.allowed_hosts if "allowed_hosts" in self.model_fields_set else []
        if not hosts or "*" in hosts:
            yield "ALLOWED_HOSTS: must be set, not to *"
        if "*" in self.cors_origins:
            yield "CORS_ORIGINS: must not be *"
        if self.redis_url and PLACEHOLDER.search(str(self.redis_url.get_secret_value())):
            yield "REDIS_URL: contains a placeholder"

    @model_validator(mode="after")
    def refuse_unsafe_values(self) -> Self:
        """Report every unsafe value at once (OWASP ASVS 5.0, 13.4).

        Raises:
            ValueError: A value is not allowed in this environment.
        """
        if messages := list(self.find_unsafe_values()):
            raise ValueError("; ".join(messages))
        return self

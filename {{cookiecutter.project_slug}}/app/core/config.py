"""Settings: all that the service can be told, by the environment, `.env` or secret files."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

# {% if cookiecutter.auth == "jwt" %}
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
# {% endif %}
from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
# {% if cookiecutter.database != "none" %}
    PlainValidator,
# {% endif %}
    RedisDsn,
    Secret,
# {% if cookiecutter.auth == "api_key" %}
    SecretStr,
# {% endif %}
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError
# {% if cookiecutter.database != "none" %}
from sqlalchemy import URL

from app.core.database_url import BACKEND, LOCAL_DATABASE, parse_database_url
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
from app.core.rsa_keys import parse_private_key, parse_public_key, read_private_key
# {% endif %}

DISTRIBUTION = "{{ cookiecutter.project_slug }}"
PLACEHOLDER = re.compile(r"change.?(me|this)|placeholder|:(secret|password)@", re.IGNORECASE)


def split_items(value: object) -> object:
    """Return the items of `a, b` (CSV) or `["a", "b"]` (JSON), and other types unchanged."""
    if not isinstance(value, str):
        return value
    if value.startswith("["):
        with suppress(ValueError):  # it may be an IPv6 address
            return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


T = TypeVar("T")
Items = Annotated[list[T], NoDecode, BeforeValidator(split_items)]
HostName = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$")]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.\[\]:-]+)$")]
# {% if cookiecutter.auth == "jwt" %}
PrivateKey = Secret[Annotated[RSAPrivateKey, PlainValidator(parse_private_key)]]
PrivateKeyFile = Secret[Annotated[RSAPrivateKey, PlainValidator(read_private_key)]]
PublicKey = Annotated[RSAPublicKey, PlainValidator(parse_public_key)]
# {% elif cookiecutter.auth == "api_key" and cookiecutter.database == "none" %}
KeyEntry = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9-]{1,63}/[0-9a-f]{16}/(read|write|read\+write)"
        r"/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f]{64}$"
    ),
]
# {% endif %}


class Settings(BaseSettings):
    """One field a variable; `.env.example` says what each is for."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    environment: Literal["local", "test", "production"] = "local"
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    docs_enabled: bool = Field(default_factory=lambda known: known["environment"] != "production")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    shutdown_timeout: int = Field(default=20, ge=1, le=3600)
    allowed_hosts: Items[HostName] = ["localhost", "127.0.0.1", "[::1]"]
    cors_origins: Items[Origin] = []
    forwarded_allow_ips: Items[IPvAnyNetwork] = []
    max_body_bytes: int = Field(default=1024 * 1024, ge=1)
    rate_limit_per_minute: int = Field(default=0, ge=0)
    redis_url: Secret[RedisDsn] | None = None
    otel_enabled: bool = False
    # {% if cookiecutter.auth != "none" %}
    replicas: int = Field(default=1, ge=1)
    gateway_throttles: bool = False
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    rsa_private_key_content: PrivateKey | None = None
    rsa_private_key_path: PrivateKeyFile | None = None
    rsa_public_keys: Items[PublicKey] = []
    token_issuer: str = Field(default=DISTRIBUTION, min_length=1)
    token_audience: str = Field(default=DISTRIBUTION, min_length=1)
    access_token_minutes: int = Field(default=15, ge=1, le=60)
    refresh_token_days: int = Field(default=7, ge=1, le=30)
    refresh_leeway_seconds: int = Field(default=10, ge=0, le=60)
    session_days: int = Field(default=30, ge=1, le=365)
    password_min_length: int = Field(default=8, ge=8, le=64)
    password_hash_cost: int = Field(default=12, ge=4, le=16)
    sign_up_enabled: bool = True
    login_attempts_per_account: int = Field(default=10, ge=1)
    auth_failures_per_client: int = Field(default=20, ge=1)
    refreshes_per_account: int = Field(default=100, ge=1)
    # {% elif cookiecutter.auth == "api_key" %}
    secret_key: SecretStr | None = None
    api_key_requests_per_minute: int = Field(default=0, ge=0)
    invalid_keys_per_minute: int = Field(default=100, ge=1)
    # {% endif %}
    # {% if cookiecutter.auth == "api_key" and cookiecutter.database == "none" %}
    api_keys: Items[KeyEntry] = []
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    database_url: Secret[Annotated[URL, PlainValidator(parse_database_url)]] | None = None
    database_pool_size: int = Field(default=10, ge=1, le=1000)
    database_max_overflow: int = Field(default=5, ge=0, le=1000)
    database_pool_timeout: int = Field(default=5, ge=1, le=60)
    database_pool_recycle: int = Field(default=3600, ge=1)
    database_pool_pre_ping: bool = True
    database_statement_timeout: int = Field(default=30, ge=0)
    database_startup_timeout: int = Field(default=10, ge=0)
    update_schema_on_startup: bool = Field(
        default_factory=lambda known: known["environment"] == "local"
    )

    @property
    def database(self) -> URL:
        """Where the data is: unless said, in a file in the current folder."""
        return self.database_url.get_secret_value() if self.database_url else LOCAL_DATABASE
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}

    @property
    def private_key(self) -> RSAPrivateKey | None:
        """The key that signs tokens."""
        given = self.rsa_private_key_content or self.rsa_private_key_path
        return given.get_secret_value() if given else None
    # {% endif %}

    @model_validator(mode="after")
    def refuse_unsafe_values(self) -> Self:
        """Name every value at once that its environment must not have (OWASP ASVS 5.0, 13.4)."""
        production = self.environment == "production"
        # The default names this machine, which is never what production is called.
        hosts = self.allowed_hosts if "allowed_hosts" in self.model_fields_set else []
        redis_url = str(self.redis_url.get_secret_value()) if self.redis_url else ""
        # {% if cookiecutter.database != "none" %}
        database_url = self.database.render_as_string(hide_password=False)
        is_ours = self.database_url and self.database.get_backend_name() == BACKEND
        # {% endif %}
        # {% if cookiecutter.auth != "none" %}
        counts_alone = not self.redis_url and not self.gateway_throttles
        # {% endif %}
        # {% if cookiecutter.auth == "api_key" %}
        secret_key = self.secret_key.get_secret_value() if self.secret_key else ""
        is_guessable = len(secret_key) < 32 or len(set(secret_key)) < 5
        # {% endif %}
        refusals = {
            "DEBUG: only with ENVIRONMENT=local": self.debug and self.environment != "local",
            "ALLOWED_HOSTS: must be set, not to *": production and (not hosts or "*" in hosts),
            "CORS_ORIGINS: must not be *": production and "*" in self.cors_origins,
            "REDIS_URL: holds a placeholder": production and PLACEHOLDER.search(redis_url),
            # {% if cookiecutter.auth != "none" %}
            "REDIS_URL: must be set for several workers or replicas, unless GATEWAY_THROTTLES": (
                production and counts_alone and max(self.workers, self.replicas) > 1
            ),
            # {% endif %}
            # {% if cookiecutter.auth == "jwt" %}
            "RSA_PRIVATE_KEY_CONTENT: must be set, or RSA_PRIVATE_KEY_PATH": (
                production and not self.private_key
            ),
            "PASSWORD_HASH_COST: must be 10 or more": production and self.password_hash_cost < 10,
            # {% elif cookiecutter.auth == "api_key" %}
            "SECRET_KEY: must be 32 random characters or more": (
                production and (is_guessable or PLACEHOLDER.search(secret_key))
            ),
            # {% endif %}
            # {% if cookiecutter.database != "none" %}
            f"DATABASE_URL: must be a {BACKEND}:// URL": production and not is_ours,
            "DATABASE_URL: holds a placeholder": production and PLACEHOLDER.search(database_url),
            # {% endif %}
        }
        if found := [refusal for refusal, applies in refusals.items() if applies]:
            raise ValueError("; ".join(found))
        return self


def load_settings() -> Settings:
    """Return the settings of this process; the environment wins over `.env`, `.env` over files.

    Files are named like variables and lie in `SECRETS_DIR`. Raises SettingsError, which names
    every variable that does not allow a start, and no value.
    """
    secrets = os.environ.get("SECRETS_DIR") or None
    if secrets and not Path(secrets).is_dir():
        raise SettingsError("SECRETS_DIR: no such folder")
    try:
        return Settings(_secrets_dir=secrets)
    except ValidationError as error:
        findings = [
            ": ".join([*(str(name).upper() for name in finding["loc"][:1]), finding["msg"]])
            for finding in error.errors(include_input=False)
            if finding["type"] != "default_factory_not_called"
        ]
        raise SettingsError("; ".join(findings).replace("Value error, ", "")) from None

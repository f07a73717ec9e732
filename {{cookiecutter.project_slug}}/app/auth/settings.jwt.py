"""Settings of users, sessions and tokens."""

from collections.abc import Iterator
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import Field, PlainValidator, PositiveInt, Secret

from app.auth.keys import parse_private_key, parse_public_key, read_private_key
from app.auth.passwords import MIN_LENGTH
from app.core.rate_limit import RateLimitSettings
from app.core.settings import CommaSeparated

PrivateKey = Secret[Annotated[RSAPrivateKey, PlainValidator(parse_private_key)]]
PrivateKeyFile = Secret[Annotated[RSAPrivateKey, PlainValidator(read_private_key)]]
PublicKey = Annotated[RSAPublicKey, PlainValidator(parse_public_key)]


class AuthSettings(RateLimitSettings):
    """Settings of users, sessions and tokens."""

    # {% if cookiecutter.__server == "yes" %}
    replicas: PositiveInt = 1
    """Number of instances that run side by side."""
    gateway_throttles: bool = False
    """A gateway limits failed logins, so Redis is not required."""

    # {% endif %}
    rsa_private_key_content: PrivateKey | None = None
    """Private key that signs tokens: PEM, optionally in base64."""
    rsa_private_key_path: PrivateKeyFile | None = None
    """File of the private key. Default: local.pem, created locally."""
    rsa_public_keys: CommaSeparated[PublicKey] = Field(default=[])
    """Additional public keys that verify tokens, for key rotation."""

    access_token_minutes: int = Field(default=15, ge=1, le=60)
    """Lifetime of an access token in minutes."""
    refresh_token_days: int = Field(default=7, ge=1, le=30)
    """Lifetime of a refresh token in days."""
    refresh_leeway_seconds: int = Field(default=10, ge=0, le=60)
    """Seconds in which a used refresh token returns its successor again."""
    single_session: bool = True
    """A login ends the other sessions of the user."""

    password_min_length: int = Field(default=MIN_LENGTH, ge=MIN_LENGTH, le=64)
    """Minimum length of new passwords."""
    password_hash_cost: int = Field(default=12, ge=4, le=16)
    """Cost of bcrypt hashes."""
    sign_up_enabled: bool = True
    """Allow anyone to create a user."""
    login_attempts_per_account: PositiveInt = 10
    """Wrong passwords per account in 15 minutes."""
    auth_failures_per_client: PositiveInt = 20
    """Failed logins, and sign-ups, per client in 15 minutes."""

    @property
    def private_key(self) -> RSAPrivateKey | None:
        """The configured signing key, if any."""
        key = self.rsa_private_key_content or self.rsa_private_key_path
        return key.get_secret_value() if key else None

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        # {% if cookiecutter.__server == "yes" %}
        counts_alone = not self.redis_url and not self.gateway_throttles
        if counts_alone and max(self.workers, self.replicas) > 1:
            yield "REDIS_URL: must be set for several workers or replicas, unless GATEWAY_THROTTLES"
        # {% endif %}
        if self.rsa_private_key_content and self.rsa_private_key_path:
            yield "RSA_PRIVATE_KEY_PATH: must not be set together with RSA_PRIVATE_KEY_CONTENT"
        if not self.private_key:
            yield "RSA_PRIVATE_KEY_CONTENT: must be set, or RSA_PRIVATE_KEY_PATH"
        if self.password_hash_cost < 10:
            yield "PASSWORD_HASH_COST: must be 10 or more"

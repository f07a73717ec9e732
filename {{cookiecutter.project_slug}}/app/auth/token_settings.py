"""Settings of users, sessions and tokens."""

from collections.abc import Iterator
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import Field, PlainValidator, Secret

from app.auth.passwords import MIN_LENGTH
from app.auth.rsa_keys import parse_private_key, parse_public_key, read_private_key
from app.core.redis_rate_limit import RedisSettings
from app.core.settings import DISTRIBUTION, CommaSeparated

PrivateKey = Secret[Annotated[RSAPrivateKey, PlainValidator(parse_private_key)]]
PrivateKeyFile = Secret[Annotated[RSAPrivateKey, PlainValidator(read_private_key)]]
PublicKey = Annotated[RSAPublicKey, PlainValidator(parse_public_key)]


class AuthSettings(RedisSettings):
    """Settings of users, sessions and tokens."""

    replicas: int = Field(default=1, ge=1, description="Number of instances that run side by side.")
    gateway_throttles: bool = Field(
        default=False, description="A gateway limits failed logins, so Redis is not required."
    )
    rsa_private_key_content: PrivateKey | None = Field(
        default=None, description="Private key that signs tokens: PEM, optionally in base64."
    )
    rsa_private_key_path: PrivateKeyFile | None = Field(
        default=None, description="File of the private key. Default: local.pem, created locally."
    )
    rsa_public_keys: CommaSeparated[PublicKey] = Field(
        default=[], description="Additional public keys that verify tokens, for key rotation."
    )
    token_issuer: str = Field(
        default=DISTRIBUTION, min_length=1, description="The `iss` and `aud` claims of tokens."
    )
    access_token_minutes: int = Field(
        default=15, ge=1, le=60, description="Lifetime of an access token in minutes."
    )
    refresh_token_days: int = Field(
        default=7, ge=1, le=30, description="Lifetime of a refresh token in days."
    )
    refresh_leeway_seconds: int = Field(
        default=10,
        ge=0,
        le=60,
        description="Seconds in which a used refresh token returns its successor again.",
    )
    single_session: bool = Field(
        default=True, description="A login ends the other sessions of the user."
    )
    password_min_length: int = Field(
        default=MIN_LENGTH, ge=MIN_LENGTH, le=64, description="Minimum length of new passwords."
    )
    password_hash_cost: int = Field(default=12, ge=4, le=16, description="Cost of bcrypt hashes.")
    sign_up_enabled: bool = Field(default=True, description="Allow anyone to create a user.")
    login_attempts_per_account: int = Field(
        default=10, ge=1, description="Wrong passwords per account in 15 minutes."
    )
    auth_failures_per_client: int = Field(
        default=20, ge=1, description="Failed logins, and sign-ups, per client in 15 minutes."
    )

    @property
    def private_key(self) -> RSAPrivateKey | None:
        """The configured signing key, if any."""
        key = self.rsa_private_key_content or self.rsa_private_key_path
        return key.get_secret_value() if key else None

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        counts_alone = not self.redis_url and not self.gateway_throttles
        if counts_alone and max(self.workers, self.replicas) > 1:
            yield "REDIS_URL: must be set for several workers or replicas, unless GATEWAY_THROTTLES"
        if not self.private_key:
            yield "RSA_PRIVATE_KEY_CONTENT: must be set, or RSA_PRIVATE_KEY_PATH"
        if self.password_hash_cost < 10:
            yield "PASSWORD_HASH_COST: must be 10 or more"

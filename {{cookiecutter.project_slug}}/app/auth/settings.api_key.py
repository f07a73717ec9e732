"""Settings of API keys."""

from collections.abc import Iterator
# {% if cookiecutter.database == "none" %}
from typing import Annotated
# {% endif %}

# {% if cookiecutter.database == "none" %}
from pydantic import Field, NonNegativeInt, SecretStr
# {% else %}
from pydantic import NonNegativeInt, SecretStr
# {% endif %}

from app.core.rate_limit import RateLimitSettings
# {% if cookiecutter.database == "none" %}
from app.core.settings import PLACEHOLDER, CommaSeparated
# {% else %}
from app.core.settings import PLACEHOLDER
# {% endif %}
# {% if cookiecutter.database == "none" %}

KeyEntry = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9-]{1,63}/[0-9a-f]{16}/(read|write|read\+write)"
        r"/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f]{64}$"
    ),
]
# {% endif %}


class AuthSettings(RateLimitSettings):
    """Settings of API keys."""

    secret_key: SecretStr | None = None
    """Key of the HMAC digests under which API keys are stored."""
    api_key_requests_per_minute: NonNegativeInt = 0
    """Requests per minute and API key; 0 is unlimited."""
    # {% if cookiecutter.database == "none" %}
    api_keys: CommaSeparated[KeyEntry] = Field(default=[])
    """The API keys, as `manage api-keys create` prints them."""
    # {% endif %}

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        secret_key = self.secret_key.get_secret_value() if self.secret_key else ""
        is_guessable = len(secret_key) < 32 or len(set(secret_key)) < 5
        if is_guessable or PLACEHOLDER.search(secret_key):
            yield "SECRET_KEY: must be 32 random characters or more. Run: openssl rand -hex 32"

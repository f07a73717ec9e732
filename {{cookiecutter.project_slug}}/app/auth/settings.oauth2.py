"""Settings of the OpenID provider and its access tokens."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.core.rate_limit import RateLimitSettings
from app.core.settings import SERVICE_NAME, CommaSeparated

LOCAL_PROVIDER = "http://127.0.0.1:9400"  # `make provider` starts it
HTTPS = r"https://[^\s?#]+"
LOOPBACK = r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#]*)?"

# Tokens are as trustworthy as the connection over which the provider's keys are fetched.
ProviderUrl = Annotated[str, Field(pattern=f"^({HTTPS}|{LOOPBACK})$", max_length=255)]
NonEmpty = Annotated[str, Field(min_length=1)]
ScopeName = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]  # RFC 6749 section 3.3


class AuthSettings(RateLimitSettings):
    """Settings of the OpenID provider and its access tokens."""

    oidc_issuer: ProviderUrl = LOCAL_PROVIDER
    """Issuer of access tokens, exactly as the provider writes it. Default: `make provider`."""
    oidc_audience: NonEmpty = SERVICE_NAME
    """This service in the `aud` claim of access tokens."""
    oidc_required_scopes: CommaSeparated[ScopeName] = Field(default=[])
    """Scopes that every access token must have."""
    oidc_require_at_jwt: bool = False
    """Accept only tokens with the header type at+jwt (RFC 9068)."""
    oidc_max_token_hours: int = Field(default=24, ge=1, le=720)
    """Longest accepted lifetime of an access token in hours."""
    oidc_docs_client_id: NonEmpty = "docs"
    """Client id with which the documentation page logs users in."""
    oidc_docs_scopes: CommaSeparated[ScopeName] = Field(
        default_factory=lambda known: ["openid", *known["oidc_required_scopes"]]
    )
    """Scopes that the documentation page requests. Default: openid and the required ones."""

    def find_unsafe_values(self) -> Iterator[str]:
        """Yield a message for each value that staging and production must not have."""
        yield from super().find_unsafe_values()
        if not self.oidc_issuer.startswith("https://"):
            yield "OIDC_ISSUER: must be an https:// URL"

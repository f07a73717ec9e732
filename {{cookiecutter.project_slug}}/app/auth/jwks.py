"""The signing key, and the public keys that verify tokens."""

from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from structlog import get_logger

from app.auth.rsa_keys import create_private_key, read_private_key
from app.auth.token_settings import AuthSettings

LOCAL_KEY = Path("local.pem")
# Browsers of any origin may read the keys. A new key is published longer than caches live.
PUBLIC_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

router = APIRouter(tags=["auth"])


class JwkSet(BaseModel):
    """The public keys that verify tokens (RFC 7517 section 5)."""

    keys: list[dict[str, str]] = Field(description="RSA keys (RFC 7518 section 6.3.1).")


class JwkSetResponse(JSONResponse):
    """A response with a JWK Set (RFC 7517 section 8.5.2)."""

    media_type = "application/jwk-set+json"


@router.get("/.well-known/jwks.json", response_class=JwkSetResponse)
async def read_public_keys(request: Request, response: Response) -> JwkSet:
    """Return the public keys that verify tokens."""
    response.headers.update(PUBLIC_HEADERS)
    return JwkSet(keys=request.app.state.tokens.list_jwks())


def find_private_key(settings: AuthSettings) -> RSAPrivateKey:
    """Return the configured signing key, or the local one, which is created if necessary.

    Raises:
        ValueError: The local key cannot be read.
    """
    if settings.private_key:
        return settings.private_key
    get_logger("app.auth").warning("no_private_key", using=str(LOCAL_KEY))
    with suppress(FileExistsError):
        create_private_key(LOCAL_KEY)
    return read_private_key(LOCAL_KEY)

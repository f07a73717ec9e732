"""The signing key, and the public keys that verify tokens."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
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


class Jwk(BaseModel):
    """A public RSA key (RFC 7517 section 4, RFC 7518 section 6.3.1)."""

    use: Literal["sig"]
    alg: Literal["RS256"]
    kid: str
    kty: Literal["RSA"]
    n: str
    e: str


class JwkSet(BaseModel):
    """The public keys that verify tokens (RFC 7517 section 5)."""

    keys: list[Jwk]


class JwkSetResponse(JSONResponse):
    """A response with a JWK Set (RFC 7517 section 8.5.2)."""

    media_type = "application/jwk-set+json"


@router.get(
    "/.well-known/jwks.json",
    response_model=JwkSet,
    response_class=JwkSetResponse,
    responses={304: {"description": "The keys are those of `If-None-Match`."}},
)
async def read_public_keys(request: Request) -> Response:
    """Return the public keys that verify tokens."""
    body = orjson.dumps({"keys": request.app.state.tokens.list_jwks()})
    headers = PUBLIC_HEADERS | {"ETag": f'"{sha256(body).hexdigest()}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, 200, headers, JwkSetResponse.media_type)


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

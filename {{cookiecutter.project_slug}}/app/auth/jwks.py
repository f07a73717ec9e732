"""The keys: the one that signs, and those that the world may know."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from structlog import get_logger

from app.auth.rsa_keys import create_private_key, read_private_key
from app.auth.token_settings import AuthSettings

LOCAL_KEY = Path("local.pem")
# For everybody, and good for a while: the next key is published before it signs.
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
    """The keys that verify our tokens (RFC 7517 section 5)."""

    keys: list[Jwk]


@router.get("/.well-known/jwks.json", response_model=JwkSet)
async def read_public_keys(request: Request) -> Response:
    """Read the keys that verify our tokens."""
    body = orjson.dumps({"keys": request.app.state.tokens.describe_keys()})
    headers = PUBLIC_HEADERS | {"ETag": f'"{sha256(body).hexdigest()}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/jwk-set+json")


def find_private_key(settings: AuthSettings) -> RSAPrivateKey:
    """Return the key that signs; locally it is made when there is none."""
    if settings.private_key:
        return settings.private_key
    get_logger("app.auth").warning("no_private_key", using=str(LOCAL_KEY))
    with suppress(FileExistsError):
        create_private_key(LOCAL_KEY)
    return read_private_key(LOCAL_KEY)

"""An OpenID provider in the process of the tests, and its tokens."""

import json
import threading
import time
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

DISCOVERY, JWKS = "/.well-known/openid-configuration", "/jwks"
AUDIENCE = "{{ cookiecutter.project_slug }}"
EMAIL = "ada@example.com"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def make_key(kid: str) -> PrivateKey:
    """Return a private key, the same one for each name."""
    if kid.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def make_jwk(kid: str, **members: Any) -> dict[str, Any]:
    """Return the public key with this name."""
    key = make_key(kid).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return RSAAlgorithm.to_jwk(key, as_dict=True) | {"kid": kid, "use": "sig"} | members
    return ECAlgorithm.to_jwk(key, as_dict=True) | {"kid": kid} | members


class LocalProvider:
    """A provider on a free port. `responses` replaces what it sends: a status and a body."""

    def __init__(self) -> None:
        self.kids = ["rsa"]
        self.requests: list[str] = []
        self.responses: dict[str, tuple[int, bytes]] = {}
        self.delay = 0.0
        self.headers: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests.append(self.path)
                time.sleep(provider.delay)
                status, body = provider.responses.get(self.path) or provider.respond(self.path)
                self.send_response(status)
                for name, value in provider.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(ConnectionError):  # the service hangs up on large bodies
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def respond(self, path: str) -> tuple[int, bytes]:
        bodies = {DISCOVERY: self.metadata, JWKS: {"keys": [make_jwk(kid) for kid in self.kids]}}
        return (200, json.dumps(bodies[path]).encode()) if path in bodies else (404, b"")

    @property
    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}{JWKS}",
            "grant_types_supported": ["authorization_code", "implicit", "password"],
        }

    def sign(self, kid: str = "rsa", key: str = "", headers: Any = None, **claims: Any) -> str:
        """Return an access token (RFC 9068). Claims that are None are left out."""
        now = int(time.time())
        defaults = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": EMAIL,
            "iat": now,
            "exp": now + 300,
            "client_id": "app",
            "jti": "1",
            "scope": "openid items",
        }
        payload = {k: v for k, v in (defaults | claims).items() if v is not None}
        algorithm = "ES256" if kid.startswith("ec") else "RS256"
        header = {"typ": "at+jwt", "kid": kid} | (headers or {})
        return jwt.encode(payload, make_key(key or kid), algorithm, header)

    def close(self) -> None:
        """Stop listening: connections are refused."""
        self.server.shutdown()
        self.server.server_close()


@cache
def get_provider() -> LocalProvider:
    """Return the provider that the tests share."""
    return LocalProvider()


def auth_settings() -> dict[str, Any]:
    return {"oidc_issuer": get_provider().issuer}


async def sign_in(_app: FastAPI, subject: str = EMAIL, **claims: Any) -> dict[str, str]:
    """Return the headers that authenticate as this user."""
    return bearer(get_provider().sign(sub=subject, **claims))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}

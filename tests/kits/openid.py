"""An OpenID provider for the kits, which is asked over the network and counts how often."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from forgeries import AUDIENCE, OTHER_KEY
from joserfc.jwk import RSAKey
from tokens import Token
from users import SIGNING_KEY, public_pem

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


def find_kid(name: str = SIGNING_KEY) -> str:
    return RSAKey.import_key(public_pem(name)).thumbprint()


class OpenidProvider:
    """Serves its metadata and two keys. Requests wait for `delay` seconds."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[str] = []
        self.delay = 0.0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that the standard library calls
                provider.requests.append(self.path)
                time.sleep(provider.delay)
                self.send_response(200)
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(json.dumps(provider.documents[self.path]).encode())

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.documents = {
            DISCOVERY: {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}{KEYS}",
            },
            KEYS: {"keys": [make_jwk(name) for name in (SIGNING_KEY, OTHER_KEY)]},
        }

    @contextmanager
    def run(self) -> Iterator[None]:
        """Serve until the end of the block; then connections are refused."""
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            self.server.shutdown()
            self.server.server_close()

    def issue(self, **changes: Any) -> Token:  # noqa: ANN401 claims have any type
        """Return an access token (RFC 9068)."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "nbf": now,
            "exp": now + 900,
            "jti": uuid.uuid4().hex,
            "client_id": "kit",
            "scope": "openid items",
        }
        token = Token({"alg": "RS256", "typ": "at+jwt", "kid": find_kid()}, claims | changes)
        return Token(token.header, token.claims, token.encode())


def make_jwk(name: str) -> dict[str, Any]:
    key = RSAKey.import_key(public_pem(name)).as_dict(private=False)
    return key | {"kid": find_kid(name), "use": "sig"}

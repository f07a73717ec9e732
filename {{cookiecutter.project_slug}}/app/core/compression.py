"""Compression for clients that prefer it, but not of secrets.

What its route marks no-store is left alone: the length of a secret must not leak (BREACH).
"""

import re

from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_COMPRESSED_BYTES = 1024
CODING = re.compile(r"\s*(gzip|identity|\*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?")


def get_header(scope: Scope, name: bytes) -> bytes:
    """Return the value of a header that was sent exactly once, else nothing."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0] if len(values) == 1 else b""


class Compression:
    """Starlette's gzip, chosen when the response starts, so that a small one costs nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the response if that is worth it."""
        forward = send

        async def choose(message: Message) -> None:
            nonlocal forward
            if message["type"] == "http.response.start" and is_compressible(message["headers"]):
                accepted = get_header(scope, b"accept-encoding").decode("latin-1")
                gzip = GZipResponder(self.app, compresslevel=1, minimum_size=MIN_COMPRESSED_BYTES)
                responder = gzip if prefers_gzip(accepted) else IdentityResponder(self.app, 0)
                responder.send = send
                forward = responder.send_with_compression
            await forward(message)

        await self.app(scope, receive, choose)


def is_compressible(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a response is large, or of unknown size, and no secret."""
    return not any(
        (name == b"content-length" and int(value) < MIN_COMPRESSED_BYTES)
        or (name == b"cache-control" and b"no-store" in value)
        for name, value in headers
    )


def prefers_gzip(accepted: str) -> bool:
    """Whether gzip is acceptable, and no less wanted than identity (RFC 9110 section 12.5.3)."""
    codings = [CODING.fullmatch(item) for item in accepted.lower().split(",")]
    weights = {coding[1]: float(coding[2] or 1) for coding in codings if coding}
    return 0 < weights.get("gzip", weights.get("*", 0)) >= weights.get("identity", 0)

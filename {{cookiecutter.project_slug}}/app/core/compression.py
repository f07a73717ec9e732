"""Compression of responses."""

import re

from starlette.middleware.gzip import GZipResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.middleware import find_header

# `gzip` with a weight above zero (RFC 9110 section 12.5.3), which Starlette ignores.
ACCEPTS_GZIP = re.compile(
    rb"(^|,)\s*gzip\s*(;\s*q=(1(\.0{0,3})?|0\.\d{0,2}[1-9]\d?)\s*)?(,|$)", re.IGNORECASE
)
MIN_COMPRESSED_BYTES = 1024


class CompressionMiddleware:
    """Starlette's gzip compression, except for secrets and for clients that refuse it.

    A response that its route marks `no-store` is never compressed, because the compressed length
    reveals secrets (BREACH attack). Small responses cost nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the response if the client accepts it."""
        forward = send

        async def select_responder(message: Message) -> None:
            nonlocal forward
            if message["type"] == "http.response.start" and is_compressible(message["headers"]):
                if ACCEPTS_GZIP.search(find_header(scope["headers"], b"accept-encoding")):
                    responder = GZipResponder(self.app, MIN_COMPRESSED_BYTES, compresslevel=1)
                    responder.send = send
                    forward = responder.send_with_compression
                else:
                    message["headers"].append((b"vary", b"Accept-Encoding"))
            await forward(message)

        await self.app(scope, receive, select_responder)


def is_compressible(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a response is large, or of unknown length, and not marked `no-store`."""
    return not any(
        (name == b"content-length" and int(value) < MIN_COMPRESSED_BYTES)
        or (name == b"cache-control" and b"no-store" in value)
        for name, value in headers
    )

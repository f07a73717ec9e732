"""The response to each request: common headers, and the access record."""

from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope, Send

from app.core.errors import problem_response

NO_RESPONSE = 499  # nginx's status for a client that did not wait

# OWASP REST Security Cheat Sheet, "Security Headers".
SECURITY_HEADERS = {
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
# Not for HTML: a page of an administration interface or a frontend loads scripts and styles.
DATA_HEADERS = SECURITY_HEADERS | {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'"
}
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class ResponseSender:
    """Sends one response with the common headers."""

    def __init__(self, scope: Scope, send: Send, request_id: bytes) -> None:
        self.scope, self.send, self.request_id = scope, send, request_id
        self.method = scope.get("method", "WEBSOCKET")
        self.status = NO_RESPONSE
        self.started = perf_counter()
        self.ended = 0.0

    async def __call__(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"] == "websocket.close" and self.status == NO_RESPONSE:
            self.status = 403  # of the server, to a rejected handshake
        if message["type"].endswith(("response.start", ".accept")):
            await self.start(message)
        elif not self.ended:
            if message["type"].endswith("response.body") and not message.get("more_body"):
                self.ended = perf_counter()
            await self.send(message)
        elif message.get("more_body"):
            raise ClientDisconnect  # the response to a HEAD request is complete

    async def start(self, message: Message) -> None:
        """Send the headers, and the body where the application's body is replaced."""
        self.status = message.get("status", 101)
        headers, body = replace_plain_text(self.status, list(message.get("headers", ())))
        present = dict(headers)
        is_html = present.get(b"content-type", b"").startswith(b"text/html")
        common = SECURITY_HEADERS if is_html else DATA_HEADERS
        headers += [header for header in common.items() if header[0] not in present]
        headers.append((b"x-request-id", self.request_id))
        if self.scope["scheme"] == "https":
            headers.append(HSTS)
        try:
            await self.send({**message, "headers": headers})
        except RuntimeError as error:
            if "closed" not in str(error):  # the server refuses an invalid header
                self.status = 500
                raise
            raise ClientDisconnect from error  # uvloop: the connection is closed
        if self.method == "HEAD":
            body = b""
        if body is not None:
            self.ended = perf_counter()
            await self.send({"type": "http.response.body", "body": body})

    def describe(self) -> dict[str, object]:
        """Return the access record. Background tasks do not count towards its duration."""
        scope = self.scope
        return {
            "method": self.method,
            "path": scope["path"][:1024],
            "status": self.status,
            "duration_ms": round(((self.ended or perf_counter()) - self.started) * 1000, 2),
            "client_ip": scope["client"][0] if scope["client"] else None,
        }


def replace_plain_text(
    status: int, headers: list[tuple[bytes, bytes]]
) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    """Replace an error that the framework sends as plain text by a problem document.

    These are a rejected CORS preflight and a body that is too large.
    """
    if status < 400 or not dict(headers).get(b"content-type", b"").startswith(b"text/plain"):
        return headers, None
    problem = problem_response(status)
    kept = [item for item in headers if item[0] in (b"vary", b"access-control-allow-origin")]
    return kept + problem.raw_headers, bytes(problem.body)

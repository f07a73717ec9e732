"""uvicorn for a deployment: worker processes, and limits on connections and header sections."""

import asyncio
import sys
from typing import Any

import uvicorn
from structlog import get_logger
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from app.core.settings import CoreSettings

MAX_HEADER_BYTES = 64 * 1024
HEADER_TIMEOUT_SECONDS = 10
PIECE_BYTES = 16 * 1024
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


def count_connections() -> int:
    """Return how many connections a process accepts: 80 % of its file descriptors."""
    if sys.platform == "win32":
        return 500
    import resource  # noqa: PLC0415 not available on Windows

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 100_000 if limit == resource.RLIM_INFINITY else limit * 8 // 10


MAX_CONNECTIONS = count_connections()


def run(application: str, settings: CoreSettings, options: dict[str, Any]) -> None:
    """Run the application, in several processes if WORKERS is set."""
    if settings.is_deployed and not settings.forwarded_allow_ips:
        get_logger("app.cli").warning(
            "no_trusted_proxy",
            hint="Behind a proxy, set FORWARDED_ALLOW_IPS. Otherwise all clients share its address",
        )
    options = options | {
        "http": LimitedProtocol,
        "workers": settings.workers,
        # Longer than the idle timeout of common proxies, or they reuse a connection being closed.
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": settings.shutdown_timeout,
        "timeout_worker_healthcheck": 30,
    }
    if settings.workers > 1 and not options["reload"]:
        config = uvicorn.Config(application, **options)
        supervisor = Supervisor(config, sockets=[config.bind_socket()])
        supervisor.run()
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            sys.exit(STARTUP_FAILURE)
    else:
        uvicorn.run(application, **options)


class Supervisor(Multiprocess):
    """uvicorn's worker supervisor, which also stops listening before it stops the workers."""

    def terminate_all(self) -> None:
        """Stop listening, then stop the workers."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


class LimitedProtocol(HttpToolsProtocol):
    """Rejects large header and trailer sections (RFC 6585 section 5) and closes slow connections.

    uvicorn itself accepts sections of any size and waits for the end of the header without limit.
    """

    header_timer: asyncio.TimerHandle | None = None
    header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer, or close the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self.start_timer()

    def on_message_begin(self) -> None:
        """Start the timer for a further request of the connection."""
        super().on_message_begin()
        if self.header_timer is None:
            self.start_timer()

    def on_headers_complete(self) -> None:
        """Stop the timer, and count anew for the trailers."""
        self.stop_timer()
        self.header_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Start the count anew, because content has a limit of its own."""
        self.header_bytes = 0
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self.stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data in pieces, so that the limit applies within a large chunk."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            super().data_received(piece)
            if self.transport.is_closing():
                return
            self.header_bytes += len(piece)
            if self.header_bytes > MAX_HEADER_BYTES:
                if self.header_timer:  # the header is incomplete, so there is no response yet
                    self.transport.write(TOO_LARGE)
                self.transport.close()
                return

    def start_timer(self) -> None:
        """Expect the end of the header section within ten seconds."""
        self.header_bytes = 0
        self.header_timer = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.transport.abort)

    def stop_timer(self) -> None:
        """Cancel the timer."""
        if self.header_timer:
            self.header_timer.cancel()
            self.header_timer = None

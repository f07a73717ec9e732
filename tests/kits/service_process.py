"""A generated service as a process: started, spoken to over sockets, read, stopped (Linux)."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Protocol, Self

HEALTH = "/api/v1/health"
START_SECONDS = 30
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Record = dict[str, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Exchange:
    """What came back on one connection, and whether the service closed it."""

    received: bytes
    closed: bool
    seconds: float


class Service:
    """One run of a command such as `manage serve`, on a free port; all that it prints is kept.

    The process sees `variables` and PATH, nothing else of this environment. Entering it as a
    context waits until health answers, unless `healthy` is false; leaving it kills what is left.
    """

    def __init__(
        self,
        project: Path,
        command: Sequence[str | Path],
        *,
        healthy: bool = True,
        **variables: str,
    ) -> None:
        self.project, self.command, self.healthy = project, command, healthy
        ours = {"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": str(free_port())}
        self.environment = ours | variables
        self._lines: list[tuple[str, str]] = []
        self._grown = threading.Condition()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._readers = [
            threading.Thread(target=self._collect, args=(name, pipe), daemon=True)
            for name, pipe in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()
        if self.healthy:
            try:
                self.wait_until_healthy()
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _collect(self, name: str, pipe: IO[bytes]) -> None:
        # Only LF ends a line: U+2028 and its like must not.
        for line in pipe:
            with self._grown:
                self._lines.append((name, line.decode(errors="surrogateescape").rstrip("\n")))
                self._grown.notify_all()

    def _end(self) -> None:
        for child in self._children():
            os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.wait()

    # --- Process

    @property
    def pid(self) -> int:
        """The process id, with several workers the one of their supervisor."""
        return self.process.pid

    @property
    def rss(self) -> int:
        """Bytes of memory in use now, workers included."""
        return self._memory("VmRSS")

    @property
    def peak_rss(self) -> int:
        """Most bytes of memory in use since the start or `forget_peak_rss()`."""
        return self._memory("VmHWM")

    def forget_peak_rss(self) -> None:
        """Let the peak begin anew at what is in use now (proc(5), clear_refs)."""
        for pid in (self.pid, *self._children()):
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def open_files(self) -> int:
        """Return how many descriptors are open, sockets included."""
        return sum(
            len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (self.pid, *self._children())
        )

    def clients(self) -> int:
        """Return how many connections of clients are open on its side (proc(5), net/tcp)."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        here = f":{self.port:04X}"
        opened = {"01", "08"}  # established; closed by the client only
        return sum(
            local.endswith(here) and state in opened
            for _, local, _, state, *_ in map(str.split, lines)
        )

    def _children(self) -> list[int]:
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:  # it has ended
            return []
        return [int(pid) for pid in text.split()]

    def _memory(self, name: str) -> int:
        total = 0
        for pid in (self.pid, *self._children()):
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(status.split(f"{name}:")[1].split()[0]) * 1024
        return total

    def wait_until_healthy(self) -> None:
        """Return as soon as health answers 200; TimeoutError with the log if it does not."""
        end = time.monotonic() + START_SECONDS
        request = f"GET {HEALTH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.raw(request).startswith(b"HTTP/1.1 200"):
                    return
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise TimeoutError("\n".join(["no answer from health", *self.lines()]))

    def wait(self, timeout: float = 15) -> int:
        """Return the exit status once the process has ended and all its lines are read."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()
        return status

    def stop(self, signal_number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Send the signal and return the exit status, negative if the signal ended the process."""
        self.process.send_signal(signal_number)
        return self.wait(timeout)

    # --- Log

    def lines(self, stream: str = "") -> list[str]:
        """Return the lines so far of `stdout`, of `stderr`, or of both."""
        with self._grown:
            return [line for name, line in self._lines if stream in ("", name)]

    def log(self, since: int = 0) -> list[Record]:
        """Return the lines from number `since` on as records; AssertionError if one is not JSON."""
        return [parse_record(line) for line in self.lines()[since:]]

    def wait_for_record(
        self, matches: Callable[[Record], bool], since: int = 0, timeout: float = 5
    ) -> Record:
        """Return the first record from line `since` on that matches, waiting for it if need be."""
        end = time.monotonic() + timeout
        while True:
            with self._grown:
                while len(self._lines) <= since:
                    if not self._grown.wait(max(0, end - time.monotonic())):
                        raise TimeoutError("\n".join(["no such record", *self.lines()[-20:]]))
                line = self._lines[since][1]
            since += 1
            if matches(record := parse_record(line)):
                return record

    # --- Sockets

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.environment["PORT"])

    @property
    def url(self) -> str:
        """The address to give to an HTTP client."""
        return f"http://localhost:{self.port}"

    def connect(self, timeout: float = 5) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def exchange(self, data: bytes, timeout: float = 5) -> Exchange:
        """Send bytes on a new connection while reading until the service closes or time is up."""
        started = time.monotonic()
        received, unsent = bytearray(), memoryview(data)
        closed = False
        with self.connect() as connection:
            connection.setblocking(False)
            while not closed and (left := started + timeout - time.monotonic()) > 0:
                senders = [connection] if unsent else []
                readable, writable, _ = select.select([connection], senders, [], left)
                if readable:
                    try:
                        piece = connection.recv(65536)
                    except ConnectionResetError:
                        piece = b""
                    received += piece
                    closed = not piece
                elif writable:
                    try:
                        unsent = unsent[connection.send(unsent[:65536]) :]
                    except (BrokenPipeError, ConnectionResetError):
                        unsent = unsent[:0]  # it does not want the rest: read what it said
        return Exchange(bytes(received), closed, time.monotonic() - started)

    def raw(self, data: bytes, timeout: float = 5) -> bytes:
        """Return what came back on a new connection until the service closed or time was up."""
        return self.exchange(data, timeout).received

    def abandon(self, data: bytes) -> None:
        """Send bytes and reset the connection at once, as a client that crashes does."""
        with self.connect() as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def parse_record(line: str) -> Record:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    assert isinstance(record, dict), f"not a JSON object: {line!r}"
    return record


def is_access_record(record: Record) -> bool:
    return record.keys() >= {"method", "path", "status"}


# --- A service of a baked project

GOOD_ORIGIN = "https://good.example"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "ALLOWED_HOSTS": "localhost",
    "CORS_ORIGINS": GOOD_ORIGIN,
}


class Installation(NamedTuple):
    """A project, the programs of an environment that has what it declares, and its settings."""

    project: Path
    scripts: Path
    production: dict[str, str]


Install = Callable[..., Installation]


class Launch(Protocol):
    """Start a Service of the project, by default in production.

    If it has a database, that is its own: fresh, brought up to date by the start, and dropped at
    the end. A DATABASE_URL of the caller's is taken as it stands.
    """

    def __call__(
        self, *, faulty: bool = False, healthy: bool = True, **variables: str
    ) -> AbstractContextManager[Service]:
        """Return a context with the service; `faulty` adds the routes of `faulty_app.py`."""

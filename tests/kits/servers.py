"""Database servers for tests: found or started, and fresh databases on them."""

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from service_process import free_port
from template import CHOICES, skip

# Where they are unless TEST_POSTGRESQL_URL or TEST_MYSQL_URL says: a URL without a database.
DEFAULT_URLS = {
    "postgresql": "postgresql://postgres@127.0.0.1:5432",
    "mysql": "mysql://root@127.0.0.1:3306",
}
CLIENTS = {"postgresql": ("psql",), "mysql": ("mysql", "mariadb")}
START_SECONDS = 20


def ask(url: str, sql: str) -> list[str]:
    """Return the rows that a statement gives, a line each; RuntimeError if it fails."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        with closing(sqlite3.connect(parts.path.removeprefix("/"))) as connection, connection:
            rows = connection.execute(sql).fetchall()
            return ["|".join(map(str, row)) for row in rows]
    client = next(filter(None, map(shutil.which, CLIENTS[parts.scheme])), None)
    if not client:
        skip(f"no client for {parts.scheme} is installed")
    if parts.scheme == "postgresql":
        options = ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        command = [client, *options, f"--dbname={url}", f"--command={sql}"]
    else:
        address = [f"--host={parts.hostname}", f"--port={parts.port or 3306}", "--protocol=tcp"]
        user = f"--user={unquote(parts.username or 'root')}"
        options = ["--no-defaults", "--batch", "--skip-column-names", *address, user]
        database = [name] if (name := parts.path.removeprefix("/")) else []
        command = [client, *options, f"--execute={sql}", *database]
    secrets = {"MYSQL_PWD": unquote(parts.password or ""), "PGCONNECT_TIMEOUT": "5"}
    done = subprocess.run(
        command,
        env=os.environ | secrets,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [line.replace("\t", "|") for line in done.stdout.splitlines()]


def answers(url: str) -> bool:
    """Whether the server is there and lets us in."""
    try:
        return ask(_maintenance(url), "SELECT 1") == ["1"]
    except RuntimeError:
        return False


def _maintenance(url: str) -> str:
    """Return where one connects to make another database."""
    return f"{url}/postgres" if url.startswith("postgresql:") else url


def _start(kind: str) -> None:
    """Start what Debian has installed; whether that worked, its answers tell."""
    if kind == "postgresql":
        versions = sorted(folder.parent.name for folder in Path("/etc/postgresql").glob("*/main"))
        command = ["pg_ctlcluster", "--skip-systemctl-redirect", *versions[-1:], "main", "start"]
    else:
        daemon = "/usr/sbin/mariadbd"
        command = ["start-stop-daemon", "--start", "--oknodo", "--background", "--exec", daemon]
    if shutil.which(command[0]):
        subprocess.run(command, capture_output=True, timeout=60, check=False)


@cache
def database_server(kind: str) -> str:
    """Return the URL, without a database, of a server of this kind that answers; skip if none."""
    variable = f"TEST_{kind.upper()}_URL"
    url = os.environ.get(variable, DEFAULT_URLS[kind]).rstrip("/")
    if not answers(url):
        if variable not in os.environ:
            _start(kind)
        end = time.monotonic() + START_SECONDS
        while not answers(url):
            if time.monotonic() > end or not (variable in os.environ or _is_installed(kind)):
                skip(f"no {kind} server answers; {variable} may name one")
            time.sleep(0.2)
    return url


def _is_installed(kind: str) -> bool:
    """Whether there is something to wait for."""
    places = {"postgresql": "/etc/postgresql", "mysql": "/usr/sbin/mariadbd"}
    return Path(places[kind]).exists()


@contextmanager
def fresh_database(kind: str, name: str = "kit") -> Iterator[str]:
    """Give the URL of a new empty database, whose name begins with `name`; drop it at the end."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix=name) as folder:
            yield f"sqlite:///{folder}/data.db"
        return
    server = database_server(kind)
    name = f"{name}_{uuid.uuid4().hex[:12]}"
    # A copy of template0 does not mind who is connected to template1.
    template = " TEMPLATE template0" if kind == "postgresql" else ""
    ask(_maintenance(server), f"CREATE DATABASE {name}{template}")
    try:
        yield f"{server}/{name}"
    finally:
        # What was killed a moment ago may still be connected.
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        ask(_maintenance(server), f"DROP DATABASE {name}{force}")


class OwnPostgresql:
    """A PostgreSQL server in a scratch folder, which a test may stop and start at will."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.port = binaries, folder, free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}"
        # It refuses to run as root.
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8")

    def _run(self, program: str, *options: str) -> None:
        command = [self.binaries / program, f"--pgdata={self.folder}/data", *options]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **self.user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Return when it answers."""
        settings = f"-p {self.port} -k {self.folder} -h 127.0.0.1 -F"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder}/log", f"--options={settings}")

    def stop(self) -> None:
        """End it as a crash would: connections are cut, nothing is written down."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--wait")


@contextmanager
def own_postgresql() -> Iterator[OwnPostgresql]:
    """Give a running server of our own; skip where its programs are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: path.parts)
    if not found:
        skip("the programs of a PostgreSQL server are not installed")
    with tempfile.TemporaryDirectory(prefix="kit-postgresql-") as folder:
        server = OwnPostgresql(found[-1].parent, Path(folder))
        server.start()
        try:
            yield server
        finally:
            if answers(server.url):
                server.stop()


@contextmanager
def own_redis() -> Iterator[str]:
    """Give the URL of a Redis of our own, which keeps nothing; skip where it is not installed."""
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


def each_database(*, but: Collection[str] = ()) -> list[str]:
    """Return the parameters of a fixture `database`."""
    return [name for name in CHOICES["database"] if name not in but]

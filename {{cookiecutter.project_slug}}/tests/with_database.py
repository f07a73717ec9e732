"""Run a command on the kind of database server that production uses.

    uv run python -m tests.with_database pytest
    uv run python -m tests.with_database --keep manage serve --reload

The server is the one that TEST_DATABASE_URL or DATABASE_URL names, otherwise one on this machine,
otherwise a container. The database that the URL names is never used: the tests create and drop
databases of their own, whose names contain `test`.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from tests import database_server as server
from tests.databases import execute, make_test_database, upgrade_schema

START_SECONDS = 60


class NoServerError(Exception):
    """No server of the right kind is available."""


@contextmanager
def provide_server() -> Generator[str]:
    """Yield the URL of a test database on a server, which is started if necessary.

    Raises:
        NoServerError: A given URL is of another kind, or there is no way to start a server.
    """
    for variable in ("TEST_DATABASE_URL", "DATABASE_URL"):
        if url := os.environ.get(variable):
            test_url = derive_test_url(url, variable)
            report(f"Using the {server.NAME} server of {variable}.")
            yield test_url
            return
    if server.is_available():
        with server.run_local_server() as url:
            report(f"Using {server.LOCAL_SERVER}.")
            yield url
    elif engine := find_container_engine():
        with run_container(engine) as url:
            report(f"Using a container of {server.IMAGE}.")
            yield url
    else:
        raise NoServerError(f"no {server.NAME} server found. {server.ADVICE}")


def derive_test_url(text: str, variable: str) -> str:
    """Return the URL with the name of a database that tests may drop.

    Raises:
        NoServerError: The URL is not one of the chosen kind.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise NoServerError(f"{variable} is not a database URL. {server.ADVICE}") from None
    if url.get_backend_name() not in server.SCHEMES:
        raise NoServerError(f"{variable} does not name a {server.NAME} server. {server.ADVICE}")
    return text if "test" in (url.database or "") else add_suffix(text, "test")


def add_suffix(url: str, suffix: str) -> str:
    """Return the URL with the suffix added to the name of the database."""
    parsed = make_url(url)
    name = f"{parsed.database or ''}_{suffix}"
    return parsed.set(database=name).render_as_string(hide_password=False)


def find_container_engine() -> str | None:
    """Return the path of a container engine that works."""
    for engine in filter(None, map(shutil.which, ("docker", "podman"))):
        # Fails if the daemon is not running.
        if not subprocess.run([engine, "version"], capture_output=True, check=False).returncode:
            return engine
    return None


@contextmanager
def run_container(engine: str) -> Generator[str]:
    """Yield the URL of a server in a container that is removed at the end.

    Raises:
        NoServerError: The image cannot be run, or the server does not accept connections.
    """
    options = ["run", "--rm", "--detach", f"--publish=127.0.0.1::{server.PORT}"]
    command = [engine, *options, f"--env={server.CONTAINER_ENVIRONMENT}", server.IMAGE]
    started = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if started.returncode:
        raise NoServerError(f"cannot run the image {server.IMAGE}. {server.ADVICE}")
    container = started.stdout.strip()
    try:
        address = subprocess.check_output([engine, "port", container, str(server.PORT)], text=True)
        url = server.CONTAINER_URL.format(address=address.split()[0])
        wait_for(url)
        yield url
    finally:
        subprocess.run([engine, "stop", container], stdout=subprocess.DEVNULL, check=False)


def wait_for(url: str) -> None:
    """Return when the server accepts connections.

    Raises:
        NoServerError: It does not within a minute.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            return asyncio.run(execute(url, "SELECT 1"))
        except DBAPIError:
            time.sleep(0.5)
    raise NoServerError(f"the {server.NAME} container does not accept connections")


def report(line: str) -> None:
    """Write a line before the command writes its own."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command to its end and return its exit status."""
    # The command receives Ctrl-C as well and stops by itself; the server must outlive it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return subprocess.run(command, env=os.environ | variables, check=False).returncode


def run_on_scratch(command: Sequence[str], url: str) -> int:
    """Run the command on a new database that has the schema, and drop it."""
    os.environ["TEST_DATABASE_URL"] = add_suffix(url, "scratch")
    with make_test_database() as scratch:
        asyncio.run(upgrade_schema(scratch))
        return run(command, {"DATABASE_URL": scratch})


def run_kept(command: Sequence[str], url: str) -> int:
    """Run the command on the database `development`, which is created once and kept."""
    with suppress(DBAPIError):  # it exists
        asyncio.run(execute(url, "CREATE DATABASE development"))
    kept = make_url(url).set(database="development").render_as_string(hide_password=False)
    return run(command, {"DATABASE_URL": kept})


def main() -> int:
    """Run the command of the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.with_database")
    parser.add_argument(
        "--optional", action="store_true", help="skip the command if there is no server"
    )
    parser.add_argument(
        "--scratch", action="store_true", help="run it on a new database that has the schema"
    )
    parser.add_argument(
        "--keep", action="store_true", help="run it on a database that keeps its data"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        with provide_server() as url:
            os.environ["TEST_DATABASE_URL"] = url
            if options.keep:
                return run_kept(options.command, url)
            if options.scratch:
                return run_on_scratch(options.command, url)
            return run(options.command, {})
    except NoServerError as error:
        if not options.optional:
            sys.exit(f"Error: {error}")
        report(f"Skipped on {server.NAME}: {' '.join(options.command)} ({error})")
        return 0


if __name__ == "__main__":
    sys.exit(main())

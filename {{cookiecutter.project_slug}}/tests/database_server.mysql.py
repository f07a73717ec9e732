"""A MySQL or MariaDB server that runs on this machine."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from tests.databases import execute

NAME = "MySQL"
ADVICE = "Set TEST_DATABASE_URL=mysql://user:password@host/test, or start Docker or Podman."
SCHEMES = ("mysql", "mariadb")
PORT = 3306
IMAGE = "mysql:8.4.10"
CONTAINER_ENVIRONMENT = "MYSQL_ROOT_PASSWORD=test"
CONTAINER_URL = "mysql://root:test@{address}/test"

# The driver logs the notes of `DROP DATABASE IF EXISTS` as warnings.
logging.getLogger("asyncmy").setLevel(logging.ERROR)

LOCAL_SERVER = "the MySQL server on 127.0.0.1:3306"
LOCAL_URL = "mysql://root@127.0.0.1:3306/test"


def is_available() -> bool:
    """Return whether a local server accepts `root` without a password."""
    try:
        asyncio.run(execute(LOCAL_URL, "SELECT 1"))
    except DBAPIError:
        return False
    return True


@contextmanager
def run_local_server() -> Generator[str]:
    """Yield the URL of a test database on the local server."""
    yield LOCAL_URL

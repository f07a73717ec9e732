"""`manage`: what is done with the service from a command line."""

# {% if cookiecutter.database != "none" %}
import asyncio
# {% endif %}
import json
import sys
from pathlib import Path
from typing import Any, Never

import click
import uvicorn
from pydantic_settings import SettingsError
from structlog import get_logger
from uvicorn.supervisors import Multiprocess

from app.core.config import Settings, load_settings
from app.core.logging import configure_logging
# {% if cookiecutter.__alembic == "yes" %}
from app.db.migrate import update_schema
# {% elif cookiecutter.database != "none" %}
from app.db.schema import update_schema
# {% endif %}
from app.main import create_app

APPLICATION = "app.main:create_app"


@click.group()
def main() -> None:
    """Manage the service."""


@main.command()
@click.option("--reload", is_flag=True, help="Restart when the code changes (local only).")
def serve(reload: bool) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight get SHUTDOWN_TIMEOUT to finish, or 503.

    Exit status: 1 if the settings do not allow a start, 3 if the start fails, else uvicorn's:
    after SIGTERM 143, after SIGINT 0. Several workers end with 0, also if theirs fail to start.
    """
    settings = load_or_refuse()
    if reload and settings.environment != "local":
        refuse("--reload: only with ENVIRONMENT=local")
    configure_logging(settings.log_level, local=settings.environment == "local")
    options: dict[str, Any] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "reload": reload,
        "reload_dirs": [str(Path(__file__).parent)] if reload else None,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "forwarded_allow_ips": [str(network) for network in settings.forwarded_allow_ips],
        # Longer than the idle time of the usual proxies, or they send into a closing connection.
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": settings.shutdown_timeout,
        "timeout_worker_healthcheck": 30,
    }
    if settings.workers > 1 and not reload:
        config = uvicorn.Config(APPLICATION, **options)
        Supervisor(config, sockets=[config.bind_socket()]).run()
    else:
        uvicorn.run(APPLICATION, **options)


class Supervisor(Multiprocess):
    """uvicorn's supervisor of workers, but nobody connects in vain once it stops them."""

    def terminate_all(self) -> None:
        """Stop listening, then stop the workers."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


# {% if cookiecutter.__alembic == "yes" %}
@main.command()
def migrate() -> None:
    """Run the migrations that the database has not seen, while other processes wait.

    Exit status: 1 if the settings do not allow it, or it fails.
    """
    settings = load_or_refuse()
    configure_logging(settings.log_level, local=settings.environment == "local")
    asyncio.run(update_schema(settings))


# {% elif cookiecutter.database != "none" %}
@main.command()
def create_schema() -> None:
    """Create the tables that the database does not have, while other processes wait.

    Exit status: 1 if the settings do not allow it, or it fails.
    """
    settings = load_or_refuse()
    configure_logging(settings.log_level, local=settings.environment == "local")
    asyncio.run(update_schema(settings))


# {% endif %}
@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="-")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if FILE differs.")
def openapi(file: Path, *, check: bool) -> None:
    """Write the OpenAPI document to FILE, or to stdout."""
    # The defaults, not this machine's settings: the document is the same everywhere.
    document = create_app(Settings.model_construct()).openapi()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if check and (not file.is_file() or file.read_text(encoding="utf-8") != text):
        message = f"{file} is not the document of this code: manage openapi {file}"
        raise click.ClickException(message)
    if not check:
        with click.open_file(str(file), "w", encoding="utf-8") as target:
            target.write(text)


def load_or_refuse() -> Settings:
    """Return the settings of this process, or say in one line why they are not valid."""
    try:
        return load_settings()
    except SettingsError as error:
        refuse(str(error))


def refuse(reason: str) -> Never:
    """Say in one line of the log why there is no start, and exit with status 1."""
    configure_logging()
    get_logger("app.cli").critical("invalid_settings", reason=reason)
    sys.exit(1)

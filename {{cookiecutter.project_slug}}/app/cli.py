"""`manage`: what is done with the service from a command line."""

# {% if cookiecutter.database != "none" %}
import asyncio
# {% endif %}
import json
from pathlib import Path
from typing import Any

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

# {% if cookiecutter.auth == "jwt" %}
from app.auth.commands import create_user, keys, user_sessions, users
# {% elif cookiecutter.auth == "api_key" %}
from app.auth.key_commands import api_keys
# {% endif %}
from app.core.command import prepare, refuse
from app.core.config import Settings
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
    settings = prepare()
    if reload and settings.environment != "local":
        refuse("--reload: only with ENVIRONMENT=local")
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
    asyncio.run(update_schema(prepare()))


# {% elif cookiecutter.database != "none" %}
@main.command()
def create_schema() -> None:
    """Create the tables that the database does not have, while other processes wait.

    Exit status: 1 if the settings do not allow it, or it fails.
    """
    asyncio.run(update_schema(prepare()))


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
# {% if cookiecutter.auth == "jwt" %}


main.add_command(create_user)
main.add_command(users)
main.add_command(user_sessions)
main.add_command(keys)
# {% elif cookiecutter.auth == "api_key" %}


main.add_command(api_keys)
# {% endif %}

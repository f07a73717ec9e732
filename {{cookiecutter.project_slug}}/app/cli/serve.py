"""Run the server."""

import errno
import socket
from pathlib import Path
from typing import Any

import click
# {% if cookiecutter.__server == "yes" %}

from app.cli.common import fail, prepare
from app.cli.uvicorn_server import run
# {% else %}
import uvicorn

from app.cli.common import fail, prepare
# {% endif %}

APPLICATION = "app.main:create_app"


@click.command()
@click.option("--reload", is_flag=True, help="Restart when the code changes (local only).")
def serve(reload: bool) -> None:
    # {% if cookiecutter.__server == "yes" %}
    """Run the server until SIGTERM or SIGINT.

    Requests in flight have SHUTDOWN_TIMEOUT seconds to finish. Exit status: 1 for invalid
    settings or a port in use, 3 if the start fails, 143 after SIGTERM, 0 after SIGINT or with
    several workers.
    """
    # {% else %}
    """Run the server until SIGTERM or SIGINT.

    Exit status: 1 for invalid settings or a port in use, 3 if the start fails, 143 after SIGTERM,
    0 after SIGINT.
    """
    # {% endif %}
    settings = prepare()
    if reload and settings.environment != "local":
        fail("--reload: only with ENVIRONMENT=local")
    check_port(settings.host, settings.port)
    options: dict[str, Any] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "reload": reload,
        "reload_dirs": [str(Path(__file__).parents[1])] if reload else None,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "root_path": settings.root_path,
        "forwarded_allow_ips": [str(network) for network in settings.forwarded_allow_ips],
    }
    # {% if cookiecutter.__server == "yes" %}
    run(APPLICATION, settings, options)
    # {% else %}
    uvicorn.run(APPLICATION, **options)
    # {% endif %}


def check_port(host: str, port: int) -> None:
    """Exit with one line if the port is in use, instead of starting the application first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        cause = str(error.strerror).partition(" (")[0]
        is_taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        hint = "Set PORT to use another port" if is_taken else "Check HOST"
        fail(f"{host}:{port}: {cause}. {hint}", event="address_unavailable")

"""Run the server."""

import socket
from pathlib import Path
from typing import Any

import click
import uvicorn
from structlog import get_logger
from uvicorn.supervisors import Multiprocess

from app.cli.common import fail, prepare
from app.cli.protocol import LimitedProtocol

APPLICATION = "app.main:create_app"


@click.command()
@click.option("--reload", is_flag=True, help="Restart when the code changes (local only).")
def serve(reload: bool) -> None:
    """Run the server until SIGTERM or SIGINT.

    Requests in flight have SHUTDOWN_TIMEOUT seconds to finish. Exit status: 1 for invalid
    settings or a port in use, 3 if the start fails, 143 after SIGTERM, 0 after SIGINT or with
    several workers.
    """
    settings = prepare()
    if reload and settings.environment != "local":
        fail("--reload: only with ENVIRONMENT=local")
    if settings.is_deployed and not settings.forwarded_allow_ips:
        get_logger("app.cli").warning(
            "no_trusted_proxy",
            hint="Behind a proxy, set FORWARDED_ALLOW_IPS. Otherwise all clients share its address",
        )
    check_port(settings.host, settings.port)
    options: dict[str, Any] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "reload": reload,
        "reload_dirs": [str(Path(__file__).parents[1])] if reload else None,
        "http": LimitedProtocol,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "root_path": settings.root_path,
        "forwarded_allow_ips": [str(network) for network in settings.forwarded_allow_ips],
        # Longer than the idle timeout of common proxies, or they reuse a connection being closed.
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": settings.shutdown_timeout,
        "timeout_worker_healthcheck": 30,
    }
    if settings.workers > 1 and not reload:
        config = uvicorn.Config(APPLICATION, **options)
        Supervisor(config, sockets=[config.bind_socket()]).run()
    else:
        uvicorn.run(APPLICATION, **options)


def check_port(host: str, port: int) -> None:
    """Exit with one line if the port is in use, instead of starting the application first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        cause = str(error.strerror).partition(" (")[0]
        fail(f"{host}:{port}: {cause}. Set PORT to use another port", event="address_unavailable")


class Supervisor(Multiprocess):
    """uvicorn's worker supervisor, which also stops listening before it stops the workers."""

    def terminate_all(self) -> None:
        """Stop listening, then stop the workers."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

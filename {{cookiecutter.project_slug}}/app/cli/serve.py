"""Run the server."""

from pathlib import Path
from typing import Any

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.cli.common import prepare, refuse

APPLICATION = "app.main:create_app"


@click.command()
@click.option("--reload", is_flag=True, help="Restart when the code changes (local only).")
def serve(reload: bool) -> None:
    """Run the server until SIGTERM or SIGINT.

    Requests in flight have SHUTDOWN_TIMEOUT seconds to finish. Exit status: 1 for invalid
    settings, 3 if the start fails, 143 after SIGTERM, 0 after SIGINT or with several workers.
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
        "reload_dirs": [str(Path(__file__).parents[1])] if reload else None,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
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


class Supervisor(Multiprocess):
    """uvicorn's worker supervisor, which also stops listening before it stops the workers."""

    def terminate_all(self) -> None:
        """Stop listening, then stop the workers."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

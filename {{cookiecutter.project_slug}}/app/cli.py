"""The commands of `uv run manage`."""

import click
import uvicorn
from pydantic import ValidationError

from app.core.config import Settings


@click.group()
def main() -> None:
    """Run and look after the service."""


@main.command()
@click.option("--reload", is_flag=True, help="Restart when the code changes.")
def serve(*, reload: bool) -> None:
    """Serve the API on HOST and PORT."""
    settings = load_settings()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        reload=reload,
        server_header=False,
    )


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        click.ClickException: A setting is wrong; the message names its variable, not its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = str(first["loc"][0]).upper() if first["loc"] else "Settings"
        message = f"{variable}: {first['msg']}"
        raise click.ClickException(message) from None

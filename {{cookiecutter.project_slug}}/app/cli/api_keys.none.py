"""Commands that manage API keys."""

import re
from datetime import UTC, datetime, timedelta

import click

from app.auth.api_keys import SCOPES, digest_key, generate_key
from app.auth.configured_keys import ApiKey, KeyService
from app.cli.common import prepare


def parse_client_name(text: str) -> str:
    """Return the name of a client.

    Raises:
        ValueError: It contains other characters or is too long.
    """
    if re.fullmatch("[a-z0-9-]{1,63}", text) is None:
        raise ValueError("must be 1 to 63 characters of a-z, 0-9 and hyphens")
    return text


@click.group()
def api_keys() -> None:
    """Manage API keys."""


@api_keys.command()
@click.argument("client", type=parse_client_name)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=SCOPES,
    help="Allow GET requests (read) or all others (write). Default: both.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="Days for which the key is valid.",
)
def create(client: str, scopes: tuple[str, ...], days: int) -> None:
    """Create an API key for CLIENT and print it. It cannot be shown again."""
    settings = prepare()
    key_id, text = generate_key()
    digest = digest_key(text, settings)
    granted = "+".join(sorted(set(scopes)))
    expires_at = datetime.now(UTC) + timedelta(days=days)
    key = ApiKey(client, key_id, granted, expires_at.date().isoformat(), digest)
    click.echo("API_KEYS=" + ",".join([*settings.api_keys, str(key)]))
    click.echo(text)


@api_keys.command("list")
def list_configured() -> None:
    """List the API keys, without their secrets."""
    for key in KeyService(prepare().api_keys).list_all():
        click.echo(f"{key.key_id}  {key.client_name}  {key.scopes}  expires {key.last_day}")

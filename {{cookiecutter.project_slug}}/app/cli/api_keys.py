"""Commands that manage API keys."""

import re
from datetime import UTC, datetime, timedelta

import click
from structlog import get_logger

from app.auth.api_keys import SCOPES, digest_key, generate_key
from app.auth.models import ApiKey
from app.auth.stored_keys import KeyService
from app.cli.common import prepare
from app.cli.database import run_in_session
from app.core.settings import SERVICE_NAME

KEY_REFERENCE = re.compile("(?:" + SERVICE_NAME + "_)?([0-9a-f]{16})(?:_[0-9a-f]{72})?")

log = get_logger("app.auth")


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
    key = ApiKey(key_id=key_id, digest=digest, scopes=granted, expires_at=expires_at)
    run_in_session(settings, lambda session: KeyService(session).add(client, key))
    log.warning("api_key_created", key_id=key_id, client=client)
    click.echo(text)


@api_keys.command("list")
def list_stored() -> None:
    """List the API keys, without their secrets."""
    for key in run_in_session(prepare(), lambda session: KeyService(session).list_all()):
        times = {
            "created": key.created_at,
            "used": key.last_used_at,
            "expires": key.expires_at,
            "revoked": key.revoked_at,
        }
        columns = [f"{name} {time:%Y-%m-%d %H:%M}" for name, time in times.items() if time]
        click.echo("  ".join([key.key_id, key.client.name, key.scopes, *columns]))


@api_keys.command()
@click.argument("key")
def revoke(key: str) -> None:
    """Revoke an API key: its id, the part up to the last `_`, or the whole key."""
    match = KEY_REFERENCE.fullmatch(key)
    if match is None:
        raise click.BadParameter("must be an API key or its id, see: manage api-keys list")
    key_id = match[1]
    run_in_session(prepare(), lambda session: KeyService(session).revoke(key_id))
    log.warning("api_key_revoked", key_id=key_id)

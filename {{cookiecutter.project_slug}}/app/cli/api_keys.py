"""Commands for the operator: the API keys of clients."""

import re
from datetime import UTC, datetime, timedelta

import click
# {% if cookiecutter.database != "none" %}
from structlog import get_logger
# {% endif %}

from app.auth.api_keys import SCOPES, digest_key, make_key
# {% if cookiecutter.database == "none" %}
from app.auth.configured_keys import ApiKey, Keys
# {% else %}
from app.auth.clients import ApiKey
from app.auth.stored_keys import Keys
# {% endif %}
from app.cli.common import prepare
# {% if cookiecutter.database != "none" %}
from app.cli.database import run_in_session
from app.core.errors import NotFoundError
# {% endif %}
# {% if cookiecutter.database != "none" %}

log = get_logger("app.auth")
# {% endif %}


class ClientType(click.ParamType[str]):
    """The name of a client."""

    name = "client"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; BadParameter."""
        if re.fullmatch("[a-z0-9-]{1,63}", value) is None:
            self.fail("must be 1 to 63 of a-z, 0-9 and hyphens", param, ctx)
        return value


@click.group()
def api_keys() -> None:
    """Let programs call, or not."""


@api_keys.command()
@click.argument("client", type=ClientType())
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=SCOPES,
    help="What the key is for; both unless said.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="How long it is good.",
)
def create(client: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a key for CLIENT, and print it this once."""
    settings = prepare()
    key_id, text = make_key()
    digest = digest_key(text, settings)
    granted = "+".join(sorted(set(scopes)))
    expires_at = datetime.now(UTC) + timedelta(days=days)
    # {% if cookiecutter.database == "none" %}
    key = ApiKey(client, key_id, granted, expires_at.date().isoformat(), digest)
    click.echo("API_KEYS=" + ",".join([*settings.api_keys, str(key)]))
    # {% else %}
    key = ApiKey(key_id=key_id, digest=digest, scopes=granted, expires_at=expires_at)
    run_in_session(settings, lambda session: Keys(session).add(client, key))
    log.warning("api_key_created", key_id=key_id, client=client)
    # {% endif %}
    click.echo(text)


@api_keys.command("list")
def list_keys() -> None:
    """List the keys, without their secrets."""
    # {% if cookiecutter.database == "none" %}
    for key in Keys(prepare().api_keys).list():
        click.echo(f"{key.key_id}  {key.client_name}  {key.scopes}  expires {key.last_day}")
    # {% else %}
    for key in run_in_session(prepare(), lambda session: Keys(session).list()):
        moments = {
            "created": key.created_at,
            "used": key.last_used_at,
            "expires": key.expires_at,
            "revoked": key.revoked_at,
        }
        said = (f"{what} {when:%Y-%m-%d %H:%M}" for what, when in moments.items() if when)
        click.echo("  ".join([key.key_id, key.client.name, key.scopes, *said]))
    # {% endif %}
# {% if cookiecutter.database != "none" %}


@api_keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key at once, by its id."""
    try:
        run_in_session(prepare(), lambda session: Keys(session).revoke(key_id))
    except NotFoundError as error:
        raise click.ClickException(str(error)) from None
    log.warning("api_key_revoked", key_id=key_id)
# {% endif %}

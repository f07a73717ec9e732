"""Commands that manage users."""

from collections.abc import Sequence

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.models import User
from app.auth.users import find_user
from app.cli.common import prepare
from app.cli.database import run_in_session

log = get_logger("app.auth")


@click.group()
def users() -> None:
    """List, activate and deactivate users."""


@users.command("list")
def list_users() -> None:
    """List everyone who has used the service."""

    async def work(session: AsyncSession) -> Sequence[User]:
        return (await session.scalars(select(User).order_by(User.created_at))).all()

    for user in run_in_session(prepare(), work):
        state = "active" if user.is_active else "inactive"
        created = f"created {user.created_at:%Y-%m-%d %H:%M}"
        click.echo("  ".join([str(user.id), state, created, user.issuer, user.subject]))


@users.command()
@click.argument("subject")
def activate(subject: str) -> None:
    """Accept the user SUBJECT of OIDC_ISSUER again."""
    set_active(subject, is_active=True)


@users.command()
@click.argument("subject")
def deactivate(subject: str) -> None:
    """Refuse the user SUBJECT of OIDC_ISSUER with immediate effect."""
    set_active(subject, is_active=False)


def set_active(subject: str, *, is_active: bool) -> None:
    """Store whether a user may use the service.

    Raises:
        ClickException: The user has not used the service.
    """
    settings = prepare()

    async def work(session: AsyncSession) -> User | None:
        user = await find_user(session, settings.oidc_issuer, subject)
        if user:
            user.is_active = is_active
        return user

    user = run_in_session(settings, work)
    if user is None:
        raise click.ClickException("No user has this subject. Run: uv run manage users list")
    log.warning("user_updated", user_id=str(user.id), is_active=is_active)

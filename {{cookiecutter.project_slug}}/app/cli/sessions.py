"""Manage sessions."""

import click
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.users import UserSession, change_rows
from app.cli.common import prepare
from app.cli.database import run_in_session
from app.cli.users import EmailType, find_user

log = get_logger("app.auth")


@click.group("sessions")
def user_sessions() -> None:
    """End sessions."""


@user_sessions.command()
@click.option("--user", "email", type=EmailType(), help="Whose.")
@click.option("--all", "everyone", is_flag=True, help="Those of all users.")
def revoke(email: str | None, *, everyone: bool) -> None:
    """End sessions: their tokens work no more."""
    if (email is None) is not everyone:
        raise click.UsageError("Say --user or --all.")

    async def work(session: AsyncSession) -> int:
        ended = delete(UserSession)
        if email is not None:
            ended = ended.where(UserSession.user_id == (await find_user(session, email)).id)
        count = await change_rows(session, ended)
        log.warning("sessions_revoked", count=count)
        return count

    click.echo(f"{run_in_session(prepare(), work)} ended")

"""Manage sessions."""

import click
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.events import log_after_commit
from app.auth.models import UserSession
from app.auth.schemas import normalize_email
from app.auth.sessions import end_sessions
from app.cli.common import prepare
from app.cli.database import run_in_session
from app.cli.users import find_user

log = get_logger("app.auth")


@click.group("sessions")
def user_sessions() -> None:
    """End sessions."""


@user_sessions.command()
@click.option("--user", "email", type=normalize_email, help="E-mail address of the user.")
@click.option("--all", "everyone", is_flag=True, help="End the sessions of all users.")
def revoke(email: str | None, *, everyone: bool) -> None:
    """End the sessions of one user or of all users; their tokens stop working."""
    if (email is None) is not everyone:
        raise click.UsageError("Use either --user or --all.")

    async def work(session: AsyncSession) -> int:
        whose = [UserSession.user_id == (await find_user(session, email)).id] if email else []
        count = await end_sessions(session, *whose)
        log_after_commit(session, log.warning, "sessions_revoked", count=count)
        return count

    click.echo(f"Sessions ended: {run_in_session(prepare(), work)}")

"""Manage users."""

import secrets

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.events import log_after_commit
from app.auth.models import User, UserSession
from app.auth.passwords import PasswordHasher
from app.auth.schemas import normalize_email
from app.auth.sessions import end_sessions
from app.auth.settings import AuthSettings
from app.auth.users import UserService
from app.cli.common import prepare
from app.cli.database import run_in_session

log = get_logger("app.auth")

email_argument = click.argument("email", type=normalize_email)
generate_option = click.option(
    "--generate-password", is_flag=True, help="Generate the password and print it once."
)


async def find_user(session: AsyncSession, email: str) -> User:
    """Return a user.

    Raises:
        ClickException: No user has this address.
    """
    user = await session.scalar(select(User).where(User.email == email))
    if user is None:
        raise click.ClickException("No user has this address.")
    return user


def ask_password(*, generate: bool) -> str:
    """Return a new password, which the operator types or which is generated."""
    if generate:
        return secrets.token_urlsafe(18)
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


def create_user_service(session: AsyncSession, settings: AuthSettings) -> UserService:
    """Return the user service of a command."""
    return UserService(session, PasswordHasher(settings.password_hash_cost), settings)


@click.command()
@email_argument
@click.option("--superuser", is_flag=True, help="Allow the user to list all users.")
@generate_option
def create_user(email: str, *, superuser: bool, generate_password: bool) -> None:
    """Create a user with the address EMAIL."""
    settings = prepare()
    password = ask_password(generate=generate_password)

    async def work(session: AsyncSession) -> None:
        accounts = create_user_service(session, settings)
        await accounts.create(email, password, is_superuser=superuser)

    run_in_session(settings, work)
    if generate_password:
        click.echo(password)


@click.group()
def users() -> None:
    """Activate and deactivate users, and set passwords."""


@users.command()
@email_argument
@generate_option
def set_password(email: str, *, generate_password: bool) -> None:
    """Set the password of the user EMAIL and end all sessions of the user."""
    settings = prepare()
    password = ask_password(generate=generate_password)

    async def work(session: AsyncSession) -> None:
        user = await find_user(session, email)
        await create_user_service(session, settings).set_password(user, password)
        await end_sessions(session, UserSession.user_id == user.id)

    run_in_session(settings, work)
    if generate_password:
        click.echo(password)


@users.command()
@email_argument
def activate(email: str) -> None:
    """Allow the user EMAIL to log in again."""
    set_active(email, is_active=True)


@users.command()
@email_argument
def deactivate(email: str) -> None:
    """Deactivate the user EMAIL and end all sessions of the user."""
    set_active(email, is_active=False)


def set_active(email: str, *, is_active: bool) -> None:
    """Store whether a user may log in."""

    async def work(session: AsyncSession) -> None:
        user = await find_user(session, email)
        user.is_active = is_active
        if not is_active:
            await end_sessions(session, UserSession.user_id == user.id)
        fields = {"user_id": str(user.id), "is_active": is_active}
        log_after_commit(session, log.warning, "user_updated", **fields)

    run_in_session(prepare(), work)

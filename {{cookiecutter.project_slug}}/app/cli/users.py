"""Manage users."""

import secrets

import click
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.accounts import UserService, WeakPasswordError
from app.auth.passwords import MAX_BYTES, PasswordHasher, encode
from app.auth.schemas import normalize_email
from app.auth.users import User, UserSession
from app.cli.common import prepare
from app.cli.database import run_in_session

log = get_logger("app.auth")


class EmailType(click.ParamType[str]):
    """An e-mail address, in the form in which it is kept."""

    name = "email"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address; BadParameter."""
        try:
            return normalize_email(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


async def find_user(session: AsyncSession, email: str) -> User:
    """Return the user; ClickException if there is none."""
    user = await session.scalar(select(User).where(User.email == email))
    if user is None:
        raise click.ClickException("There is no such user.")
    return user


@click.command()
@click.argument("email", type=EmailType())
@click.option("--superuser", is_flag=True, help="Who may see all users.")
@click.option("--generate-password", is_flag=True, help="Make a password and print it, once.")
def create_user(email: str, *, superuser: bool, generate_password: bool) -> None:
    """Make a user, whose password is asked for unless it is generated."""
    settings = prepare()
    if generate_password:
        password = secrets.token_urlsafe(18)
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(encode(password)) > MAX_BYTES:
        raise click.ClickException(f"The password is longer than {MAX_BYTES} bytes.")

    async def work(session: AsyncSession) -> None:
        accounts = UserService(session, PasswordHasher(settings.password_hash_cost), settings)
        await accounts.create(email, password, is_superuser=superuser)

    try:
        run_in_session(settings, work)
    except IntegrityError:
        raise click.ClickException("This address is taken.") from None
    except WeakPasswordError as error:
        raise click.ClickException(f"The password {error.message}.") from None
    if generate_password:
        click.echo(password)


@click.group()
def users() -> None:
    """Let users in, or not."""


@users.command()
@click.argument("email", type=EmailType())
def activate(email: str) -> None:
    """Let a user in again."""
    set_active(email, is_active=True)


@users.command()
@click.argument("email", type=EmailType())
def deactivate(email: str) -> None:
    """Shut a user out at once, sessions included."""
    set_active(email, is_active=False)


def set_active(email: str, *, is_active: bool) -> None:
    """Store whether the user may sign in; who may not, has no session."""

    async def work(session: AsyncSession) -> None:
        user = await find_user(session, email)
        user.is_active = is_active
        if not is_active:
            await session.execute(delete(UserSession).where(UserSession.user_id == user.id))
        log.warning("user_updated", user_id=str(user.id), is_active=is_active)

    run_in_session(prepare(), work)

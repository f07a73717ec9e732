"""Commands for the operator: users, their sessions, and the keys that sign."""

import secrets
from base64 import b64encode
from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.accounts import Accounts, WeakPasswordError
from app.auth.passwords import MAX_BYTES, Passwords, encode
from app.auth.schemas import normalize_email
from app.auth.signing import find_private_key
from app.auth.tokens import Tokens
from app.auth.users import User, UserSession, change_rows
from app.core.command import prepare
from app.core.rsa_keys import create_private_key
from app.db.command import run_in_session

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
        accounts = Accounts(session, Passwords(settings.password_hash_cost), settings)
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


@click.group()
def keys() -> None:
    """Make and list the keys of tokens."""


@keys.command("create")
@click.argument("file", type=click.Path(path_type=Path))
def create_key(file: Path) -> None:
    """Write a new private key to FILE, readable by its owner only."""
    try:
        create_private_key(file)
    except FileExistsError:
        raise click.ClickException(f"{file} exists.") from None


@keys.command("list")
def list_keys() -> None:
    """List the key ids with the public keys, as RSA_PUBLIC_KEYS takes them; the first one signs."""
    settings = prepare()
    for kid, key in Tokens(settings, find_private_key(settings)).public_keys.items():
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        click.echo(f"{kid} {b64encode(pem).decode()}")

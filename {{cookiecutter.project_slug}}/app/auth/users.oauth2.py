"""Users of the OpenID provider, who are created when they first use the service."""

from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.access_tokens import Claims, InvalidTokenError
from app.auth.models import User

log = get_logger("app.auth")
# Built once: every request runs it.
FIND_USER = select(User).where(
    User.issuer == bindparam("issuer"), User.subject == bindparam("subject")
)


async def find_user(session: AsyncSession, issuer: str, subject: str) -> User | None:
    """Return the user, or None if there is none."""
    user: User | None = await session.scalar(FIND_USER, {"issuer": issuer, "subject": subject})
    return user


async def get_user(session: AsyncSession, claims: Claims) -> User:
    """Return the user of the claims, who is created if necessary.

    Raises:
        InvalidTokenError: The user was deactivated.
    """
    while (user := await find_user(session, claims.iss, claims.sub)) is None:
        await create_user(session, claims)
    if not user.is_active:
        log.warning("inactive_user_rejected", user_id=str(user.id))
        raise InvalidTokenError
    return user


async def create_user(session: AsyncSession, claims: Claims) -> None:
    """Store a user, unless another request does so at the same time.

    It is committed at once: other requests of the user must not wait for this one to end.
    """
    try:
        await session.execute(insert(User).values(issuer=claims.iss, subject=claims.sub))
        await session.commit()
        log.info("user_created", issuer=claims.iss, subject=claims.sub)
    except IntegrityError:
        await session.rollback()

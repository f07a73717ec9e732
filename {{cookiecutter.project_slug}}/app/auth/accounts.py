"""Users: registration, password verification, and changes by the user."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.errors import challenge
from app.auth.events import log_after_commit
from app.auth.passwords import PasswordHasher, find_weakness
from app.auth.schemas import UserUpdate
from app.auth.token_settings import AuthSettings
from app.auth.users import User, change_rows
from app.core.errors import AppError, BusinessRuleError, ConflictError

log = get_logger("app.auth")


class InvalidCredentialsError(AppError):
    """The e-mail address or the password is wrong; the response does not say which."""

    status_code, code = 401, "INVALID_CREDENTIALS"
    detail = "The e-mail address or the password is incorrect."
    headers = challenge()


class WeakPasswordError(AppError):
    """The password is easy to guess."""

    status_code, code = 422, "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        """Create the error for a field of the request body."""
        super().__init__("The request is not valid.")
        self.message = message
        error = {"loc": ["body", field], "type": "weak_password", "message": message}
        self.members = {"errors": [error]}


class VerifiedUser(NamedTuple):
    """A user and the hash that the submitted password matched."""

    id: uuid.UUID
    password_hash: str


class UserService:
    """Creates users and verifies and changes their passwords.

    `check` runs before each password is hashed and may cancel the operation.
    """

    def __init__(
        self,
        session: AsyncSession,
        passwords: PasswordHasher,
        settings: AuthSettings,
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.session = session
        self.passwords = passwords
        self.min_length = settings.password_min_length
        self.check = check

    async def create(self, email: str, password: str, *, is_superuser: bool = False) -> User:
        """Create a user.

        Raises:
            WeakPasswordError: The password is easy to guess.
            IntegrityError: The address belongs to another user.
        """
        self.require_strong("password", password, email)
        password_hash = await self.passwords.hash(password, self.check)
        user = User(email=email, password_hash=password_hash, is_superuser=is_superuser)
        self.session.add(user)
        await self.session.flush()
        fields: dict[str, Any] = {"user_id": str(user.id), "is_superuser": is_superuser}
        log_after_commit(self.session, log.info, "user_created", **fields)
        return user

    async def authenticate(self, email: str | None, password: str) -> VerifiedUser:
        """Return the user with this address and password.

        Raises:
            InvalidCredentialsError: Either is wrong, or the user is inactive. All cases take the
                same time.
        """
        columns = select(User.id, User.password_hash, User.is_active).where(User.email == email)
        user = (await self.session.execute(columns)).one_or_none()
        await self.release_connection()
        is_match = await self.passwords.verify(
            password, user.password_hash if user else None, self.check
        )
        if user is None or not is_match or not user.is_active:
            log.warning("authn_login_fail", user_id=str(user.id) if user else None)
            raise InvalidCredentialsError
        verified = VerifiedUser(user.id, user.password_hash)
        if not self.passwords.is_outdated(verified.password_hash):
            return verified
        new_hash = await self.passwords.hash(password, self.check)
        if await self.replace_hash(verified, new_hash):
            return VerifiedUser(verified.id, new_hash)
        return await self.authenticate(email, password)  # it was changed in the meantime

    async def change_password(self, user: User, current: str, new: str) -> VerifiedUser:
        """Replace the password of a user who knows the current one.

        Raises:
            WeakPasswordError: The new password is easy to guess.
            BusinessRuleError: The current password is incorrect.
            ConflictError: The password was changed by another request at the same time.
        """
        self.require_strong("new_password", new, user.email)
        before = VerifiedUser(user.id, user.password_hash)
        await self.release_connection()
        if not await self.passwords.verify(current, before.password_hash, self.check):
            raise BusinessRuleError("The current password is incorrect.")
        new_hash = await self.passwords.hash(new, self.check)
        if not await self.replace_hash(before, new_hash):
            raise ConflictError("The password was changed by another request.")
        log_after_commit(self.session, log.info, "authn_password_change", user_id=str(before.id))
        return VerifiedUser(before.id, new_hash)

    async def set_password(self, user: User, password: str) -> None:
        """Replace the password of a user on behalf of an operator.

        Raises:
            WeakPasswordError: The password is easy to guess.
        """
        self.require_strong("password", password, user.email)
        user.password_hash = await self.passwords.hash(password)
        log_after_commit(self.session, log.info, "authn_password_change", user_id=str(user.id))

    async def update(self, user: User, changes: UserUpdate) -> User:
        """Change the submitted fields and leave the others as they are."""
        for name, value in changes.model_dump().items():
            setattr(user, name, value)
        await self.session.flush()
        return user

    def require_strong(self, field: str, password: str, email: str) -> None:
        """Accept only a password that is hard to guess.

        Raises:
            WeakPasswordError: It is too short or too common, or the user's or service's name.
        """
        if message := find_weakness(password, email, self.min_length):
            raise WeakPasswordError(field, message)

    async def replace_hash(self, user: VerifiedUser, new_hash: str) -> bool:
        """Store another hash and return True, unless the stored hash was changed before."""
        statement = (
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .values(password_hash=new_hash)
        )
        return bool(await change_rows(self.session, statement))

    async def release_connection(self) -> None:
        """Return the connection to the pool, so that hashing a password does not occupy it."""
        await self.session.rollback()

"""Users: registration, password verification, and changes by the user."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.events import log_after_commit
from app.auth.models import User, change_rows
from app.auth.passwords import InvalidCredentialsError, PasswordHasher, require_strong
from app.auth.schemas import UserUpdate
from app.auth.settings import AuthSettings
from app.core.errors import BusinessRuleError, ConflictError
from app.db.errors import unique

log = get_logger("app.auth")


class UserService:
    """Creates users and verifies and changes their passwords."""

    def __init__(
        self, session: AsyncSession, passwords: PasswordHasher, settings: AuthSettings
    ) -> None:
        self.session = session
        self.passwords = passwords
        self.min_length = settings.password_min_length

    async def create(self, email: str, password: str, *, is_superuser: bool = False) -> User:
        """Create a user.

        Raises:
            WeakPasswordError: The password is easy to guess.
            ConflictError: The address belongs to another user.
        """
        require_strong(password, email, self.min_length)
        password_hash = await self.passwords.hash(password)
        user = User(email=email, password_hash=password_hash, is_superuser=is_superuser)
        self.session.add(user)
        with unique("A user with this address already exists."):
            await self.session.flush()
        fields: dict[str, Any] = {"user_id": str(user.id), "is_superuser": is_superuser}
        log_after_commit(self.session, log.info, "user_created", **fields)
        return user

    async def authenticate(self, email: str | None, password: str) -> User:
        """Return the user with this address and password.

        Raises:
            InvalidCredentialsError: Either is wrong, or the user is inactive. All cases take the
                same time, once the hash has the cost of PASSWORD_HASH_COST.
        """
        statement = select(User).where(User.email == email)
        user = await self.session.scalar(statement, execution_options={"populate_existing": True})
        await self.session.commit()  # returns the connection, which hashing must not occupy
        is_match = await self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not is_match or not user.is_active:
            log.warning("authn_login_fail", user_id=str(user.id) if user else None)
            raise InvalidCredentialsError
        is_outdated = self.passwords.is_outdated(user.password_hash)
        if is_outdated and not await self.replace_password(user, password):
            return await self.authenticate(email, password)  # it was changed in the meantime
        return user

    async def change_password(self, user: User, current: str, new: str) -> None:
        """Replace the password of a user who knows the current one.

        Raises:
            WeakPasswordError: The new password is easy to guess.
            BusinessRuleError: The current password is incorrect.
            ConflictError: The password was changed by another request at the same time.
        """
        require_strong(new, user.email, self.min_length, field="new_password")
        await self.session.commit()  # returns the connection, which hashing must not occupy
        if not await self.passwords.verify(current, user.password_hash):
            raise BusinessRuleError("The current password is incorrect.")
        if not await self.replace_password(user, new):
            raise ConflictError("The password was changed by another request.")
        log_after_commit(self.session, log.info, "authn_password_change", user_id=str(user.id))

    async def set_password(self, user: User, password: str) -> None:
        """Replace the password of a user on behalf of an operator.

        Raises:
            WeakPasswordError: The password is easy to guess.
        """
        require_strong(password, user.email, self.min_length)
        user.password_hash = await self.passwords.hash(password)
        log_after_commit(self.session, log.info, "authn_password_change", user_id=str(user.id))

    async def update(self, user: User, changes: UserUpdate) -> User:
        """Change the submitted fields and leave the others as they are."""
        for name, value in changes.model_dump().items():
            setattr(user, name, value)
        await self.session.flush()
        return user

    async def replace_password(self, user: User, password: str) -> bool:
        """Store the hash of a password and return True, unless another request has changed it."""
        statement = (
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .values(password_hash=await self.passwords.hash(password))
        )
        is_replaced = bool(await change_rows(self.session, statement))
        if is_replaced:
            await self.session.refresh(user)
        return is_replaced

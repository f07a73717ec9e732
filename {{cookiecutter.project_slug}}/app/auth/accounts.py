"""Users: sign-up, passwords, and what users may change of themselves."""

import unicodedata
import uuid
from contextlib import suppress

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from app.auth.errors import challenge
from app.auth.passwords import PasswordHasher
from app.auth.schemas import UserUpdate
from app.auth.token_settings import AuthSettings
from app.auth.users import User, change_rows
from app.core.errors import AppError, BusinessRuleError, ConflictError

log = get_logger("app.auth")


class InvalidCredentialsError(AppError):
    """E-mail address and password do not go together; which one is wrong, nobody learns."""

    status_code, code = 401, "INVALID_CREDENTIALS"
    detail = "The e-mail address or the password is wrong."
    headers = challenge()


class WeakPasswordError(AppError):
    """The password is too easy to guess; `field` is where it was sent."""

    status_code, code = 422, "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        super().__init__("The request is not valid.")
        self.message = message
        finding = {"loc": ["body", field], "type": "weak_password", "message": message}
        self.members = {"errors": [finding]}


class UserService:
    """The users and their passwords."""

    def __init__(
        self, session: AsyncSession, passwords: PasswordHasher, settings: AuthSettings
    ) -> None:
        self.session = session
        self.passwords = passwords
        self.min_length = settings.password_min_length

    async def create(self, email: str, password: str, *, is_superuser: bool = False) -> User:
        """Return the new user; WeakPasswordError, IntegrityError if the address is taken."""
        self.check_strength("password", password, email)
        password_hash = await self.passwords.hash(password)
        user = User(email=email, password_hash=password_hash, is_superuser=is_superuser)
        self.session.add(user)
        await self.session.flush()
        log.info("user_created", user_id=str(user.id), is_superuser=is_superuser)
        return user

    async def authenticate(self, email: str | None, password: str) -> uuid.UUID:
        """Return the id of the user; InvalidCredentialsError, equally slow whatever is wrong."""
        columns = select(User.id, User.password_hash, User.is_active)
        user = (await self.session.execute(columns.where(User.email == email))).one_or_none()
        await self.free_connection()
        is_right = await self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not is_right or not user.is_active:
            log.warning("authn_login_fail", user_id=str(user.id) if user else None)
            raise InvalidCredentialsError
        if self.passwords.is_outdated(user.password_hash):
            with suppress(ConflictError):  # of two sign-ins at once, one stores it
                await self.store_password(user.id, user.password_hash, password)
        user_id: uuid.UUID = user.id
        return user_id

    async def change_password(self, user: User, current: str, new: str) -> None:
        """Set another password; WeakPasswordError, BusinessRuleError if `current` is not it."""
        self.check_strength("new_password", new, user.email)
        user_id, password_hash = user.id, user.password_hash
        await self.free_connection()
        if not await self.passwords.verify(current, password_hash):
            raise BusinessRuleError("The current password is not right.")
        await self.store_password(user_id, password_hash, new)
        log.info("authn_password_change", user_id=str(user_id))

    async def update(self, user: User, changes: UserUpdate) -> User:
        """Return the changed user."""
        for name, value in changes.model_dump().items():
            setattr(user, name, value)
        await self.session.flush()
        return user

    def check_strength(self, field: str, password: str, email: str) -> None:
        """Raise WeakPasswordError (NIST SP 800-63B-4 section 3.1.1.2: no rules of composition)."""
        if len(unicodedata.normalize("NFC", password)) < self.min_length:
            raise WeakPasswordError(field, f"must have {self.min_length} characters or more")
        if password.lower() == email:
            raise WeakPasswordError(field, "must not be the e-mail address")

    async def store_password(self, user_id: uuid.UUID, old_hash: str, password: str) -> None:
        """Hash and store; ConflictError if somebody else did meanwhile."""
        values = {"password_hash": await self.passwords.hash(password)}
        unchanged = update(User).where(User.id == user_id, User.password_hash == old_hash)
        if not await change_rows(self.session, unchanged.values(values)):
            raise ConflictError("The password was changed at the same time.")

    async def free_connection(self) -> None:
        """Give the connection back, so that none is held while a hash is computed."""
        await self.session.rollback()

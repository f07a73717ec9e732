"""Password hashing with bcrypt, and the rules for new passwords (NIST SP 800-63B-4 3.1.1.2)."""

import asyncio
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import bcrypt

from app.auth.errors import challenge
from app.core.errors import AppError
from app.core.settings import SERVICE_NAME

THREADS = 2  # per process; more would take the CPU from other requests
MAX_QUEUE = 20  # hashes that run or wait; at cost 12 they take two to four seconds
MIN_LENGTH = 8
MAX_BYTES = 72  # bcrypt ignores the rest
MAX_LENGTH = 1024  # normalization takes quadratic time in the worst case

T = TypeVar("T")


class InvalidCredentialsError(AppError):
    """The e-mail address or the password is wrong; the response does not say which."""

    status_code, code = 401, "INVALID_CREDENTIALS"
    detail = "The e-mail address or the password is incorrect."
    headers = challenge()


class WeakPasswordError(AppError):
    """A field of the request body holds a password that cannot be accepted."""

    status_code, code = 422, "VALIDATION_ERROR"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"The password {reason}.")
        error = {"loc": ["body", field], "type": "weak_password", "message": reason}
        self.members = {"errors": [error]}


class HashQueueFullError(AppError):
    """Too many passwords are waiting to be hashed."""

    status_code, code = 503, "SERVICE_UNAVAILABLE"
    detail = "Too many logins at the same time. Try again later."


class PasswordHasher:
    """Creates and verifies bcrypt hashes in threads.

    `cost` is the base-2 logarithm of the number of rounds.
    """

    def __init__(self, cost: int) -> None:
        self.prefix = f"$2b${cost:02}$"
        self.cost = cost
        self.threads = asyncio.Semaphore(THREADS)
        self.queued = 0

    async def hash(self, password: str) -> str:
        """Return the hash of a password, with a new salt.

        Raises:
            HashQueueFullError: Too many hashes are waiting.
            ValueError: The password is longer than 72 bytes.
        """
        digest = await self._run(bcrypt.hashpw, encode(password), bcrypt.gensalt(self.cost))
        return digest.decode()

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password matches the hash. Without a hash, take the same time.

        Raises:
            HashQueueFullError: Too many hashes are waiting.
        """
        digest = password_hash or self.prefix + "." * 53  # a valid hash that no password matches
        is_match = await self._run(is_password, password, digest.encode())
        return is_match and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether the hash has another cost than new hashes."""
        return not password_hash.startswith(self.prefix)

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        if self.queued >= MAX_QUEUE:
            raise HashQueueFullError
        self.queued += 1
        try:
            async with self.threads:
                return await asyncio.to_thread(function, *arguments)
        finally:
            self.queued -= 1


def encode(password: str) -> bytes:
    """Return the bytes that are hashed: UTF-8 in Unicode normalization form C."""
    return unicodedata.normalize("NFC", password).encode()


def is_password(password: str, digest: bytes) -> bool:
    """Return whether the password matches; false if it is too long or the hash is invalid."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        return bcrypt.checkpw(encode(password), digest)
    except ValueError:
        return False


def require_strong(password: str, email: str, min_length: int, field: str = "password") -> None:
    """Check a new password. There are no composition rules.

    `field` is the name that the error response reports.

    Raises:
        WeakPasswordError: It is too short, too long or too common, or the user's or service's name.
    """
    names = {simplify(name) for name in (SERVICE_NAME, email, email.partition("@")[0])}
    if len(unicodedata.normalize("NFC", password)) < min_length:
        raise WeakPasswordError(field, f"must have at least {min_length} characters")
    if len(encode(password)) > MAX_BYTES:
        raise WeakPasswordError(field, f"must not be longer than {MAX_BYTES} bytes")
    if not password.strip() or password.casefold() in load_common_passwords():
        raise WeakPasswordError(field, "is too common")
    if simplify(password) in names - {""}:
        raise WeakPasswordError(field, "must not be the name of the service or the e-mail address")


def simplify(text: str) -> str:
    """Return the letters and digits without the digits at the end, in lower case."""
    return "".join(filter(str.isalnum, text.casefold())).rstrip("0123456789")


@cache
def load_common_passwords() -> frozenset[str]:
    """Return the common passwords; the file names its source."""
    text = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.casefold() for line in text.splitlines() if not line.startswith("# "))

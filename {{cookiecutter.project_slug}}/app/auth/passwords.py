"""Passwords: bcrypt, away from the event loop and a few at a time."""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import bcrypt

# Of each process. More would take the processor from the other requests.
THREADS = 2
MAX_BYTES = 72  # bcrypt sees no more
MAX_LENGTH = 1024  # to bring into one form takes the square of the length

T = TypeVar("T")


def encode(password: str) -> bytes:
    """Return what is hashed: one form of each character (NIST SP 800-63B-4 section 3.1.1.2)."""
    return unicodedata.normalize("NFC", password).encode()


class PasswordHasher:
    """Makes and checks hashes of one cost, which is a power of two."""

    def __init__(self, cost: int) -> None:
        self.prefix = f"$2b${cost:02}$"
        self.cost = cost
        self.threads = asyncio.Semaphore(THREADS)

    async def hash(self, password: str) -> str:
        """Return the hash; ValueError if the password is longer than bcrypt sees."""
        digest = await self._run(lambda: bcrypt.hashpw(encode(password), bcrypt.gensalt(self.cost)))
        return digest.decode()

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the one of the hash; as slow if there is none."""
        # Valid, of the usual cost, and of no password.
        digest = (password_hash or self.prefix + "." * 53).encode()
        return await self._run(lambda: is_password(password, digest)) and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made at another cost."""
        return not password_hash.startswith(self.prefix)

    async def _run(self, work: Callable[[], T]) -> T:
        async with self.threads:
            return await asyncio.to_thread(work)


def is_password(password: str, digest: bytes) -> bool:
    """Whether the hash is of the password; not if that is too long, or the hash is none."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        return bcrypt.checkpw(encode(password), digest)
    except ValueError:
        return False

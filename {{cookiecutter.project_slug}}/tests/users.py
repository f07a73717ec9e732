"""Users for tests, and the key that signs their tokens."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bcrypt
from fastapi import FastAPI

from app.auth.sessions import Sessions
from app.auth.users import User
from app.core.rsa_keys import create_private_key

EMAIL = "ada@example.com"
PASSWORD = "correct horse"  # noqa: S105
COST = 4  # the least; hashes would be most of the time of a test
PASSWORD_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST)).decode()


@cache
def make_pem() -> str:
    """Return a private key, the same one in a run."""
    with TemporaryDirectory() as folder:
        create_private_key(Path(folder, "key.pem"))
        return Path(folder, "key.pem").read_text()


def auth_settings() -> dict[str, Any]:
    return {"rsa_private_key_content": make_pem(), "password_hash_cost": COST}


async def sign_in(app: FastAPI, email: str = EMAIL, **values: Any) -> dict[str, str]:
    """Make a user, and return the header by which requests are theirs."""
    async with app.state.sessions.begin() as session:
        user = User(email=email, password_hash=PASSWORD_HASH, **values)
        session.add(user)
        await session.flush()
        sessions = Sessions(session, app.state.tokens, app.state.settings)
        tokens = await sessions.start(user.id)
    return {"Authorization": f"Bearer {tokens.access_token}"}

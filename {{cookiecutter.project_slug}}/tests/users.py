"""Users, keys and tokens for tests."""

import json
from base64 import urlsafe_b64decode
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bcrypt
import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import select, update

from app.auth.keys import create_private_key, parse_private_key
from app.auth.models import User, UserSession
from app.auth.sessions import SessionService
from app.auth.tokens import TokenPair

AUTH_URL = "/api/v1/auth"
ME_URL = f"{AUTH_URL}/me"
EMAIL = "ada@example.com"
PASSWORD = "correct horse"  # noqa: S105
COST = 4  # the minimum; hashing would take most of the time of a test
# With a fixed salt, so that parametrized tests have the same ids in every worker of pytest-xdist.
PASSWORD_HASH = bcrypt.hashpw(PASSWORD.encode(), f"$2b${COST:02}$".encode() + b"." * 22).decode()


@cache
def create_pem(name: str) -> str:
    with TemporaryDirectory() as folder:
        create_private_key(Path(folder, name))
        return Path(folder, name).read_text()


def make_pem(name: str = "signing") -> str:
    """Return a private key, the same one for each name."""
    return create_pem(name)


def make_public_pem(name: str = "signing") -> str:
    """Return the public key that belongs to `make_pem(name)`."""
    key = parse_private_key(make_pem(name)).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def auth_settings() -> dict[str, Any]:
    return {"rsa_private_key_content": make_pem(), "password_hash_cost": COST}


async def create_user(app: FastAPI, email: str = EMAIL, **values: Any) -> User:
    """Create a user with the password `PASSWORD`."""
    async with app.state.sessions.begin() as session:
        user = User(email=email, password_hash=PASSWORD_HASH, **values)
        session.add(user)
        return user


async def sign_in(app: FastAPI, email: str = EMAIL, **values: Any) -> dict[str, str]:
    """Create a user and return the headers that authenticate as that user."""
    user = await create_user(app, email, **values)
    async with app.state.sessions.begin() as session:
        sessions = SessionService(session, app.state.tokens, app.state.settings)
        return bearer((await sessions.start(user)).access_token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def sign_up(client: AsyncClient, email: str, password: object = PASSWORD) -> Response:
    return await client.post(f"{AUTH_URL}/sign-up", json={"email": email, "password": password})


async def log_in(client: AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> Response:
    form = {"username": email, "password": password}
    return await client.post(f"{AUTH_URL}/login", data=form)


async def start_session(client: AsyncClient, email: str = EMAIL) -> TokenPair:
    """Log in and return the tokens."""
    response = await log_in(client, email)
    assert response.status_code == 200, response.text
    return TokenPair.model_validate_json(response.content)


async def refresh(client: AsyncClient, token: str) -> Response:
    return await client.post(f"{AUTH_URL}/refresh", json={"refresh_token": token})


async def rotate(client: AsyncClient, pair: TokenPair) -> TokenPair:
    """Use the refresh token and return the new tokens."""
    response = await refresh(client, pair.refresh_token)
    assert response.status_code == 200, response.text
    return TokenPair.model_validate_json(response.content)


async def log_out(client: AsyncClient, token: str) -> Response:
    return await client.post(f"{AUTH_URL}/logout", json={"refresh_token": token})


async def is_accepted(client: AsyncClient, access_token: str) -> bool:
    return (await client.get(ME_URL, headers=bearer(access_token))).status_code == 200


async def find_user(app: FastAPI, email: str = EMAIL) -> User:
    async with app.state.sessions() as session:
        user: User = (await session.scalars(select(User).where(User.email == email))).one()
        return user


async def change_users(app: FastAPI, **values: Any) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(User).values(values))


async def change_sessions(app: FastAPI, **values: Any) -> None:
    async with app.state.sessions.begin() as session:
        await session.execute(update(UserSession).values(values))


async def list_sessions(app: FastAPI) -> list[UserSession]:
    async with app.state.sessions() as session:
        return list(await session.scalars(select(UserSession)))


def read_part(token: str, part: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a token."""
    text = token.split(".")[part]
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def forge(token: str, key: str = "signing", algorithm: str = "RS256", **changes: Any) -> str:
    """Return the token with other claims, or another `typ`, and a new signature."""
    header = read_part(token, 0)
    headers = {"kid": header["kid"], "typ": changes.pop("typ", header["typ"])}
    return jwt.encode(
        read_part(token, 1) | changes, parse_private_key(make_pem(key)), algorithm, headers
    )

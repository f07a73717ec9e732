"""Users for tests, what they do, and the key that signs their tokens, also such as are not ours."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bcrypt
import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.auth.rsa_keys import create_private_key, parse_private_key
from app.auth.sessions import SessionService
from app.auth.tokens import TokenPair
from app.auth.users import User

AUTH = "/api/v1/auth"
ME = f"{AUTH}/me"
EMAIL = "ada@example.com"
PASSWORD = "correct horse"  # noqa: S105
COST = 4  # the least; hashes would be most of the time of a test
# With a fixed salt, so that parametrized tests have the same ids in every worker of pytest-xdist.
PASSWORD_HASH = bcrypt.hashpw(PASSWORD.encode(), f"$2b${COST:02}$".encode() + b"." * 22).decode()


@cache
def create_pem(name: str) -> str:
    with TemporaryDirectory() as folder:
        create_private_key(Path(folder, name))
        return Path(folder, name).read_text()


def make_pem(name: str = "ours") -> str:
    """Return a private key, the same one in a run for one name."""
    return create_pem(name)


def make_public_pem(name: str = "ours") -> str:
    key = parse_private_key(make_pem(name)).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def auth_settings() -> dict[str, Any]:
    return {"rsa_private_key_content": make_pem(), "password_hash_cost": COST}


async def sign_in(app: FastAPI, email: str = EMAIL, **values: Any) -> dict[str, str]:
    """Make a user, and return the header by which requests are theirs."""
    async with app.state.sessions.begin() as session:
        user = User(email=email, password_hash=PASSWORD_HASH, **values)
        session.add(user)
        await session.flush()
        sessions = SessionService(session, app.state.tokens, app.state.settings)
        tokens = await sessions.start(user.id)
    return bearer(tokens.access_token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def sign_up(client: AsyncClient, email: str, password: str = PASSWORD) -> Response:
    return await client.post(f"{AUTH}/sign-up", json={"email": email, "password": password})


async def log_in(client: AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> Response:
    form = {"username": email, "password": password}
    return await client.post(f"{AUTH}/login", data=form)


async def start_session(client: AsyncClient, password: str = PASSWORD) -> TokenPair:
    answer = await log_in(client, password=password)
    assert answer.status_code == 200, answer.text
    return TokenPair.model_validate_json(answer.content)


async def refresh(client: AsyncClient, token: str) -> Response:
    return await client.post(f"{AUTH}/refresh", json={"refresh_token": token})


async def is_accepted(client: AsyncClient, access_token: str) -> bool:
    return (await client.get(ME, headers=bearer(access_token))).status_code == 200


def read_part(token: str, part: int) -> dict[str, Any]:
    """Return the header of the token, part 0, or the claims, part 1."""
    text = token.split(".")[part]
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def encode_part(part: object) -> str:
    """Return the part of a token: of bytes as they are, of anything else in JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(header: object, claims: object, key: object = None, algorithm: str = "RS256") -> str:
    """Return a token of whatever parts, signed with our key unless there is another."""
    signed = f"{encode_part(header)}.{encode_part(claims)}"
    method = jwt.get_algorithm_by_name(algorithm)
    signature = method.sign(signed.encode(), key or parse_private_key(make_pem()))
    return f"{signed}.{encode_part(signature)}"


def forge(
    token: str,
    header: dict[str, Any] | None = None,
    drop: Iterable[str] = (),
    key: object = None,
    algorithm: str = "RS256",
    **claims: Any,
) -> str:
    """Return a token like this one, with other members in its header and its claims."""
    ours = read_part(token, 0) | {"alg": algorithm} | (header or {}), read_part(token, 1) | claims
    members, said = ({name: part[name] for name in part.keys() - set(drop)} for part in ours)
    return sign(members, said, key, algorithm)

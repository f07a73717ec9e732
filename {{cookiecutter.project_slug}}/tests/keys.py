"""API keys of the tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI

from app.auth import CurrentUser
from app.auth.api_keys import HEADER, compute_checksum, digest_key, generate_key
# {% if cookiecutter.database == "none" %}
from app.auth.configured_keys import ApiKey
# {% else %}
from app.auth.models import ApiKey
from app.auth.stored_keys import KeyService
# {% endif %}

ME = "/me"
SECRET_KEY = "0123456789abcdef0123456789abcdef"  # noqa: S105


def auth_settings() -> dict[str, Any]:
    return {"secret_key": SECRET_KEY}


async def sign_in(app: FastAPI, client: str = "acme", **values: Any) -> dict[str, str]:
    """Create an API key for a client and return the header that contains it."""
    return {HEADER: await create_key(app, client, **values)}


async def create_key(
    app: FastAPI, client: str = "acme", scopes: str = "read+write", days: int = 1
) -> str:
    key_id, text = generate_key()
    digest = digest_key(text, app.state.settings)
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days)
    # {% if cookiecutter.database == "none" %}
    key = ApiKey(client, key_id, scopes, expires_at.date().isoformat(), digest)
    app.state.settings.api_keys.append(str(key))
    # {% else %}
    key = ApiKey(
        key_id=key_id, digest=digest, scopes=scopes, expires_at=expires_at, last_used_at=now
    )
    async with app.state.sessions.begin() as session:
        await KeyService(session).add(client, key)
    # {% endif %}
    return text


def add_route(app: FastAPI) -> None:
    """Add a route that returns the name of the client."""

    @app.get(ME, include_in_schema=False)
    @app.post(ME, include_in_schema=False)
    async def get_name(user: CurrentUser) -> str:
        return user.name


def replace_secret(key: str) -> str:
    """Return a well-formed key with the same id and another secret."""
    text = key[:-72] + "0" * 64
    return text + compute_checksum(text)

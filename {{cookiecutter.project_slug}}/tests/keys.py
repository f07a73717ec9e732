"""API keys for tests, and the secret that their digests are made with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI

from app.auth.api_keys import HEADER, digest_key, make_key
# {% if cookiecutter.database == "none" %}
from app.auth.configured_keys import ApiKey
# {% else %}
from app.auth.clients import ApiKey
from app.auth.stored_keys import Keys
# {% endif %}

SECRET_KEY = "0123456789abcdef0123456789abcdef"  # noqa: S105


def auth_settings() -> dict[str, Any]:
    return {"secret_key": SECRET_KEY}


async def sign_in(
    app: FastAPI, client: str = "acme", scopes: str = "read+write", days: int = 1
) -> dict[str, str]:
    """Give a client a key for some days, and return the header by which requests are its own."""
    key_id, text = make_key()
    digest = digest_key(text, app.state.settings)
    now = datetime.now(UTC)
    end = now + timedelta(days=days)
    # {% if cookiecutter.database == "none" %}
    key = ApiKey(client, key_id, scopes, end.date().isoformat(), digest)
    app.state.settings.api_keys.append(str(key))
    # {% else %}
    key = ApiKey(key_id=key_id, digest=digest, scopes=scopes, expires_at=end, last_used_at=now)
    async with app.state.sessions.begin() as session:
        await Keys(session).add(client, key)
    # {% endif %}
    return {HEADER: text}

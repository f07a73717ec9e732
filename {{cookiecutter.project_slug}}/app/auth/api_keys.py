"""The format of API keys.

A key is `<service>_<id>_<secret><checksum>`. The id finds the stored key. The service's name and
the checksum let secret scanners recognize leaked keys, and let the service reject other text
without looking it up. Only a digest of the key is stored.
"""

import hmac
import re
import secrets
from hashlib import sha256
from zlib import crc32

from app.auth.settings import AuthSettings
from app.core.settings import SERVICE_NAME

HEADER = "X-API-Key"
KEY = re.compile(SERVICE_NAME + "_([0-9a-f]{16})_[0-9a-f]{64}[0-9a-f]{8}")
SCOPES = ("read", "write")


def generate_key() -> tuple[str, str]:
    """Return the id of a new key, and the key."""
    key_id = secrets.token_hex(8)
    text = f"{SERVICE_NAME}_{key_id}_{secrets.token_hex(32)}"
    return key_id, text + compute_checksum(text)


def compute_checksum(text: str) -> str:
    """Return the CRC-32 of the text as 8 hexadecimal digits."""
    return f"{crc32(text.encode()):08x}"


def parse_key_id(text: str) -> str | None:
    """Return the id in a key, or None if the text is not a key of this service."""
    match = KEY.fullmatch(text)
    if match is None or compute_checksum(text[:-8]) != text[-8:]:
        return None
    return match[1]


def digest_key(text: str, settings: AuthSettings) -> str:
    """Return the HMAC-SHA256 of a key (RFC 2104) in hexadecimal digits.

    Without SECRET_KEY, a stolen digest cannot be compared with guessed keys.
    """
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return hmac.new(secret_key.encode(), text.encode(), sha256).hexdigest()

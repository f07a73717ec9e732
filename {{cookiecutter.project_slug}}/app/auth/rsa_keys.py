"""RSA keys in PEM (RFC 7468): from settings, from files, and new ones."""

import os
import secrets
from base64 import b64decode
from functools import cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

BITS = 2048  # and no fewer (RFC 7518 section 3.3)
NOT_FOR_OTHERS = 0o027
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


@cache  # to validate a key takes as long as to use it forty times
def parse_private_key(text: str) -> rsa.RSAPrivateKey:
    """Return the key of a PEM, which may be in base64 to fit in a line; ValueError."""
    try:
        key = load_pem_private_key(decode(text), password=None)
    except UNREADABLE:
        raise ValueError("must be an RSA private key in PEM, without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < BITS:
        raise ValueError(f"must be an RSA key of {BITS} bits or more")
    return key


def parse_public_key(text: str) -> rsa.RSAPublicKey:
    """Return the key of a PEM, which may be in base64 to fit in a line; ValueError."""
    try:
        key = load_pem_public_key(decode(text))
    except UNREADABLE:
        raise ValueError("must be an RSA public key in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < BITS:
        raise ValueError(f"must be an RSA key of {BITS} bits or more")
    return key


def decode(text: str) -> bytes:
    """Return the PEM; ValueError if the text is neither that nor base64."""
    return text.encode() if text.startswith("-----BEGIN") else b64decode(text, validate=True)


def read_private_key(path: str | Path) -> rsa.RSAPrivateKey:
    """Return the key of a file, which only its owner and a group may read; ValueError."""
    try:
        mode, text = Path(path).stat().st_mode, Path(path).read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if os.name == "posix" and mode & NOT_FOR_OTHERS:
        raise ValueError("is open to others: chmod 600")
    return parse_private_key(text)


def create_private_key(path: Path) -> None:
    """Write a new key that only its owner may read; FileExistsError.

    Many may do it at once: one succeeds, and no one sees half a file.
    """
    pem = rsa.generate_private_key(public_exponent=65537, key_size=BITS).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    unfinished.touch(0o600, exist_ok=False)
    try:
        unfinished.write_bytes(pem)
        path.hardlink_to(unfinished)
    finally:
        unfinished.unlink()

"""RSA keys in PEM format (RFC 7468): parsing, reading and creating."""

import os
import secrets
import stat
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

MIN_BITS = 2048  # RFC 7518 section 3.3
PARSER_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm)


@cache  # validating a key takes as long as signing forty times
def parse_private_key(text: str) -> rsa.RSAPrivateKey:
    """Return the key in a PEM text, which may be encoded in base64 to fit in one line.

    Raises:
        ValueError: The text is not an RSA private key of at least 2048 bits.
    """
    try:
        key = load_pem_private_key(decode(text), password=None)
    except PARSER_ERRORS:
        raise ValueError("must be an RSA private key in PEM format without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_BITS:
        raise ValueError(f"must be an RSA key of at least {MIN_BITS} bits")
    return key


def parse_public_key(text: str) -> rsa.RSAPublicKey:
    """Return the key in a PEM text, which may be encoded in base64 to fit in one line.

    Raises:
        ValueError: The text is not an RSA public key of at least 2048 bits.
    """
    try:
        key = load_pem_public_key(decode(text))
    except PARSER_ERRORS:
        raise ValueError("must be an RSA public key in PEM format") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_BITS:
        raise ValueError(f"must be an RSA key of at least {MIN_BITS} bits")
    return key


def decode(text: str) -> bytes:
    """Return the PEM text as bytes.

    Raises:
        ValueError: The text is neither PEM nor base64.
    """
    return text.encode() if text.startswith("-----BEGIN") else b64decode(text, validate=True)


def read_private_key(path: str | Path) -> rsa.RSAPrivateKey:
    """Return the key in a PEM file.

    Raises:
        ValueError: The file cannot be read, contains no key, or is readable by other users.
    """
    try:
        text = Path(path).read_text(encoding="ascii")
        is_exposed = is_readable_by_others(Path(path).resolve())
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if is_exposed:
        raise ValueError("is readable by other users. Run: chmod 600 FILE, or use SECRETS_DIR")
    return parse_private_key(text)


def is_readable_by_others(path: Path) -> bool:
    """Return whether other users may read the file and enter every folder above it."""
    return (
        os.name == "posix"
        and bool(path.stat().st_mode & stat.S_IROTH)
        and all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    )


def create_private_key(path: Path) -> None:
    """Write a new private key that only its owner may read.

    When several processes create the same file at once, exactly one succeeds and nobody reads an
    incomplete file.

    Raises:
        FileExistsError: The file exists.
    """
    pem = rsa.generate_private_key(public_exponent=65537, key_size=MIN_BITS).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    temporary.touch(0o600, exist_ok=False)
    try:
        temporary.write_bytes(pem)
        path.hardlink_to(temporary)
    finally:
        temporary.unlink()

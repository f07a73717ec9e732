"""RSA keys in PEM format (RFC 7468): parsing, reading and creating."""

import os
import stat
from base64 import b64decode
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from structlog import get_logger

MIN_BITS = 2048  # RFC 7518 section 3.3
PARSER_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm)
LOCAL_KEY = Path("local.pem")


@cache  # validating a key takes as long as signing forty times
def parse_private_key(text: str) -> rsa.RSAPrivateKey:
    """Return the key in a PEM text, which may be encoded in base64 to fit in one line.

    Raises:
        ValueError: The text is not an RSA private key of at least 2048 bits.
    """
    with suppress(*PARSER_ERRORS):
        key = load_pem_private_key(decode(text), password=None)
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= MIN_BITS:
            return key
    raise ValueError(f"must be an RSA private key of at least {MIN_BITS} bits in PEM or base64")


def parse_public_key(text: str) -> rsa.RSAPublicKey:
    """Return the key in a PEM text, which may be encoded in base64 to fit in one line.

    Raises:
        ValueError: The text is not an RSA public key of at least 2048 bits.
    """
    with suppress(*PARSER_ERRORS):
        key = load_pem_public_key(decode(text))
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_BITS:
            return key
    raise ValueError(f"must be an RSA public key of at least {MIN_BITS} bits in PEM or base64")


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

    Raises:
        FileExistsError: The file exists.
    """
    pem = rsa.generate_private_key(public_exponent=65537, key_size=MIN_BITS).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder, path.name)
        draft.touch(0o600)
        draft.write_bytes(pem)
        os.link(draft, path)  # another process sees a complete file or none


def get_signing_key(configured: rsa.RSAPrivateKey | None) -> rsa.RSAPrivateKey:
    """Return the configured key, or else the local one, which is created if necessary.

    Raises:
        ValueError: The local key cannot be read.
    """
    if configured:
        return configured
    get_logger("app.auth").warning("no_private_key", using=str(LOCAL_KEY))
    if not LOCAL_KEY.exists():
        with suppress(FileExistsError):  # another process was faster
            create_private_key(LOCAL_KEY)
    return read_private_key(LOCAL_KEY)

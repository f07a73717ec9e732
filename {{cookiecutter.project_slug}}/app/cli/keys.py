"""Manage the keys that sign and verify tokens."""

from base64 import b64encode
from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.keys import create_private_key, get_signing_key
from app.auth.tokens import TokenService
from app.cli.common import prepare


@click.group()
def keys() -> None:
    """Create and list the keys that sign and verify tokens."""


@keys.command("create")
@click.argument("file", type=click.Path(path_type=Path))
def create_key(file: Path) -> None:
    """Write a new private key to FILE. Only its owner may read it."""
    try:
        create_private_key(file)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


@keys.command("list")
def list_keys() -> None:
    """List key ids and public keys in the format of RSA_PUBLIC_KEYS. The first key signs."""
    settings = prepare()
    tokens = TokenService(settings, get_signing_key(settings.private_key))
    for kid, key in tokens.public_keys.items():
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        click.echo(f"{kid} {b64encode(pem).decode()}")

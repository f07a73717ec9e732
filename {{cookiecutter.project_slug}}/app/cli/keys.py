"""Manage the keys that sign tokens."""

from base64 import b64encode
from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.jwks import find_private_key
from app.auth.rsa_keys import create_private_key
from app.auth.tokens import TokenService
from app.cli.common import prepare


@click.group()
def keys() -> None:
    """Make and list the keys of tokens."""


@keys.command("create")
@click.argument("file", type=click.Path(path_type=Path))
def create_key(file: Path) -> None:
    """Write a new private key to FILE, readable by its owner only."""
    try:
        create_private_key(file)
    except FileExistsError:
        raise click.ClickException(f"{file} exists.") from None


@keys.command("list")
def list_keys() -> None:
    """List the key ids with the public keys, as RSA_PUBLIC_KEYS takes them; the first one signs."""
    settings = prepare()
    for kid, key in TokenService(settings, find_private_key(settings)).public_keys.items():
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        click.echo(f"{kid} {b64encode(pem).decode()}")

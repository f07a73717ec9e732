"""Tokens, good and forged: built by hand, since a library would refuse to."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from users import SIGNING_KEY, make_key

Sign = Callable[[bytes], bytes]
Json = dict[str, Any]


def encode(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return what base64url without padding stands for."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(data: bytes, key: str = SIGNING_KEY, digest: hashes.HashAlgorithm | None = None) -> bytes:
    """Return the RSA signature, as of RS256 unless another hash is given."""
    return make_key(key).sign(data, padding.PKCS1v15(), digest or hashes.SHA256())


def sign_pss(data: bytes) -> bytes:
    """Return the signature as of PS256."""
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return make_key(SIGNING_KEY).sign(data, pss, hashes.SHA256())


@dataclass(frozen=True)
class Token:
    """The parts of a token; changed ones are signed anew, by the service's own key unless said."""

    header: Json
    claims: Json
    text: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the parts of a token."""
        header, claims, _signature = text.split(".")
        return cls(json.loads(decode(header)), json.loads(decode(claims)), text)

    def with_header(self, *without: str, **members: object) -> Self:
        """Return it with other members of the header."""
        kept = {name: value for name, value in self.header.items() if name not in without}
        return replace(self, header=kept | members)

    def with_claims(self, *without: str, **claims: object) -> Self:
        """Return it with other claims."""
        kept = {name: value for name, value in self.claims.items() if name not in without}
        return replace(self, claims=kept | claims)

    def encode(
        self, by: Sign = sign, *, header: bytes | None = None, payload: bytes | None = None
    ) -> str:
        """Return the text, signed; `header` and `payload` are sent as they stand."""
        parts = (
            json.dumps(self.header).encode() if header is None else header,
            json.dumps(self.claims).encode() if payload is None else payload,
        )
        signed = ".".join(map(encode, parts))
        return f"{signed}.{encode(by(signed.encode()))}"

"""Errors of PyJWT."""

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY, OTHER_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def decode(key: rsa.RSAPrivateKey = KEY, audience: str | None = None, **claims: Any) -> None:  # noqa: ANN401
    token = jwt.encode(claims, key, "RS256")
    jwt.decode(token, KEY.public_key(), algorithms=["RS256"], audience=audience, issuer="us")


def reproduce_other_key() -> None:
    decode(OTHER_KEY)


def reproduce_expired_token() -> None:
    decode(iss="us", exp=1)


def reproduce_other_audience() -> None:
    decode(iss="us", aud="them", audience="us")


def reproduce_other_issuer() -> None:
    decode(iss="them")


def reproduce_other_algorithm() -> None:
    jwt.decode(jwt.encode({}, "x" * 32, "HS256"), KEY.public_key(), algorithms=["RS256"])


def reproduce_clock_behind_for_nbf() -> None:
    decode(iss="us", nbf=time.time() + 60)


def reproduce_clock_behind_for_iat() -> None:
    decode(iss="us", iat=time.time() + 60)


def reproduce_opaque_token() -> None:
    jwt.decode("2YotnFZFEjr1zCsicMWpAA", KEY.public_key(), algorithms=["RS256"])

"""Forged tokens, one for each way in which services were deceived.

An id such as A-01 or JWT-04 is the row of the requirements that asks for the case.
"""

import hmac
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey
from tokens import Token, decode, encode, sign, sign_pss
from users import SIGNING_KEY, make_key, public_pem

OTHER_KEY, ATTACKERS_KEY = "a key that only verifies", "a key of the attacker"
ISSUER = AUDIENCE = "my-service"
DEEP = 20_000  # the header section may have 64 KiB
ACCESS_SECONDS, REFRESH_SECONDS, SKEW = 15 * 60, 7 * 24 * 3600, 30


class Listener:
    """A web server that no token may make the service call; it counts connections."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/keys"
        self.requests = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                self.socket.accept()[0].close()
                self.requests += 1


LISTENER = Listener()
PUBLIC_KEY = make_key(SIGNING_KEY).public_key()
SUBJECT = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
JWK = RSAKey.import_key(public_pem(ATTACKERS_KEY)).as_dict(private=False)

Forge = Callable[[Token], str]


def with_secret(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.new(secret, data, "sha256").digest()


def header(*without: str, by: Callable[[bytes], bytes] = sign, **members: object) -> Forge:
    return lambda good: good.with_header(*without, **members).encode(by)


def claims(*without: str, **members: object) -> Forge:
    """Change claims. A callable gets the original claims."""

    def forge(good: Token) -> str:
        now = {"now": int(time.time())} | good.claims
        new = {name: value(now) if callable(value) else value for name, value in members.items()}
        return good.with_claims(*without, **new).encode()

    return forge


def at(**offsets: float) -> Forge:
    """Set times, in seconds from now."""
    return lambda good: good.with_claims(
        **{name: int(time.time()) + offset for name, offset in offsets.items()}
    ).encode()


def raw_claims(old: str, new: str) -> Forge:
    """Replace a claim with text that no encoder would write."""
    return lambda good: good.encode(
        payload=json.dumps(good.claims | {old: "OLD"}).replace('"OLD"', new).encode()
    )


def cut(change: Callable[[str], str]) -> Forge:
    return lambda good: change(good.text)


def swap_last_bits(text: str) -> str:
    """Change the unused bits of the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


attacker = partial(sign, key=ATTACKERS_KEY)
ODD = {
    "null": None,
    "a number": 5,
    "true": True,
    "a list": ["a"],
    "an object": {"a": 1},
    "empty": "",
    "5 kB": "a" * 5000,
    "SQL": "' OR 1=1--",
    "NUL": "x\0",
    "half a pair": "\ud800",
}
FORGERIES: dict[str, Forge] = {
    **{
        f"A-01 alg {alg}": header(alg=alg, by=lambda _: b"")
        for alg in ("none", "None", "NONE", "nOnE", "")
    },
    "A-01 alg none with a signature": header(alg="none"),
    "A-01 no alg": header("alg"),
    **{
        f"A-02 HS256 with the {name}": header(alg="HS256", by=with_secret(secret))
        for name, secret in {
            "PEM": PUBLIC_KEY.public_bytes(*SUBJECT),
            "PEM without its last line end": PUBLIC_KEY.public_bytes(*SUBJECT).strip(),
            "PEM of PKCS1": PUBLIC_KEY.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
            "DER": PUBLIC_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "n": encode(PUBLIC_KEY.public_numbers().n.to_bytes(256, "big")).encode(),
            "bytes of n": PUBLIC_KEY.public_numbers().n.to_bytes(256, "big"),
            "empty secret": b"",
        }.items()
    },
    "A-03 RS384": header(alg="RS384", by=partial(sign, digest=hashes.SHA384())),
    "A-03 RS512": header(alg="RS512", by=partial(sign, digest=hashes.SHA512())),
    "A-03 PS256": header(alg="PS256", by=sign_pss),
    "A-03 PS256 said to be RS256": header(by=sign_pss),
    "A-03 rs256": header(alg="rs256"),
    "A-03 ES256": header(alg="ES256"),
    "A-03 a list": header(alg=["RS256"]),
    "A-03 null": header(alg=None),
    "A-04 another key": header(by=attacker),
    "A-04 the other key of ours, under this name": header(by=partial(sign, key=OTHER_KEY)),
    "A-05 jwk": header(jwk=JWK, by=attacker),
    "A-05 jwk without kid": header("kid", jwk=JWK, by=attacker),
    "A-05 jwk and our signature": header(jwk=JWK),
    "A-05 x5c": header(x5c=["MIIB"], by=attacker),
    **{
        f"A-06 {name}, signed by {whose}": header(by=by, **{name: LISTENER.url})
        for name in ("jku", "x5u")
        for whose, by in (("us", sign), ("the attacker", attacker))
    },
    "A-06 kid as URL": header(kid=LISTENER.url, by=attacker),
    "A-07 no kid": header("kid"),
    "A-07 an unknown kid": header(kid="unknown"),
    "A-07 a path": header(kid="../../../../dev/null", by=with_secret(b"")),
    "A-07 another kid of ours": header(
        kid=RSAKey.import_key(public_pem(OTHER_KEY)).thumbprint(),
    ),
    **{f"A-07 kid {name}": header(kid=value) for name, value in ODD.items()},
    "A-07 kid of 10 kB": header(kid="a" * 10_000),
    "JWT-04 crit": header(crit=["exp"]),
    "JWT-04 an unknown crit": header(crit=["kit"], kit=1),
    "JWT-04 an empty crit": header(crit=[]),
    "JWT-04 zip": header(zip="DEF"),
    "JWT-04 b64": header(b64=False, crit=["b64"]),
    "A-09 typ JWT": header(typ="JWT"),
    "A-09 no typ": header("typ"),
    "A-09 typ with a space": lambda good: header(typ=good.header["typ"] + " ")(good),
    "A-09 typ in capitals": lambda good: header(typ=good.header["typ"].upper())(good),
    "A-09 typ in full": lambda good: header(typ="application/" + good.header["typ"])(good),
    "A-09 typ and cty": header(cty="JWT"),
    **{f"A-09 typ {name}": header(typ=value) for name, value in ODD.items()},
    "A-12 exp now": at(exp=0),
    "A-12 exp a second ago": at(exp=-1),
    "A-12 exp beyond the leeway": at(exp=-SKEW - 1, iat=-100, nbf=-100),
    "A-12 no exp": claims("exp"),
    "JWT-09 exp as text": claims(exp=lambda good: str(good["exp"])),
    "JWT-09 exp as list": claims(exp=lambda good: [good["exp"]]),
    "JWT-09 exp true": claims(exp=True),
    "JWT-09 exp null": claims(exp=None),
    "JWT-09 exp minus one": claims(exp=-1),
    "JWT-09 exp a fraction": claims(exp=lambda good: good["exp"] - 0.5),
    "JWT-09 exp far away": claims(exp=lambda good: good["iat"] + REFRESH_SECONDS + SKEW + 1),
    "JWT-09 exp in the year 9999": claims(exp=253402300799),
    "JWT-09 exp 2^63": claims(exp=1 << 63),
    "JWT-09 exp of 5000 digits": raw_claims("exp", "9" * 4000),
    "JWT-09 exp NaN": raw_claims("exp", "NaN"),
    "JWT-09 exp Infinity": raw_claims("exp", "Infinity"),
    "JWT-09 exp 1e400": raw_claims("exp", "1e400"),
    "JWT-09 exp 1e9": raw_claims("exp", "4e9"),
    "A-13 nbf ahead": at(nbf=600),
    "A-13 iat ahead": at(iat=600),
    "A-13 nbf a little beyond the leeway": at(nbf=SKEW + 5),
    "A-13 no nbf": claims("nbf"),
    "A-13 no iat": claims("iat"),
    "A-13 nbf as text": claims(nbf=lambda good: str(good["nbf"])),
    "A-13 iat as text": claims(iat=lambda good: str(good["iat"])),
    "A-13 nbf null": claims(nbf=None),
    "A-13 iat NaN": raw_claims("iat", "NaN"),
    "A-15 no iss": claims("iss"),
    "A-15 iss wrong": claims(iss="other"),
    "A-15 iss a prefix": claims(iss=lambda good: good["iss"][:-1]),
    "A-15 iss with a slash": claims(iss=lambda good: good["iss"] + "/"),
    "A-15 iss a list": claims(iss=lambda good: [good["iss"]]),
    "A-15 iss in capitals": claims(iss=lambda good: good["iss"].upper()),
    **{f"A-15 iss {name}": claims(iss=value) for name, value in ODD.items()},
    "A-16 no aud": claims("aud"),
    "A-16 aud wrong (A-27)": claims(aud="other-service"),
    "A-16 aud an empty list": claims(aud=[]),
    "A-16 aud a list of others": claims(aud=["other"]),
    # Many accept a list that contains the service. Ours contain one name.
    "A-16 aud a list with us": claims(aud=["other", AUDIENCE]),
    "A-16 aud in capitals": claims(aud=AUDIENCE.upper()),
    **{f"A-16 aud {name}": claims(aud=value) for name, value in ODD.items()},
    "A-17 no sub": claims("sub"),
    "A-17 sub of nobody": claims(sub=str(uuid.UUID(int=1))),
    "A-17 sub an e-mail address": claims(sub="user-0@example.com"),
    "A-17 sub SQL": claims(sub="1 OR 1=1"),
    **{f"A-17 sub {name}": claims(sub=value) for name, value in ODD.items()},
    "A-18 no jti": claims("jti"),
    "A-18 no sid": claims("sid"),
    "A-18 sid of no session": claims(sid=str(uuid.UUID(int=1))),
    "A-18 sid is sub": claims(sid=lambda good: good["sub"]),
    **{f"A-18 jti {name}": claims(jti=value) for name, value in ODD.items()},
    **{f"A-18 sid {name}": claims(sid=value) for name, value in ODD.items()},
    "A-19 no type": claims("type"),
    "A-19 type in capitals": claims(type=lambda good: good["type"].upper()),
    "A-19 type a list": claims(type=lambda good: [good["type"]]),
    **{f"A-19 type {name}": claims(type=value) for name, value in ODD.items()},
    **{
        f"A-20 {count} characters less": cut(lambda text, count=count: text[:-count])
        for count in (1, 5, 100)
    },
    "A-20 no signature": cut(lambda text: text.rpartition(".")[0] + "."),
    "A-20 no payload": cut(lambda text: "..".join(text.split(".")[::2])),
    "A-20 two parts": cut(lambda text: text.rpartition(".")[0]),
    "A-20 four parts": cut(lambda text: f"{text}.a"),
    "A-20 five parts": cut(lambda text: f"{text}.a.b"),
    "A-20 only dots": cut(lambda _: ".."),
    "A-20 one character": cut(lambda _: "~"),
    "A-20 the last character": cut(lambda text: text[:-1] + ("A" if text[-1] != "A" else "Q")),
    "A-20 bits that mean nothing": cut(swap_last_bits),
    "A-20 a character inside": cut(
        lambda text: text[:-100] + ("A" if text[-100] != "A" else "B") + text[-99:]
    ),
    "A-20 padding": cut(lambda text: f"{text}="),
    "A-20 two of padding": cut(lambda text: f"{text}=="),
    "A-20 + and /": cut(
        lambda text: (
            text.rpartition(".")[0]
            + "."
            + (text.rpartition(".")[2] + "-_").replace("-", "+").replace("_", "/")
        )
    ),
    "A-20 a comma": cut(lambda text: f"{text},"),
    "A-20 quotes": cut(lambda text: f'"{text}"'),
    "A-20 percent": cut(lambda text: text.replace(".", "%2e")),
    "A-22 deep lists as payload": lambda good: good.encode(payload=b"[" * DEEP + b"]" * DEEP),
    "A-22 deep lists as header": lambda good: good.encode(header=b"[" * DEEP + b"]" * DEEP),
    "A-22 deep lists in a small payload": lambda good: good.encode(
        payload=b"[" * 2500 + b"]" * 2500
    ),
    "A-22 deep lists in a small header": lambda good: good.encode(header=b'{"a":' * 1000),
    "A-22 8193 characters": cut(lambda text: text + "a" * (8193 - len(text))),
    "A-22 many dots": cut(lambda _: "." * 8000),
    **{
        f"A-22 {place} {name}": lambda good, place=place, data=data: good.encode(**{place: data})
        for place in ("header", "payload")
        for name, data in {
            "empty": b"",
            "null": b"null",
            "a list": b"[]",
            "a number": b"1",
            "a text": b'"a"',
            "no JSON": b"{",
            "no UTF-8": b'{"\xff": 1}',
            "an empty object": b"{}",
            "NUL": b"\0",
        }.items()
    },
    "A-28 another sub, signature kept": cut(
        lambda text: ".".join(
            [
                text.split(".")[0],
                encode(
                    json.dumps(
                        json.loads(decode(text.split(".")[1])) | {"sub": str(uuid.uuid4())}
                    ).encode()
                ),
                text.split(".")[2],
            ]
        )
    ),
}
# Texts that cannot be sent in a header.
FORGED_BODIES: dict[str, Forge] = {
    "A-20 a line end": cut(lambda text: f"{text}\n"),
    "A-20 a space": cut(lambda text: f"{text} "),
    "A-20 a space before": cut(lambda text: f" {text}"),
    "A-20 not ASCII": cut(lambda text: f"{text}é"),
    "A-20 U+2028": cut(lambda text: f"{text}\u2028"),
    "A-22 200 kB": cut(lambda text: text + "a" * 200_000),
    "A-31 a random text": cut(lambda _: "kit-canary-value"),
}
ACCEPTED: dict[str, Forge] = {
    "signed by hand": header(),
    "by the other key of ours": lambda good: good.with_header(
        kid=RSAKey.import_key(public_pem(OTHER_KEY)).thumbprint()
    ).encode(partial(sign, key=OTHER_KEY)),
    "by a clock that is ahead": at(nbf=SKEW - 5, iat=SKEW - 5),
    "another jti": claims(jti="0" * 32),
    "a further claim": claims(kit=1),
}

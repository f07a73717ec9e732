"""The forge kit: no token but a good one opens anything, and a session ends when it ends.

An id such as A-01 or JWK-04 is the row of the requirements that asks for it.
"""

import hmac
import itertools
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from answers import Answer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from own_servers import own_redis
from routes import FORM, Request
from servers import each_database, fresh_database
from service_process import Launch, Service
from tokens import Token, decode, encode, sign, sign_pss
from users import (
    JWKS,
    LOGOUT,
    ME,
    PUBLIC,
    REFRESH,
    SIGN_UP,
    SIGNING_KEY,
    WRONG_PASSWORD,
    Client,
    User,
    make_key,
    private_pem,
    public_pem,
    read_routes,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.slow

OTHER_KEY, ATTACKERS_KEY = "one that only verifies", "of the attacker"
ISSUER = AUDIENCE = "my-service"
DEEP = 100_000
ACCESS_SECONDS, REFRESH_SECONDS, SKEW = 15 * 60, 7 * 24 * 3600, 30
LEEWAY = 1
KINDS = {"access": ("at+jwt", ACCESS_SECONDS), "refresh": ("rt+jwt", REFRESH_SECONDS)}


@pytest.fixture(scope="module", params=each_database(but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


ON_ONE = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def service(launch: Launch) -> Iterator[Service]:
    """The service with two keys published, its throttles off, and a short leeway of refreshes."""
    settings = {
        "RSA_PUBLIC_KEYS": json.dumps([public_pem(OTHER_KEY)]),
        "ACCESS_TOKEN_MINUTES": "15",
        "REFRESH_LEEWAY_SECONDS": str(LEEWAY),
        "DOCS_ENABLED": "true",
    }
    with launch(**settings) as running:
        yield running


@pytest.fixture(scope="module")
def victim(service: Service) -> User:
    """Whose tokens are forged."""
    return sign_in(service)


@pytest.fixture(scope="module")
def client(service: Service) -> Client:
    return Client(service)


def outcome(answer: Answer) -> tuple[int, str]:
    """Return status and code; answers.py has judged the rest, the challenge included."""
    return answer.status, answer.json().get("code", "") if answer.status >= 400 else ""


OK = (200, "")
INVALID_TOKEN = (401, "INVALID_TOKEN")
NOT_AUTHENTICATED = (401, "NOT_AUTHENTICATED")
INVALID_CREDENTIALS = (401, "INVALID_CREDENTIALS")


def show(user: User, token: str, kind: str) -> Answer:
    """Return the answer to a token of this kind, where such are taken."""
    if kind == "refresh":
        return Client(user.service).send("POST", REFRESH, {"refresh_token": token})
    request = Request(target=ME.encode())
    return user.ask(request.put("Authorization", b"Bearer " + token.encode()))


def check_it_is_none_the_worse(user: User, since: int) -> None:
    """Assert that good tokens work, and that nothing went wrong within."""
    assert user.get_status() == 200
    for record in user.service.log(since):
        assert record["level"] in {"info", "warning"}, record
        assert "Traceback" not in str(record)
        assert "eyJ" not in str(record), "a token in the log"


# --- Forged tokens (A-01 … A-22)


class Listener:
    """A web server that no token may make the service ask; it counts who comes."""

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
    """Change claims; a callable one is given the good ones."""

    def forge(good: Token) -> str:
        now = {"now": int(time.time())} | good.claims
        new = {name: value(now) if callable(value) else value for name, value in members.items()}
        return good.with_claims(*without, **new).encode()

    return forge


def at(**offsets: float) -> Forge:
    """Set moments to so many seconds from now."""
    return lambda good: good.with_claims(
        **{name: int(time.time()) + offset for name, offset in offsets.items()}
    ).encode()


def raw_claims(old: str, new: str) -> Forge:
    """Change the text of the claims, as no encoder would write it."""
    return lambda good: good.encode(
        payload=json.dumps(good.claims | {old: "OLD"}).replace('"OLD"', new).encode()
    )


def cut(change: Callable[[str], str]) -> Forge:
    return lambda good: change(good.text)


def swap_last_bits(text: str) -> str:
    """Return it with the bits changed that the last character has too many."""
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
    "A-15 iss a prefix": claims(iss=ISSUER[:-1]),
    "A-15 iss with a slash": claims(iss=f"{ISSUER}/"),
    "A-15 iss a list": claims(iss=[ISSUER]),
    "A-15 iss in capitals": claims(iss=ISSUER.upper()),
    **{f"A-15 iss {name}": claims(iss=value) for name, value in ODD.items()},
    "A-16 no aud": claims("aud"),
    "A-16 aud wrong (A-27)": claims(aud="other-service"),
    "A-16 aud an empty list": claims(aud=[]),
    "A-16 aud a list of others": claims(aud=["other"]),
    # Accepted by many; we write one name, and take one name.
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
    "A-22 800 kB": cut(lambda text: text + "a" * 800_000),
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
# Where a header is no place for them.
FORGED_BODIES: dict[str, Forge] = {
    "A-20 a line end": cut(lambda text: f"{text}\n"),
    "A-20 a space": cut(lambda text: f"{text} "),
    "A-20 a space before": cut(lambda text: f" {text}"),
    "A-20 not ASCII": cut(lambda text: f"{text}é"),
    "A-20 U+2028": cut(lambda text: f"{text}\u2028"),
    "A-31 a random text": cut(lambda _: "kit-canary-value"),
}
CASES = [
    *(pytest.param(kind, name, id=f"{kind} {name}") for name in FORGERIES for kind in KINDS),
    *(pytest.param("refresh", name, id=f"refresh {name}") for name in FORGED_BODIES),
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_no_forged_token_is_taken(victim: User, kind: str, name: str) -> None:
    if victim.get_status() != 200:
        victim.log_in()  # so that a case that succeeded spoils no other
    good = Token.read(victim.tokens[f"{kind}_token"])
    forged = (FORGERIES | FORGED_BODIES)[name](good)
    assert forged != good.text
    seen, started = len(victim.service.lines()), time.monotonic()
    answer = show(victim, forged, kind)
    assert time.monotonic() - started < 1
    # A body has a bound, which a header does not know.
    expected = {INVALID_TOKEN, *([(422, "VALIDATION_ERROR")] if len(forged) > 8192 else [])}
    assert outcome(answer) in (expected if kind == "refresh" else {INVALID_TOKEN})
    assert forged.encode() not in answer.body
    assert not LISTENER.requests
    check_it_is_none_the_worse(victim, seen)


ACCEPTED: dict[str, Forge] = {
    "signed by hand": header(),
    "by the other key of ours": lambda good: good.with_header(
        kid=RSAKey.import_key(public_pem(OTHER_KEY)).thumbprint()
    ).encode(partial(sign, key=OTHER_KEY)),
    "by a clock that is ahead": at(nbf=SKEW - 5, iat=SKEW - 5),
    "another jti": claims(jti="0" * 32),
    "a further claim": claims(kit=1),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_forge_can_make_good_tokens(victim: User, name: str) -> None:
    """Otherwise the cases above would prove nothing."""
    good = Token.read(victim.tokens["access_token"])
    assert outcome(show(victim, ACCEPTED[name](good), "access")) == OK


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_one_kind_is_none_of_the_other(victim: User, kind: str) -> None:
    """A-10, A-11, A-31: as it is, and with the marks of the other kind."""
    (other,) = KINDS.keys() - {kind}
    typ, seconds = KINDS[kind]
    seen = len(victim.service.lines())
    good = Token.read(victim.tokens[f"{other}_token"])
    short = good.with_claims(exp=good.claims["iat"] + min(seconds, ACCESS_SECONDS))
    forged = [
        good.text,
        short.encode(),
        short.with_header(typ=typ).encode(),
        short.with_claims(type=kind).encode(),
        good.with_header(typ=typ).with_claims(exp=good.claims["iat"] + seconds).encode(),
    ]
    for text in forged:
        assert outcome(show(victim, text, kind)) == INVALID_TOKEN
    check_it_is_none_the_worse(victim, seen)


# --- How a token is shown (A-24 … A-30)


def test_what_needs_a_token_says_so(service: Service, subtests: pytest.Subtests) -> None:
    """AUT-01, AUT-02: every route but those of a list."""
    client = Client(service)
    for route in read_routes(service):
        with subtests.test(route=str(route)):
            answer = client.ask(route.good_request().drop("Authorization"))
            if route.path in PUBLIC:
                assert answer.status < 400
            else:
                assert outcome(answer) == NOT_AUTHENTICATED
                bad = route.good_request().put("Authorization", b"Bearer a.b.c")
                assert outcome(client.ask(bad)) == INVALID_TOKEN


SHOWN: dict[str, tuple[Callable[[bytes], tuple[bytes, ...]], tuple[int, str]]] = {
    "A-24 good and bad": (lambda good: (b"Bearer " + good, b"Bearer a"), (400, "INVALID_REQUEST")),
    "A-24 bad and good": (lambda good: (b"Bearer a", b"Bearer " + good), (400, "INVALID_REQUEST")),
    "A-24 the same twice": (lambda good: (b"Bearer " + good,) * 2, (400, "INVALID_REQUEST")),
    "A-24 two schemes": (lambda good: (b"Basic a", b"Bearer " + good), (400, "INVALID_REQUEST")),
    "A-25 Basic": (lambda good: (b"Basic " + good,), NOT_AUTHENTICATED),
    "A-25 two tokens": (lambda good: (b"Bearer " + good + b" " + good,), INVALID_TOKEN),
    "A-25 a list": (lambda good: (b"Bearer " + good + b", Bearer " + good,), INVALID_TOKEN),
    "A-25 a tab": (lambda good: (b"Bearer\t" + good,), NOT_AUTHENTICATED),
    "A-25 a colon": (lambda good: (b"Bearer: " + good,), NOT_AUTHENTICATED),
    "A-25 no scheme": (lambda good: (good,), NOT_AUTHENTICATED),
    "A-25 no token": (lambda _: (b"Bearer",), NOT_AUTHENTICATED),
    "A-25 empty": (lambda _: (b"",), NOT_AUTHENTICATED),
    "A-25 no UTF-8": (lambda _: (b"Bearer \xff\xfe",), INVALID_TOKEN),
    "A-25 a parameter": (lambda good: (b"Bearer token=" + good,), INVALID_TOKEN),
    "A-30 small letters": (lambda good: (b"bearer " + good,), OK),
    "A-30 capitals": (lambda good: (b"BEARER " + good,), OK),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_token_is_shown_once_and_as_bearer(victim: User, name: str) -> None:
    values, expected = SHOWN[name]
    good = victim.tokens["access_token"].encode()
    seen = len(victim.service.lines())
    request = Request(target=ME.encode()).put("Authorization", *values(good))
    assert outcome(victim.ask(request)) == expected
    check_it_is_none_the_worse(victim, seen)


def test_a_token_anywhere_else_is_not_seen(victim: User) -> None:
    token = victim.tokens["access_token"].encode()
    plain = Request(target=ME.encode())
    seen = len(victim.service.lines())
    for request in (
        replace(plain, target=plain.target + b"?access_token=" + token),
        replace(plain, target=plain.target + b"?token=" + token),
        plain.put("Cookie", b"access_token=" + token + b"; Authorization=Bearer " + token),
        plain.put("X-Access-Token", token),
        plain.put("Proxy-Authorization", b"Bearer " + token),
        replace(plain.put("Content-Type", FORM.encode()), body=b"access_token=" + token),
    ):
        assert outcome(victim.ask(request)) == NOT_AUTHENTICATED
    check_it_is_none_the_worse(victim, seen)


def test_a_good_token_without_the_right_is_403(victim: User, service: Service) -> None:
    seen = len(service.lines())
    assert outcome(victim.send("GET", "/api/v1/users")) == (403, "INSUFFICIENT_SCOPE")
    check_it_is_none_the_worse(victim, seen)
    admin = sign_in(service)
    admin.set("is_superuser = TRUE")
    assert victim.email in str(admin.send("GET", "/api/v1/users?limit=100").json())


def test_a_user_does_not_see_what_is_anothers(victim: User, service: Service) -> None:
    """A-79: as if it did not exist."""
    item = {"sku": "FORGE-1", "name": "Mug", "price": "9.90"}
    path = victim.send("POST", "/api/v1/items", item).headers["Location"]
    other = sign_in(service)
    nowhere = f"/api/v1/items/{uuid.uuid4()}"
    for method, body in (("GET", None), ("PATCH", {"name": "Cup"}), ("DELETE", None)):
        answers = [other.send(method, target, body).json() for target in (path, nowhere)]
        theirs, none = ({k: v for k, v in one.items() if k in {"status", "code", "detail"}}
                        for one in answers)  # fmt: skip
        assert theirs == none
        assert theirs["status"] == 404
    assert other.send("GET", "/api/v1/items").json()["total"] == 0
    assert victim.send("GET", path).json()["name"] == "Mug"


# --- The public keys (JWK-01 … JWK-05), and what tokens say (JWT-05 … JWT-16)


def test_another_library_verifies_an_access_token_by_the_public_keys(
    victim: User, client: Client
) -> None:
    answer = client.send("GET", JWKS)
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    keys = answer.json()["keys"]
    for key in keys:
        assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
        assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
        assert len(decode(key["n"])) == 256
        assert RSAKey.import_key(key).thumbprint() == key["kid"]
    token = jwt.decode(
        victim.tokens["access_token"], KeySet.import_key_set({"keys": keys}), algorithms=["RS256"]
    )
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        **{name: {"essential": True} for name in ("sub", "exp", "iat", "nbf", "jti", "sid")},
    )
    registry.validate(token.claims)
    assert token.header == {"alg": "RS256", "typ": "at+jwt", "kid": keys[0]["kid"]}
    fresh = client.ask(
        client.request("GET", JWKS).put("If-None-Match", answer.headers["ETag"].encode())
    )
    assert (fresh.status, fresh.body) == (304, b"")


def test_tokens_say_what_they_must_and_no_more(service: Service) -> None:
    user = sign_up(service)
    answer = user.log_in()
    assert answer.headers["Cache-Control"] == "no-store"
    pair = answer.json()
    assert pair.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", ACCESS_SECONDS)
    who = user.send("GET", ME).json()
    for kind, (typ, seconds) in KINDS.items():
        token = Token.read(pair[f"{kind}_token"])
        assert token.header["typ"] == typ
        assert token.claims.keys() == {
            *("iss", "aud", "sub", "sid", "jti", "type", "iat", "nbf", "exp")
        }
        assert token.claims["exp"] - token.claims["iat"] == seconds
        assert (token.claims["sub"], token.claims["type"]) == (who["id"], kind)
    assert not any("eyJ" in row for row in user.query("SELECT * FROM user_sessions"))


# --- Sessions (A-31 … A-43)

NO_TOKENS: dict[str, object] = {
    "no field": {},
    "empty": {"refresh_token": ""},
    **{
        f"{name} as token": {"refresh_token": value}
        for name, value in {
            "null": None, "a number": 5, "a list": ["a"], "an object": {}, "true": True,
            "half a pair": "\ud800.a.b", "NUL": "a\0",
        }.items()
    },
    "a field too many": {"refresh_token": "a", "access_token": "a"},
    "a list": [],
}  # fmt: skip


@pytest.mark.parametrize("name", NO_TOKENS)
def test_what_is_no_text_is_422(victim: User, name: str) -> None:
    seen = len(victim.service.lines())
    for path in (REFRESH, LOGOUT):
        assert outcome(victim.send("POST", path, NO_TOKENS[name])) == (422, "VALIDATION_ERROR")
    check_it_is_none_the_worse(victim, seen)


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(service: Service) -> None:
    user = sign_in(service)
    first = user.copy()
    seen = len(service.lines())
    assert user.refresh().status == 200
    assert user.tokens["refresh_token"] != first.tokens["refresh_token"]
    # A client that asks twice in a moment loses nothing (D-08).
    assert outcome(first.refresh()) == (401, "REFRESH_SUPERSEDED")
    assert (user.get_status(), user.count_sessions()) == (200, 1)
    time.sleep(LEEWAY + 0.2)
    assert outcome(first.refresh()) == INVALID_TOKEN
    assert user.count_sessions() == 0, "what was committed is no longer"
    assert outcome(user.refresh()) == INVALID_TOKEN
    assert user.get_status() == 401
    service.wait_for_record(lambda record: record["event"] == "authn_token_reuse", seen)
    assert user.log_in().status == 200


def test_a_token_of_two_uses_ago_ends_the_session_at_once(service: Service) -> None:
    user = sign_in(service)
    first = user.copy()
    assert [user.refresh().status for _ in range(2)] == [200, 200]
    assert outcome(first.refresh()) == INVALID_TOKEN
    assert (user.get_status(), user.count_sessions()) == (401, 0)


def check_nothing_works(user: User) -> None:
    """Assert that neither token opens anything, now and later."""
    for _ in range(2):
        assert outcome(user.send("GET", ME)) == INVALID_TOKEN
        assert outcome(user.copy().refresh()) == INVALID_TOKEN
        assert outcome(user.log_out()) == INVALID_TOKEN


def test_a_sign_in_ends_the_session_before(service: Service) -> None:
    user = sign_in(service)
    earlier = user.copy()
    assert user.log_in().status == 200
    check_nothing_works(earlier)
    assert (user.get_status(), user.count_sessions()) == (200, 1)


def test_a_logout_ends_the_session(service: Service) -> None:
    user, other = sign_in(service), sign_in(service)
    # Not with the refresh token of somebody else.
    assert outcome(user.send("POST", LOGOUT, other.refresh_body)) == INVALID_TOKEN
    assert (user.get_status(), other.get_status()) == (200, 200)
    assert user.log_out().status == 204
    check_nothing_works(user)
    assert (user.count_sessions(), other.get_status()) == (0, 200)


def test_who_is_set_inactive_is_out_at_once(service: Service) -> None:
    user, known = sign_in(service), sign_up(service)
    user.set("is_active = FALSE")
    check_nothing_works(user)
    said = [user.log_in(), known.log_in(password=WRONG_PASSWORD), User(service).log_in()]
    assert [outcome(answer) for answer in said] == [INVALID_CREDENTIALS] * 3
    bodies = [
        {k: v for k, v in answer.json().items() if k not in {"request_id", "timestamp"}}
        for answer in said
    ]
    assert bodies[0] == bodies[1] == bodies[2]
    # No session came of it, and the old one does not come back with the user: a sign-in is due.
    user.set("is_active = TRUE")
    assert user.log_in().status == 200


def test_another_password_ends_the_other_sessions_and_old_refreshes(service: Service) -> None:
    user = sign_in(service)
    earlier = user.copy()
    change = {"current_password": user.password, "new_password": "another horse battery"}
    wrong = change | {"current_password": WRONG_PASSWORD}
    assert user.send("POST", f"{ME}/password", wrong).status == 400
    assert user.keep(user.send("POST", f"{ME}/password", change)).status == 200
    time.sleep(LEEWAY + 0.2)
    assert (user.refresh().status, user.get_status()) == (200, 200)
    assert outcome(user.log_in()) == INVALID_CREDENTIALS
    assert outcome(earlier.refresh()) == INVALID_TOKEN


def test_a_session_that_is_over_or_gone_opens_nothing(service: Service) -> None:
    """A-41, A-42."""
    user, other = sign_in(service), sign_in(service)
    whose = f"user_id = (SELECT id FROM users WHERE email = '{user.email}')"
    stolen = Token.read(other.tokens["refresh_token"])
    swapped = stolen.with_claims(sub=Token.read(user.tokens["refresh_token"]).claims["sub"])
    assert outcome(show(user, swapped.encode(), "refresh")) == INVALID_TOKEN
    swapped = Token.read(user.tokens["access_token"]).with_claims(sub=stolen.claims["sub"])
    assert outcome(show(user, swapped.encode(), "access")) == INVALID_TOKEN
    other.log_in()
    user.log_in()
    user.query(f"UPDATE user_sessions SET expires_at = '2020-01-01 00:00:00.000000' WHERE {whose}")
    check_nothing_works(user)
    assert other.log_in().status == 200
    assert user.count_sessions() == 0, "what is over stays in the table"
    user.log_in()
    user.query(f"DELETE FROM user_sessions WHERE {whose}")
    check_nothing_works(user)
    user.log_in()
    user.query(f"DELETE FROM users WHERE email = '{user.email}'")
    check_nothing_works(user)


def test_a_hash_that_is_none_is_a_wrong_password(service: Service) -> None:
    user = sign_up(service)
    for text in ("", "no hash", "$2b$10$", "$2b$99$" + "." * 53, "\u00e9" * 10):
        user.set(f"password_hash = '{text}'")
        assert outcome(user.log_in()) == INVALID_CREDENTIALS


# --- Several keys and processes (A-43, A-44, JWK-06, JWK-07, AUT-10)


def find_kids(service: Service) -> list[str]:
    return [key["kid"] for key in Client(service).send("GET", JWKS).json()["keys"]]


def test_a_key_is_replaced_without_signing_anybody_out(launch: Launch, database: str) -> None:
    with fresh_database(database) as url:
        settings = {"DATABASE_URL": url, "UPDATE_SCHEMA_ON_STARTUP": "true"}
        new = settings | {"RSA_PRIVATE_KEY_CONTENT": private_pem("B")}
        kids = [RSAKey.import_key(public_pem(name)).thumbprint() for name in "AB"]
        with launch(**settings | {"RSA_PRIVATE_KEY_CONTENT": private_pem("A")}) as service:
            user = sign_in(service)
            assert find_kids(service) == kids[:1]
        with launch(**new, RSA_PUBLIC_KEYS=public_pem("A")) as service:
            user.service = service
            assert sorted(find_kids(service)) == sorted(kids)
            assert user.get_status() == 200
            old = user.copy()
            assert user.refresh().status == 200
            assert Token.read(user.tokens["access_token"]).header["kid"] == kids[1]
            assert (old.get_status(), user.get_status()) == (200, 200)
        with launch(**new) as service:
            user.service = old.service = service
            assert find_kids(service) == kids[1:]
            assert outcome(old.send("GET", ME)) == INVALID_TOKEN
            assert user.get_status() == 200


def test_processes_that_share_key_and_database_take_each_others_tokens(
    launch: Launch, database: str
) -> None:
    with fresh_database(database) as url:
        settings = {"DATABASE_URL": url, "UPDATE_SCHEMA_ON_STARTUP": "true"}
        with launch(**settings) as one, launch(**settings) as two:
            user = sign_in(one)
            for service in (two, one, two):
                user.service = service
                assert user.get_status() == 200
                assert user.refresh().status == 200
            assert user.log_out().status == 204
            user.service = one
            check_nothing_works(user)


ATTEMPTS, FAILURES = 10, 20
LIMITED = (429, "RATE_LIMITED")


def test_guesses_are_counted_by_account_and_in_all_processes(launch: Launch, database: str) -> None:
    limits = {
        "LOGIN_ATTEMPTS_PER_ACCOUNT": str(ATTEMPTS),
        "AUTH_FAILURES_PER_CLIENT": "1000",
    }
    with fresh_database(database) as url, own_redis() as redis:
        settings = {"DATABASE_URL": url, "UPDATE_SCHEMA_ON_STARTUP": "true", "REDIS_URL": redis}
        with launch(**settings | limits) as one, launch(**settings | limits) as two:
            turns = itertools.cycle((one, two))
            for user in (sign_up(one), User(one)):
                said = []
                for _ in range(ATTEMPTS + 1):
                    user.service = next(turns)
                    said.append(user.log_in(password=WRONG_PASSWORD))
                assert [outcome(answer) for answer in said] == [
                    *[INVALID_CREDENTIALS] * ATTEMPTS, LIMITED,
                ]  # fmt: skip
                assert 1 <= int(said[-1].headers["Retry-After"]) <= 15 * 60
                # Nor the right one, in another spelling of the address either.
                assert outcome(user.log_in()) == LIMITED
                assert outcome(user.log_in(username=user.email.upper())) == LIMITED
            other = sign_in(one)
            for _ in range(3):  # a success begins anew
                for _ in range(ATTEMPTS - 1):
                    assert outcome(other.log_in(password=WRONG_PASSWORD)) == INVALID_CREDENTIALS
                assert other.log_in().status == 200


@ON_ONE
def test_guesses_are_counted_by_client(launch: Launch) -> None:
    """A-64, AUT-11: passwords of many accounts, and refresh tokens."""
    with launch(AUTH_FAILURES_PER_CLIENT=str(FAILURES)) as service:
        user = sign_in(service)
        said = [User(service).log_in(password=WRONG_PASSWORD) for _ in range(FAILURES // 2)]
        nobody = Client(service)
        body = {"refresh_token": "a.b.c"}
        said += [nobody.send("POST", REFRESH, body) for _ in range(FAILURES // 2)]
        assert {answer.status for answer in said} == {401}
        for answer in (user.log_in(), user.refresh(), nobody.send("POST", REFRESH, body)):
            assert outcome(answer) == LIMITED
        # Who is in, stays in.
        assert user.get_status() == 200
    with launch(AUTH_FAILURES_PER_CLIENT=str(FAILURES)) as service:
        said = [User(service) for _ in range(FAILURES + 1)]
        answers = [user.send("POST", SIGN_UP, user.credentials) for user in said]
        assert [answer.status for answer in answers] == [*[201] * FAILURES, 429]


@ON_ONE
def test_guesses_at_once_do_not_escape_the_count(launch: Launch) -> None:
    with launch(LOGIN_ATTEMPTS_PER_ACCOUNT=str(ATTEMPTS)) as service:
        user = sign_up(service)
        said = user.ask_at_once([user.login(password=WRONG_PASSWORD)] * 30)
        statuses = [answer.status for answer in said]
        assert (statuses.count(401), statuses.count(429)) == (ATTEMPTS, 20)

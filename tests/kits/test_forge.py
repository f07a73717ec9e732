"""Forged tokens are refused, and good ones work (section 6.1)."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from forgeries import (
    ACCEPTED,
    ACCESS_SECONDS,
    AUDIENCE,
    FORGED_BODIES,
    FORGERIES,
    ISSUER,
    LISTENER,
    OTHER_KEY,
    REFRESH_SECONDS,
)
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from routes import FORM, Request
from servers import each_database
from service_process import Launch, Service
from tokens import Token, decode
from users import (
    INVALID_TOKEN,
    JWKS,
    ME,
    NOT_AUTHENTICATED,
    OK,
    PUBLIC,
    Client,
    User,
    check_unharmed,
    outcome,
    public_pem,
    read_routes,
    send_token,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.slow

KINDS = {"access": ("at+jwt", ACCESS_SECONDS), "refresh": ("rt+jwt", REFRESH_SECONDS)}


@pytest.fixture(scope="module", params=each_database(but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def service(launch: Launch) -> Iterator[Service]:
    """The service with two published keys and without limits."""
    settings = {
        "RSA_PUBLIC_KEYS": json.dumps([public_pem(OTHER_KEY)]),
        "ACCESS_TOKEN_MINUTES": "15",
        "DOCS_ENABLED": "true",
    }
    with launch(**settings) as running:
        yield running


@pytest.fixture(scope="module")
def victim(service: Service) -> User:
    """The user whose tokens are forged."""
    return sign_in(service)


@pytest.fixture(scope="module")
def client(service: Service) -> Client:
    return Client(service)


CASES = [
    *(pytest.param(kind, name, id=f"{kind} {name}") for name in FORGERIES for kind in KINDS),
    *(pytest.param("refresh", name, id=f"refresh {name}") for name in FORGED_BODIES),
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_forged_token_returns_401(victim: User, kind: str, name: str) -> None:
    if victim.get_status() != 200:
        victim.log_in()  # a successful forgery must not fail the other cases
    good = Token.read(victim.tokens[f"{kind}_token"])
    forged = (FORGERIES | FORGED_BODIES)[name](good)
    assert forged != good.text
    seen, started = len(victim.service.lines()), time.monotonic()
    answer = send_token(victim, forged, kind)
    assert time.monotonic() - started < 1
    expected = {INVALID_TOKEN}
    if kind == "refresh" and len(forged) > 8192:  # a field and a body are limited, a header is not
        expected |= {(422, "VALIDATION_ERROR"), (413, "PAYLOAD_TOO_LARGE")}
    assert outcome(answer) in expected
    assert forged.encode() not in answer.body
    assert not LISTENER.requests
    check_unharmed(victim, seen)


@pytest.mark.parametrize("name", ACCEPTED)
def test_unforged_token_is_accepted(victim: User, name: str) -> None:
    """The forged tokens are refused for their defect, not because of how they are built."""
    good = Token.read(victim.tokens["access_token"])
    assert outcome(send_token(victim, ACCEPTED[name](good), "access")) == OK


@pytest.mark.parametrize("kind", KINDS)
def test_token_of_other_type_returns_401(victim: User, kind: str) -> None:
    """A-10, A-11, A-31: unchanged, and with the header and claims of the other type."""
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
        assert outcome(send_token(victim, text, kind)) == INVALID_TOKEN
    check_unharmed(victim, seen)


# --- The Authorization header (A-24 … A-30)


def test_every_route_but_the_public_ones_requires_token(
    service: Service, subtests: pytest.Subtests
) -> None:
    """AUT-01, AUT-02."""
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
def test_authorization_header_must_be_one_bearer_token(victim: User, name: str) -> None:
    values, expected = SHOWN[name]
    good = victim.tokens["access_token"].encode()
    seen = len(victim.service.lines())
    request = Request(target=ME.encode()).put("Authorization", *values(good))
    assert outcome(victim.ask(request)) == expected
    check_unharmed(victim, seen)


def test_token_outside_of_header_is_ignored(victim: User) -> None:
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
    check_unharmed(victim, seen)


def test_token_without_permission_returns_403(victim: User, service: Service) -> None:
    seen = len(service.lines())
    assert outcome(victim.send("GET", "/api/v1/users")) == (403, "INSUFFICIENT_SCOPE")
    check_unharmed(victim, seen)
    admin = sign_in(service)
    admin.set("is_superuser = TRUE")
    assert victim.email in str(admin.send("GET", "/api/v1/users?limit=100").json())


def test_item_of_other_user_returns_404(victim: User, service: Service) -> None:
    """A-79: the response is that of an unknown id."""
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


# --- Published keys (JWK-01 … JWK-05) and claims (JWT-05 … JWT-16)


def test_other_library_verifies_access_token_with_published_keys(
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


def test_tokens_contain_exactly_the_documented_claims(service: Service) -> None:
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
            *("iss", "aud", "sub", "sid", "jti", "type", "iat", "nbf", "exp"),
            *(["client_id"] if kind == "access" else []),
        }
        assert token.claims["exp"] - token.claims["iat"] == seconds
        assert (token.claims["sub"], token.claims["type"]) == (who["id"], kind)
    assert not any("eyJ" in row for row in user.query("SELECT * FROM user_sessions"))

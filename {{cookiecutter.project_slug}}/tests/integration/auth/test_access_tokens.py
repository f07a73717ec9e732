"""Tokens that are not good; the name of a case begins with its row in a list of attacks."""

import socket
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.auth.rsa_keys import parse_private_key, parse_public_key
from app.auth.tokens import describe_key
from tests.problems import check_problem
from tests.users import (
    EMAIL,
    ME,
    bearer,
    encode_part,
    forge,
    is_accepted,
    make_pem,
    make_public_pem,
    read_part,
    refresh,
    sign,
    start_session,
)

ISSUER, AUDIENCE = "https://issuer.example", "service"
NOW = int(datetime.now(UTC).timestamp())
OURS = parse_public_key(make_public_pem())
DER = OURS.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ATTACKER = parse_private_key(make_pem("attacker"))
JWK = describe_key(ATTACKER.public_key())
NESTED = b"[" * 1500 + b"]" * 1500


HEADERS: dict[str, list[Any]] = {
    "A-01-alg": ["none", "HS256", "rs256", "", None, ["RS256"]],
    "A-05-jwk": [describe_key(OURS)],
    "A-07-kid": [
        *("unknown", "../../../../dev/null", "' OR 1=1--", "x\x00", "", "k" * 10_000),
        *(5, {}, [], None, True),
    ],
    "A-08-crit": [["exp"]],
    "A-08-b64": [False],
    "A-08-zip": ["DEF"],
    "A-09-typ": ["JWT", "rt+jwt", "at+jwt ", "AT+JWT", "application/at+jwt", None],
}
CLAIMS: dict[str, list[Any]] = {
    "A-12-exp": [
        *(NOW - 1, NOW, -1, str(NOW + 600), NOW + 600.5, True, [NOW + 600], None),
        *(NOW + 3600, 10**400, float("inf"), float("nan")),
    ],
    "A-13-nbf": [NOW + 600, str(NOW), None],
    "A-13-iat": [NOW + 600, str(NOW), None],
    "A-15-iss": ["other", ISSUER[:-1], ISSUER + "/", ISSUER.upper(), "", [ISSUER], None],
    "A-16-aud": [
        *("other", AUDIENCE.upper(), "", [], ["other"], ["other", AUDIENCE]),
        *({"a": 1}, None),
    ],
    "A-17-sub": [str(uuid.uuid4()), "1 OR 1=1", EMAIL, "", "\x00", 5, None, []],
    "A-18-sid": [str(uuid.uuid4()), "", 5, None],
    "A-18-jti": ["0" * 31, "", 5, None],
    "A-19-type": ["ACCESS", ["access"], "refresh", "", None],
}
FORGED: dict[str, dict[str, Any]] = {
    **{
        f"A-01-{name}": {"header": {"alg": name}, "algorithm": "none"}
        for name in ("none", "None", "NONE", "nOnE", "RS256")
    },
    "A-02-pem": {"key": make_public_pem().encode(), "algorithm": "HS256"},
    "A-02-der": {"key": DER, "algorithm": "HS256"},
    "A-02-n": {"key": describe_key(OURS)["n"].encode(), "algorithm": "HS256"},
    **{f"A-03-{name}": {"algorithm": name} for name in ("RS384", "RS512", "PS256")},
    "A-03-in-disguise": {"header": {"alg": "RS256"}, "algorithm": "RS512"},
    "A-04-other-key": {"key": ATTACKER},
    "A-05-own-jwk": {"header": {"jwk": JWK}, "key": ATTACKER},
    "A-12-beyond-leeway": {"iat": NOW - 900, "nbf": NOW - 900, "exp": NOW - 31},
    "A-27-id-token": {"header": {"typ": "JWT"}, "drop": ["type", "sid"], "email": EMAIL},
}
MANGLED: dict[str, Callable[[str], str]] = {
    "A-01-cut": lambda good: good[: good.rindex(".") + 1],
    "A-20-1-cut": lambda good: good[:-1],
    "A-20-5-cut": lambda good: good[:-5],
    "A-20-100-cut": lambda good: good[:-100],
    "A-20-last": lambda good: good[:-1] + ("Q" if good[-1] == "A" else "A"),
    "A-20-spare-bits": lambda good: good[:-1] + chr(ord(good[-1]) + 1),
    "A-20-padding": lambda good: good + "==",
    "A-20-alphabet": lambda good: good.replace("-", "+").replace("_", "/") + "+/",
    "A-20-four-parts": lambda good: good + ".x",
    "A-20-latin-1": lambda good: good + "é",
    "A-22-header": lambda good: sign(NESTED, read_part(good, 1)),
    "A-22-claims": lambda good: sign(read_part(good, 0), NESTED),
    "A-22-long": lambda _good: sign(b"[" * 100_000, b"[" * 100_000),
    "A-22-too-long": lambda good: forge(good, padding="x" * 8192),
    "A-22-no-objects": lambda _good: sign("x", [1]),
    "A-22-no-object": lambda good: sign(read_part(good, 0), [1]),
    "A-22-no-json": lambda good: sign(read_part(good, 0), b"\xff"),
    "A-25-two-tokens": lambda good: f"{good} {good}",
    "A-28-other-claims": lambda good: good.replace(
        good.split(".")[1], encode_part(read_part(good, 1) | {"sub": str(uuid.uuid4())})
    ),
}


@pytest.fixture
def client(user_client: AsyncClient) -> AsyncClient:
    return user_client


@pytest.fixture
def app(make_app: Any) -> FastAPI:
    known = [make_public_pem("next")]
    app: FastAPI = make_app(token_issuer=ISSUER, token_audience=AUDIENCE, rsa_public_keys=known)
    return app


@pytest.fixture
def good(client: AsyncClient) -> str:
    return client.headers.pop("Authorization").removeprefix("Bearer ")


@pytest.fixture
def check(client: AsyncClient, log_lines: Any) -> Callable[[str], Any]:
    async def send(token: str) -> None:
        header = f"Bearer {token}".encode("latin-1")
        answer = await client.get(ME, headers=[(b"Authorization", header)])
        check_problem(answer, 401, "INVALID_TOKEN")
        assert answer.headers["www-authenticate"] == 'Bearer realm="api", error="invalid_token"'
        ours = [line["event"] for line in log_lines() if line["logger"].startswith("app.")]
        assert set(ours) == {"request"}

    return send


@pytest.mark.parametrize("case", HEADERS)
async def test_a_header_unlike_ours(good: str, check: Any, case: str) -> None:
    for value in HEADERS[case]:
        await check(forge(good, header={case[5:]: value}))


@pytest.mark.parametrize("case", CLAIMS)
async def test_claims_unlike_ours(good: str, check: Any, case: str) -> None:
    for value in CLAIMS[case]:
        await check(forge(good, **{case[5:]: value}))


@pytest.mark.parametrize("case", FORGED)
async def test_signed_by_others_or_in_another_way(good: str, check: Any, case: str) -> None:
    await check(forge(good, **FORGED[case]))


@pytest.mark.parametrize(
    "name", ["typ", "kid", "iss", "aud", "sub", "sid", "exp", "iat", "nbf", "jti", "type"]
)
async def test_something_is_missing(good: str, check: Any, name: str) -> None:
    await check(forge(good, drop=[name]))


@pytest.mark.parametrize("case", MANGLED)
async def test_no_token_at_all(good: str, check: Any, case: str) -> None:
    await check(MANGLED[case](good))


@pytest.mark.parametrize("member", ["jku", "x5u"])
async def test_no_key_is_fetched(good: str, check: Any, member: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/jwks.json"
        await check(forge(good, header={member: address}, key=ATTACKER))
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("header", [{}, {"typ": "at+jwt"}], ids=["A-10", "A-11"])
async def test_a_refresh_token_is_no_access_token(
    client: AsyncClient, header: dict[str, str]
) -> None:
    pair = await start_session(client)
    token = forge(pair.refresh_token, header=header, exp=NOW + 600)
    answer = await client.get(ME, headers=bearer(token))
    check_problem(answer, 401, "INVALID_TOKEN")
    assert (await refresh(client, pair.refresh_token)).status_code == 200


async def test_a_megabyte_is_refused_at_once(good: str, check: Any) -> None:
    started = time.perf_counter()
    await check("a" * 2**20)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("order", [1, -1])
async def test_credentials_twice(client: AsyncClient, good: str, order: int) -> None:
    both = [("Authorization", f"Bearer {good}"), ("Authorization", "Bearer x")]
    answer = await client.get(ME, headers=both[::order])
    check_problem(answer, 400, "INVALID_REQUEST")
    assert answer.headers["www-authenticate"] == 'Bearer realm="api", error="invalid_request"'


@pytest.mark.parametrize("scheme", ["", "Basic ", "Bearer:", "Bearer\t", "Token ", "Bearer"])
async def test_another_scheme_is_no_credentials(
    client: AsyncClient, good: str, scheme: str
) -> None:
    answer = await client.get(ME, headers={"Authorization": scheme + good})
    check_problem(answer, 401, "NOT_AUTHENTICATED")
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


async def test_a_token_in_a_form_is_none(client: AsyncClient, good: str) -> None:
    answer = await client.post(f"{ME}/password", data={"access_token": good})
    check_problem(answer, 401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_ignores_case(client: AsyncClient, good: str, scheme: str) -> None:
    answer = await client.get(ME, headers={"Authorization": f"{scheme} {good}"})
    assert (answer.status_code, answer.json()["email"]) == (200, EMAIL)


async def test_a_forgery_that_changes_nothing_is_good(client: AsyncClient, good: str) -> None:
    now = int(time.time())
    for token in (forge(good), forge(good, exp=now + 60), forge(good, iat=now + 20, nbf=now + 20)):
        assert await is_accepted(client, token)

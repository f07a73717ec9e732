"""With `auth = oauth2`: forged tokens are refused, and no provider makes the service hang."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from answers import Answer
from forgeries import FORGERIES, LISTENER
from openid import DISCOVERY, KEYS, OpenidProvider
from routes import FORM, Request
from servers import ask, fresh_database
from service_process import Service
from test_forge import SHOWN
from tokens import Token
from users import INVALID_TOKEN, NOT_AUTHENTICATED, OK, Client, outcome

pytestmark = pytest.mark.slow

ITEMS = b"/api/v1/items"
UNAVAILABLE = (503, "SERVICE_UNAVAILABLE")
RETRY_SECONDS = 10
# Claims of the project's own tokens, which those of providers do not have.
NOT_APPLICABLE = ("A-18", "A-19")
# What a provider may do, unlike the project's own tokens. See docs/openid-connect.md.
ACCEPTED = {
    "A-05 jwk and our signature",
    "A-06 jku, signed by us",
    "A-06 x5u, signed by us",
    "A-09 typ in capitals",
    "A-09 typ in full",
    "A-09 typ and cty",
    "A-13 no nbf",
    "A-16 aud a list with us",
    "A-17 sub of nobody",
    "A-17 sub an e-mail address",
    "A-17 sub SQL",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenidProvider]:
    provider = OpenidProvider()
    with provider.run():
        yield provider


Start = Callable[..., Service]


@dataclass
class Bearer(Client):
    """A client with an access token."""

    token: bytes

    @property
    def headers(self) -> dict[str, bytes]:
        """The access token."""
        return {"Authorization": b"Bearer " + self.token}


@pytest.fixture(scope="module")
def start(install: Callable[..., Any]) -> Start:
    """Return a function that starts a service, which asks a provider on this machine."""
    project, scripts, production = install(auth="oauth2", database="sqlite")

    def make(provider: OpenidProvider, url: str, **settings: str) -> Service:
        settings = {
            "ENVIRONMENT": "test",
            "DATABASE_URL": url,
            "UPDATE_SCHEMA_ON_STARTUP": "true",
            "OIDC_ISSUER": provider.issuer,
        } | settings
        command = [scripts / "manage", "serve"]
        return Service(project, command, **production | settings)

    return make


@pytest.fixture(scope="module")
def lenient_service(start: Start, provider: OpenidProvider) -> Iterator[Service]:
    """The service with its defaults."""
    with fresh_database("sqlite") as url, start(provider, url) as running:
        yield running


@pytest.fixture(scope="module")
def service(start: Start, provider: OpenidProvider) -> Iterator[Service]:
    """The service with the strictest settings."""
    strict = {"OIDC_REQUIRE_AT_JWT": "true", "OIDC_REQUIRED_SCOPES": "items"}
    with fresh_database("sqlite") as url, start(provider, url, **strict) as running:
        yield running


def send(service: Service, *values: str | bytes) -> Answer:
    """Return the response to a request with these `Authorization` headers."""
    encoded = [v if isinstance(v, bytes) else b"Bearer " + v.encode() for v in values]
    return Client(service).ask(Request(target=ITEMS).put("Authorization", *encoded))


def check_unharmed(service: Service, token: Token, since: int) -> None:
    assert outcome(send(service, token.text)) == OK
    for record in service.log(since):
        assert record["level"] in {"info", "warning"}, record
        assert "Traceback" not in str(record)
        assert "eyJ" not in str(record), "a token in the log"


@pytest.mark.parametrize(
    "name", [name for name in FORGERIES if not name.startswith(NOT_APPLICABLE)]
)
def test_forged_token_returns_401(service: Service, provider: OpenidProvider, name: str) -> None:
    good = provider.issue()
    seen, started = len(service.lines()), time.monotonic()

    answer = send(service, FORGERIES[name](good))

    assert time.monotonic() - started < 3
    assert outcome(answer) == (OK if name in ACCEPTED else INVALID_TOKEN)
    assert not LISTENER.requests
    check_unharmed(service, good, seen)


OTHER_TOKENS = {
    "A-10 a refresh token of NanoIDP": {"token_use": "refresh"},
    "A-10 a refresh token of Keycloak": {"typ": "Refresh"},
    "A-27 an ID token": {"nonce": "1", "at_hash": "1"},
    "A-27 an ID token for its client": {"aud": "kit", "nonce": "1"},
    "A-27 an ID token of Keycloak": {"typ": "ID"},
    "A-27 an ID token without a nonce": {"scope": None},
}


@pytest.mark.parametrize("name", OTHER_TOKENS)
def test_other_token_of_provider_returns_401(
    service: Service, lenient_service: Service, provider: OpenidProvider, name: str
) -> None:
    claims = OTHER_TOKENS[name]
    without = [claim for claim, value in claims.items() if value is None]
    good = provider.issue().with_header(typ="JWT")
    other = good.with_claims(*claims, **{} if without else claims)

    assert outcome(send(lenient_service, other.encode())) == INVALID_TOKEN
    assert outcome(send(service, other.encode())) == INVALID_TOKEN
    assert outcome(send(lenient_service, good.encode())) == OK
    assert outcome(send(service, good.encode())) == INVALID_TOKEN


@pytest.mark.parametrize("name", SHOWN)
def test_authorization_header_must_be_one_bearer_token(
    service: Service, provider: OpenidProvider, name: str
) -> None:
    values, expected = SHOWN[name]
    good = provider.issue()
    seen = len(service.lines())

    assert outcome(send(service, *values(good.text.encode()))) == expected
    check_unharmed(service, good, seen)


def test_token_outside_of_header_is_ignored(service: Service, provider: OpenidProvider) -> None:
    """A-26."""
    token = provider.issue().text.encode()
    plain = Request(target=ITEMS)
    for request in (
        replace(plain, target=ITEMS + b"?access_token=" + token),
        plain.put("Cookie", b"access_token=" + token + b"; Authorization=Bearer " + token),
        replace(plain.put("Content-Type", FORM.encode()), body=b"access_token=" + token),
    ):
        assert outcome(Client(service).ask(request)) == NOT_AUTHENTICATED


def test_token_without_scope_returns_403(service: Service, provider: OpenidProvider) -> None:
    """A-29."""
    answer = Client(service).ask(
        Request(target=ITEMS).put(
            "Authorization", b"Bearer " + provider.issue(scope="openid").text.encode()
        )
    )

    assert outcome(answer) == (403, "INSUFFICIENT_SCOPE")


def test_item_of_other_user_returns_404(service: Service, provider: OpenidProvider) -> None:
    """A-79."""
    ada, bob = (Bearer(service, provider.issue(sub=name).text.encode()) for name in ("ada", "bob"))
    item = {"sku": "FORGE-1", "name": "Mug", "price": "9.90"}
    path = ada.send("POST", ITEMS.decode(), item).headers["Location"]

    assert ada.send("GET", path).status == 200
    assert bob.send("GET", path).status == 404
    assert bob.send("GET", ITEMS.decode()).json()["total"] == 0


def test_first_requests_of_user_at_once_create_one_row(
    service: Service, provider: OpenidProvider
) -> None:
    carol = Bearer(service, provider.issue(sub="carol").text.encode())
    bodies = [{"sku": f"C-{n}", "name": "Mug", "price": "9.90"} for n in range(20)]

    answers = carol.send_at_once("POST", ITEMS.decode(), bodies)

    assert {answer.status for answer in answers} == {201}
    count = "SELECT COUNT(*) FROM users WHERE subject = 'carol'"
    assert ask(service.environment["DATABASE_URL"], count) == ["1"]
    assert carol.send("GET", ITEMS.decode()).json()["total"] == 20


# --- The provider


def test_hundred_unknown_keys_cause_one_fetch(service: Service, provider: OpenidProvider) -> None:
    """OID-02."""
    good = provider.issue()
    assert outcome(send(service, good.text)) == OK
    time.sleep(RETRY_SECONDS)
    tokens = [good.with_header(kid=f"unknown-{n}").encode() for n in range(100)]
    provider.requests.clear()
    started = time.monotonic()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda token: outcome(send(service, token)), tokens))

    assert set(answers) == {INVALID_TOKEN}
    assert time.monotonic() - started < RETRY_SECONDS
    assert provider.requests == [DISCOVERY, KEYS]


def test_tokens_work_while_provider_is_down(start: Start) -> None:
    """OID-12: and the service starts without it, and recovers."""
    provider = OpenidProvider()
    port, good = provider.server.server_port, provider.issue()
    provider.server.server_close()
    with fresh_database("sqlite") as url, start(provider, url) as service:
        assert outcome(send(service, good.text)) == UNAVAILABLE
        assert Client(service).send("GET", "/api/v1/ready").status == 503
        time.sleep(RETRY_SECONDS)
        provider = OpenidProvider(port)
        with provider.run():
            assert outcome(send(service, good.text)) == OK
            assert Client(service).send("GET", "/api/v1/ready").status == 200
        time.sleep(RETRY_SECONDS)
        started = time.monotonic()
        assert outcome(send(service, good.with_header(kid="new").encode())) == INVALID_TOKEN
        assert outcome(send(service, provider.issue(sub="bob").text)) == OK
        assert time.monotonic() - started < 3
        assert Client(service).send("GET", "/api/v1/ready").status == 200


def test_slow_provider_delays_only_unknown_keys(service: Service, provider: OpenidProvider) -> None:
    good = provider.issue()
    assert outcome(send(service, good.text)) == OK
    time.sleep(RETRY_SECONDS)
    provider.delay = 8
    try:
        with ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            unknown = pool.submit(send, service, good.with_header(kid="new").encode())
            time.sleep(0.5)
            assert outcome(send(service, good.text)) == OK
            assert time.monotonic() - started < 3
            assert outcome(unknown.result()) == INVALID_TOKEN
            assert 4 < time.monotonic() - started < 8
    finally:
        provider.delay = 0

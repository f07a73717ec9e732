"""Several keys and processes, and the limits on guessing (A-43, A-44, JWK-06, AUT-10)."""

import itertools
import time

import pytest
from joserfc.jwk import RSAKey
from own_servers import own_redis
from servers import each_database, fresh_database
from service_process import Launch, Service
from tokens import Token
from users import (
    INVALID_CREDENTIALS,
    INVALID_TOKEN,
    JWKS,
    ME,
    REFRESH,
    SIGN_UP,
    WRONG_PASSWORD,
    Client,
    User,
    check_ended,
    outcome,
    private_pem,
    public_pem,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.slow

ATTEMPTS, FAILURES = 10, 20
LIMITED = (429, "RATE_LIMITED")


@pytest.fixture(scope="module", params=each_database(but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


ON_ONE = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def find_kids(service: Service) -> list[str]:
    return [key["kid"] for key in Client(service).send("GET", JWKS).json()["keys"]]


def test_key_rotation_keeps_sessions(launch: Launch, database: str) -> None:
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


def test_processes_accept_tokens_of_each_other(launch: Launch, database: str) -> None:
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
            check_ended(user)


def test_guesses_are_limited_by_account_in_all_processes(launch: Launch, database: str) -> None:
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
                # The right password is refused, too, also with another case of the address.
                assert outcome(user.log_in()) == LIMITED
                assert outcome(user.log_in(username=user.email.upper())) == LIMITED
            other = sign_in(one)
            for _ in range(3):  # a success resets the count
                for _ in range(ATTEMPTS - 1):
                    assert outcome(other.log_in(password=WRONG_PASSWORD)) == INVALID_CREDENTIALS
                assert other.log_in().status == 200


@ON_ONE
def test_guesses_are_limited_by_client(launch: Launch) -> None:
    """A-64, AUT-11: guesses at many accounts, and refresh tokens."""
    with launch(AUTH_FAILURES_PER_CLIENT=str(FAILURES)) as service:
        user = sign_in(service)
        said = [User(service).log_in(password=WRONG_PASSWORD) for _ in range(FAILURES // 2)]
        nobody = Client(service)
        body = {"refresh_token": "a.b.c"}
        said += [nobody.send("POST", REFRESH, body) for _ in range(FAILURES // 2)]
        assert {answer.status for answer in said} == {401}
        for answer in (user.log_in(), user.refresh(), nobody.send("POST", REFRESH, body)):
            assert outcome(answer) == LIMITED
        # Access tokens still work.
        assert user.get_status() == 200
    with launch(AUTH_FAILURES_PER_CLIENT=str(FAILURES)) as service:
        said = [User(service) for _ in range(FAILURES + 1)]
        answers = [user.send("POST", SIGN_UP, user.credentials) for user in said]
        assert [answer.status for answer in answers] == [*[201] * FAILURES, 429]


@ON_ONE
def test_concurrent_guesses_are_limited(launch: Launch) -> None:
    with launch(LOGIN_ATTEMPTS_PER_ACCOUNT=str(ATTEMPTS)) as service:
        user = sign_up(service)
        responses = user.ask_at_once([user.login(password=WRONG_PASSWORD)] * 30)
        statuses = [response.status for response in responses]
        assert (statuses.count(401), statuses.count(429)) == (ATTEMPTS, 20)


@ON_ONE
def test_right_password_among_concurrent_guesses_is_limited(launch: Launch) -> None:
    """Of 60 parallel guesses, none succeeds after the limit."""
    with launch(AUTH_FAILURES_PER_CLIENT=str(FAILURES)) as service:
        user = sign_up(service)
        guesses = [User(service).login(password=WRONG_PASSWORD) for _ in range(FAILURES)]
        for request in guesses:
            assert outcome(user.ask(request)) == INVALID_CREDENTIALS
        mixed = [User(service).login(password=WRONG_PASSWORD) for _ in range(40)]
        responses = user.ask_at_once([*mixed, *[user.login()] * 20])
        assert {outcome(response) for response in responses} == {LIMITED}
        events = [line for line in service.log() if line["event"] == "rate_limit_exceeded"]
        assert len(events) == len(responses)


@ON_ONE
def test_abandoned_logins_do_not_delay_others(launch: Launch) -> None:
    """400 logins whose clients disconnect at once."""
    with launch(AUTH_FAILURES_PER_CLIENT="1000", PASSWORD_HASH_COST="12") as service:  # noqa: S106
        bystander = sign_up(service)
        for _ in range(400):
            with service.connect() as connection:
                connection.sendall(User(service).login(password=WRONG_PASSWORD).encode())
        started = time.monotonic()
        while bystander.log_in().status == 503:
            time.sleep(0.2)
        # One to two seconds on a quiet machine; every hash that waits would take minutes.
        assert time.monotonic() - started < 15

"""Sessions end when they should, and not before (section 6.2)."""

import time
from collections.abc import Iterator

import pytest
from servers import each_database
from service_process import Launch, Service
from tokens import Token
from users import (
    INVALID_CREDENTIALS,
    INVALID_TOKEN,
    LOGOUT,
    ME,
    REFRESH,
    WRONG_PASSWORD,
    User,
    check_ended,
    check_unharmed,
    outcome,
    send_token,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.slow

LEEWAY = 1


@pytest.fixture(scope="module", params=each_database(but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def service(launch: Launch) -> Iterator[Service]:
    """The service with a short leeway of refresh tokens."""
    with launch(REFRESH_LEEWAY_SECONDS=str(LEEWAY)) as running:
        yield running


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
def test_malformed_refresh_token_returns_422(service: Service, name: str) -> None:
    user = sign_in(service)
    seen = len(service.lines())
    for path in (REFRESH, LOGOUT):
        assert outcome(user.send("POST", path, NO_TOKENS[name])) == (422, "VALIDATION_ERROR")
    check_unharmed(user, seen)


def test_refresh_token_repeats_its_successor_and_later_reuse_ends_session(
    service: Service,
) -> None:
    user = sign_in(service)
    first = user.copy()
    seen = len(service.lines())
    assert user.refresh().status == 200
    assert user.tokens["refresh_token"] != first.tokens["refresh_token"]
    # The response may have been lost (D-08).
    repeated = first.send("POST", REFRESH, first.refresh_body)
    assert repeated.json()["refresh_token"] == user.tokens["refresh_token"]
    assert (user.get_status(), user.count_sessions()) == (200, 1)
    time.sleep(LEEWAY + 0.2)
    assert outcome(first.refresh()) == INVALID_TOKEN
    assert user.count_sessions() == 0, "the revocation was not committed"
    assert outcome(user.refresh()) == INVALID_TOKEN
    assert user.get_status() == 401
    service.wait_for_record(lambda record: record["event"] == "authn_token_reuse", seen)
    assert user.log_in().status == 200


def test_token_before_the_previous_ends_session(service: Service) -> None:
    user = sign_in(service)
    first = user.copy()
    assert [user.refresh().status for _ in range(2)] == [200, 200]
    assert outcome(first.refresh()) == INVALID_TOKEN
    assert (user.get_status(), user.count_sessions()) == (401, 0)


def test_login_ends_earlier_session(service: Service) -> None:
    user = sign_in(service)
    earlier = user.copy()
    assert user.log_in().status == 200
    check_ended(earlier)
    assert (user.get_status(), user.count_sessions()) == (200, 1)


def test_logout_ends_session(service: Service) -> None:
    user, other = sign_in(service), sign_in(service)
    assert user.log_out().status == 204
    check_ended(user)
    assert (user.count_sessions(), other.get_status()) == (0, 200)


def test_logout_with_expired_access_token_ends_session(service: Service) -> None:
    user = sign_in(service)
    now = int(time.time())
    access = Token.read(user.tokens["access_token"]).with_claims(exp=now - 1)
    user.tokens["access_token"] = access.encode()
    assert user.log_out().status == 204
    assert user.count_sessions() == 0


def test_inactive_user_is_refused(service: Service) -> None:
    user, known = sign_in(service), sign_up(service)
    user.set("is_active = FALSE")
    check_ended(user)
    said = [user.log_in(), known.log_in(password=WRONG_PASSWORD), User(service).log_in()]
    assert [outcome(answer) for answer in said] == [INVALID_CREDENTIALS] * 3
    bodies = [
        {k: v for k, v in answer.json().items() if k not in {"request_id", "timestamp"}}
        for answer in said
    ]
    assert bodies[0] == bodies[1] == bodies[2]
    user.set("is_active = TRUE")
    assert user.log_in().status == 200


def test_password_change_ends_every_earlier_token(service: Service) -> None:
    user = sign_in(service)
    earlier = user.copy()
    change = {"current_password": user.password, "new_password": "another horse battery"}
    wrong = change | {"current_password": WRONG_PASSWORD}
    assert user.send("POST", f"{ME}/password", wrong).status == 400
    assert user.keep(user.send("POST", f"{ME}/password", change)).status == 200
    check_ended(earlier)
    assert (user.get_status(), user.refresh().status) == (200, 200)
    assert outcome(user.log_in()) == INVALID_CREDENTIALS


def test_expired_or_deleted_session_is_refused(service: Service) -> None:
    """A-41, A-42."""
    user, other = sign_in(service), sign_in(service)
    whose = f"user_id = (SELECT id FROM users WHERE email = '{user.email}')"
    stolen = Token.read(other.tokens["refresh_token"])
    swapped = stolen.with_claims(sub=Token.read(user.tokens["refresh_token"]).claims["sub"])
    assert outcome(send_token(user, swapped.encode(), "refresh")) == INVALID_TOKEN
    swapped = Token.read(user.tokens["access_token"]).with_claims(sub=stolen.claims["sub"])
    assert outcome(send_token(user, swapped.encode(), "access")) == INVALID_TOKEN
    other.log_in()
    user.log_in()
    user.query(f"UPDATE user_sessions SET expires_at = '2020-01-01 00:00:00.000000' WHERE {whose}")
    check_ended(user)
    user.log_in()
    assert user.count_sessions() == 1, "the expired session is still stored"
    user.query(f"DELETE FROM user_sessions WHERE {whose}")
    check_ended(user)
    user.log_in()
    user.query(f"DELETE FROM users WHERE email = '{user.email}'")
    check_ended(user)


def test_invalid_stored_hash_returns_401(service: Service) -> None:
    user = sign_up(service)
    for text in ("", "no hash", "$2b$10$", "$2b$99$" + "." * 53, "\u00e9" * 10):
        user.set(f"password_hash = '{text}'")
        assert outcome(user.log_in()) == INVALID_CREDENTIALS

"""Addresses and passwords: one account per address, and the whole password counts (6.3)."""

import json
from collections.abc import Iterator

import pytest
from answers import Answer
from routes import PASSWORD
from servers import each_database
from service_process import Launch, Service
from users import SIGN_UP, WRONG_PASSWORD, Client, User, sign_up

pytestmark = pytest.mark.slow

CANARY = "kit-canary-value"


@pytest.fixture(scope="module", params=each_database(but={"none"}))
def database(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def service(launch: Launch) -> Iterator[Service]:
    """The service. Its log must not contain errors or submitted values."""
    with launch() as running:
        yield running
        for record in running.log():
            assert record["level"] in {"info", "warning"}, record
            assert CANARY not in str(record)
            assert PASSWORD not in str(record)


def send(service: Service, **fields: object) -> Answer:
    """Return the response to a sign-up. A refusal must not contain submitted values."""
    body = User(service).credentials | fields
    answer = Client(service).send("POST", SIGN_UP, body)
    assert answer.status < 400 or CANARY.encode() not in answer.body
    return answer


def test_sign_up_returns_user_without_password(service: Service) -> None:
    user = User(service)
    answer = user.send("POST", SIGN_UP, user.credentials)
    assert answer.status == 201
    assert answer.json()["email"] == user.email
    assert b"password" not in answer.body
    assert "$2b$" not in answer.body.decode()
    assert user.get("password_hash").startswith("$2b$10$")
    assert user.get("is_superuser") in {"0", "f"}


SAME = {
    "as it is": ("a1@example.com", "a1@example.com"),
    "capitals": ("a2@example.com", "A2@EXAMPLE.COM"),
    "a domain in capitals": ("a3@example.com", "a3@Example.Com"),
    "decomposed": ("caf\u00e9@example.com", "cafe\u0301@example.com"),
    "an international domain": ("a4@b\u00fccher.example.com", "a4@xn--bcher-kva.example.com"),
}
OTHERS = {
    "an accent": ("admin@example.com", "\u00e0dmin@example.com"),
    "sharp s": ("strasse@example.com", "stra\u00dfe@example.com"),
    "a dot": ("a.b@example.com", "ab@example.com"),
    "a tag": ("a5@example.com", "a5+b@example.com"),
    "dotless i": ("ivy@example.com", "\u0131vy@example.com"),
}


@pytest.mark.parametrize("name", SAME)
def test_other_spelling_of_address_returns_409(service: Service, name: str) -> None:
    first, second = SAME[name]
    assert send(service, email=first).status == 201
    answer = send(service, email=second)
    assert (answer.status, answer.json()["code"]) == (409, "CONFLICT")
    assert second.encode() not in answer.body
    assert User(service, second).log_in().status == 200


@pytest.mark.parametrize("name", OTHERS)
def test_similar_address_is_another_account(service: Service, name: str) -> None:
    """A-61: collations treat them as equal."""
    first, second = OTHERS[name]
    assert send(service, email=first).status == 201
    assert User(service, second).log_in().status == 401
    assert send(service, email=second).status == 201


BAD_ADDRESSES = [
    *("", "a", "@", "a@", "@example.com", "a@@example.com", "a@b@example.com", "a b@example.com"),
    *(" ", "a@example", "a@localhost", "a@1.2.3.4", "a@[1.2.3.4]", '"a b"@example.com', "a@-b.com"),
    *("a(b)@example.com", "<script>@example.com", "a@example.com\r\nBcc: b@example.com", "a@.com"),
    *("a\0@example.com", "\ud800@example.com", "a@example.com\n", "a@exa mple.com", "a..b@b.com"),
    *("a" * 255 + "@example.com", "a@" + "b" * 64 + ".com", "a@b.com,"),
    *("Ada <a@example.com>", "a@xn--.com", "a@\u202eexample.com", "a@example.com\u2028"),
]


def test_invalid_address_returns_422(service: Service, subtests: pytest.Subtests) -> None:
    for email in (*BAD_ADDRESSES, None, 5, True, [], {}, ["a@example.com"]):
        with subtests.test(email=email):
            assert send(service, email=email).status == 422


BAD_PASSWORDS = [
    *("password", "12345678", "PASSWORD1", " " * 8, "my-service", "My Service 2026"),
    *("", "a" * 7, "a" * 73, "\u00e9" * 37, "\U0001f600" * 19, "a" * 1025, "a" * 10_000),
    *("password\0" + CANARY, CANARY + "\ud800", "\u0301\u0316" * 1000),
]


def test_unacceptable_password_returns_422(service: Service, subtests: pytest.Subtests) -> None:
    for password in (*BAD_PASSWORDS, None, 5, True, [], {}, [CANARY], {"a": CANARY}):
        with subtests.test(password=str(password)[:20]):
            assert send(service, password=password).status == 422
    user = User(service, password="Same@Example.com".lower())
    assert send(service, email=user.password, password=user.password).status == 422


def test_unknown_field_returns_422(service: Service, subtests: pytest.Subtests) -> None:
    for name in ("is_superuser", "is_active", "id", "role", "password_hash", "created_at"):
        with subtests.test(name):
            user = User(service)
            assert send(service, email=user.email, **{name: True}).status == 422
            assert user.log_in().status == 401


PASSWORDS = {
    "72 bytes": "a" * 72,
    "72 bytes of emoji": "\U0001f600" * 18,
    "spaces": " " * 63 + "a",
    "spaces around": "  correct horse  ",
    "tabs": "correct\thorse",
    "right to left": "\u202ecorrect horse",
    "capitals": "Correct Horse",
    "SQL": "' OR '1'='1'--",
    "a form": "a=b&c=d+%20;e",
    "JSON": json.dumps({"a": 1}) + " " * 8,
}


@pytest.mark.parametrize("name", PASSWORDS)
def test_password_must_match_exactly(service: Service, name: str) -> None:
    user = sign_up(service, password=PASSWORDS[name])
    whole = user.password
    for other in (whole + "a", whole[:-1], whole.swapcase(), whole.strip(), f"{whole} ", whole * 9):
        if other and other != whole:
            assert user.log_in(password=other).status == 401, other
    assert user.log_in().status == 200


def test_password_in_other_unicode_form_is_accepted(service: Service) -> None:
    user = sign_up(service, password="caf\u00e9 cr\u00e8me")  # noqa: S106 of nobody
    assert user.log_in(password="cafe\u0301 cre\u0300me").status == 200  # noqa: S106
    assert user.log_in(password="cafe creme").status == 401  # noqa: S106


def test_login_with_invalid_address_returns_401(
    service: Service, subtests: pytest.Subtests
) -> None:
    user = sign_up(service)
    names = [*BAD_ADDRESSES[1:], "' OR '1'='1'--", "admin'/*", '"; DROP TABLE users;--', "%", "_%"]
    for name in names:
        if "\ud800" not in name:  # a form cannot contain it
            with subtests.test(name=name):
                assert user.log_in(username=name).status == 401
    assert user.log_in(password=WRONG_PASSWORD).status == 401
    assert user.log_in().status == 200

"""Users of a service with `auth = jwt`, and its keys: who signs up, signs in, and asks."""

import itertools
import json
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Self
from urllib.parse import urlencode

from answers import Answer, check_answer, read_answers
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from routes import FORM, JSON, PASSWORD, TEXTS, Request, Route, find_routes
from servers import ask
from service_process import Service

AUTH = "/api/v1/auth"
SIGN_UP, LOGIN, REFRESH = f"{AUTH}/sign-up", f"{AUTH}/login", f"{AUTH}/refresh"
LOGOUT, ME = f"{AUTH}/logout", f"{AUTH}/me"
JWKS = "/.well-known/jwks.json"
OPENAPI = "/openapi.json"
# What is asked without credentials, or with others than a token.
PUBLIC = {"/api/v1/health", "/api/v1/ready", SIGN_UP, LOGIN, REFRESH, LOGOUT, JWKS}
WRONG_PASSWORD = f"not {PASSWORD}"

addresses = (f"user-{number}@example.com" for number in itertools.count())


# --- Keys


@cache
def make_key(name: str) -> rsa.RSAPrivateKey:
    """Return a key, the same one for a name in a run."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(name: str) -> str:
    """Return the PEM of a key, as RSA_PRIVATE_KEY_CONTENT takes it."""
    options = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return make_key(name).private_bytes(*options).decode()


def public_pem(name: str) -> str:
    """Return the PEM of the public half of a key, as RSA_PUBLIC_KEYS takes it."""
    options = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return make_key(name).public_key().public_bytes(*options).decode()


SIGNING_KEY = "the one that signs"


def auth_settings() -> dict[str, str]:
    """Return what production needs to start, with throttles that no kit meets by chance."""
    return {
        "RSA_PRIVATE_KEY_CONTENT": private_pem(SIGNING_KEY),
        "PASSWORD_HASH_COST": "10",
        "GATEWAY_THROTTLES": "true",
        "ACCESS_TOKEN_MINUTES": "60",
        "LOGIN_ATTEMPTS_PER_ACCOUNT": "1000000",
        "AUTH_FAILURES_PER_CLIENT": "1000000",
    }


# --- Who asks


@dataclass
class Client:
    """Someone who sends requests, each on a connection of its own."""

    service: Service

    @property
    def headers(self) -> dict[str, bytes]:
        """What goes with each request."""
        return {}

    def request(self, method: str, path: str, body: object = None) -> Request:
        """Return the request; a body that is not bytes is sent as JSON."""
        request = Request(method, path.encode())
        for name, value in self.headers.items():
            request = request.put(name, value)
        if body is None:
            return request
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return replace(request.put("Content-Type", JSON.encode()), body=data)

    def ask(self, request: Request, timeout: float = 20) -> Answer:
        """Return the answer, whose shape is right."""
        received = self.service.raw(request.encode(), timeout)
        (answer,) = read_answers(received, request.method)
        check_answer(answer)
        return answer

    def send(self, method: str, path: str, body: object = None) -> Answer:
        """Return the answer to a request."""
        return self.ask(self.request(method, path, body))

    def ask_at_once(self, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers to requests that are all sent in the same moment."""
        start = threading.Barrier(len(requests))

        def wait_and_ask(request: Request) -> Answer:
            start.wait()
            return self.ask(request, timeout=60)

        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(wait_and_ask, requests))

    def send_at_once(self, method: str, path: str, bodies: Sequence[object]) -> list[Answer]:
        """Return the answers to one request with each of the bodies."""
        return self.ask_at_once([self.request(method, path, body) for body in bodies])


@dataclass
class User(Client):
    """Someone who has or wants an account, with the tokens of the last answer that had some."""

    email: str = field(default_factory=lambda: next(addresses))
    password: str = PASSWORD
    tokens: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, bytes]:
        """The access token, once there is one."""
        token = self.tokens.get("access_token")
        return {"Authorization": f"Bearer {token}".encode()} if token else {}

    @property
    def refresh_body(self) -> dict[str, str]:
        """The body of a refresh, and of a logout."""
        return {"refresh_token": self.tokens["refresh_token"]}

    @property
    def credentials(self) -> dict[str, str]:
        """The body of a sign-up."""
        return {"email": self.email, "password": self.password}

    def login(self, **changes: str) -> Request:
        """Return the request to sign in, with other fields than usual."""
        form = {"username": self.email, "password": self.password} | changes
        request = Request("POST", LOGIN.encode()).put("Content-Type", FORM.encode())
        return replace(request, body=urlencode(form).encode())

    def keep(self, answer: Answer) -> Answer:
        """Return the answer, whose tokens are the user's from now on."""
        if answer.status == 200:
            self.tokens = answer.json()
        return answer

    def log_in(self, **changes: str) -> Answer:
        """Return the answer to a sign-in."""
        return self.keep(self.ask(self.login(**changes)))

    def refresh(self) -> Answer:
        """Return the answer to a refresh."""
        return self.keep(self.send("POST", REFRESH, self.refresh_body))

    def log_out(self) -> Answer:
        """Return the answer to a logout."""
        return self.send("POST", LOGOUT, self.refresh_body)

    def get_status(self) -> int:
        """Return the status of what the access token opens."""
        return self.send("GET", ME).status

    def copy(self) -> Self:
        """Return the user with the tokens of now."""
        return replace(self, tokens=self.tokens.copy())

    def query(self, sql: str) -> list[str]:
        """Return what the database says."""
        return ask(self.service.environment["DATABASE_URL"], sql)

    def count_sessions(self) -> int:
        """Return how many sessions the database has of the user."""
        joined = "SELECT COUNT(*) FROM user_sessions JOIN users ON users.id = user_id"
        (count,) = self.query(f"{joined} WHERE email = '{self.email}'")
        return int(count)

    def get(self, column: str) -> str:
        """Return what the user's row has."""
        (value,) = self.query(f"SELECT {column} FROM users WHERE email = '{self.email}'")
        return value

    def set(self, assignment: str) -> None:
        """Change the user's row by SQL, as in `is_active = FALSE`."""
        self.query(f"UPDATE users SET {assignment} WHERE email = '{self.email}'")


# --- Responses

OK = (200, "")
INVALID_TOKEN = (401, "INVALID_TOKEN")
NOT_AUTHENTICATED = (401, "NOT_AUTHENTICATED")
INVALID_CREDENTIALS = (401, "INVALID_CREDENTIALS")


def outcome(answer: Answer) -> tuple[int, str]:
    """Return status and code of a response; answers.py has checked the rest."""
    return answer.status, answer.json().get("code", "") if answer.status >= 400 else ""


def send_token(user: User, token: str, kind: str) -> Answer:
    """Return the response to an access token or a refresh token."""
    if kind == "refresh":
        return Client(user.service).send("POST", REFRESH, {"refresh_token": token})
    request = Request(target=ME.encode())
    return user.ask(request.put("Authorization", b"Bearer " + token.encode()))


def check_unharmed(user: User, since: int) -> None:
    """Assert that good tokens still work, and that the log has neither errors nor tokens."""
    assert user.get_status() == 200
    for record in user.service.log(since):
        assert record["level"] in {"info", "warning"}, record
        assert "Traceback" not in str(record)
        assert "eyJ" not in str(record), "a token in the log"


def check_ended(user: User) -> None:
    """Assert that neither token works."""
    for _ in range(2):
        assert outcome(user.send("GET", ME)) == INVALID_TOKEN
        assert outcome(user.copy().refresh()) == INVALID_TOKEN
        assert outcome(user.log_out()) == INVALID_TOKEN


def sign_up(service: Service, **values: str) -> User:
    """Return a new user."""
    user = User(service, **values)
    assert user.send("POST", SIGN_UP, user.credentials).status == 201
    return user


def sign_in(service: Service, **values: str) -> User:
    """Return a new user, signed in."""
    user = sign_up(service, **values)
    assert user.log_in().status == 200
    return user


# --- Who sends the good requests


class Caller:
    """Shows whatever a route wants to see: what uses a token up gets a new one each time."""

    def __init__(self, service: Service) -> None:
        # Who signs in loses the earlier session: not the one that the other requests show.
        sign_up(service, email=TEXTS["email"])
        self.guest, self.changer = sign_in(service), sign_in(service)
        self.hash_of_changer = self.changer.get("password_hash")
        self.admin = sign_in(service)
        self.admin.set("is_superuser = TRUE")

    def show(self, fields: Collection[str]) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Return headers of a good request, and values of its body if that has these fields."""
        if "new_password" in fields:
            self.changer.set(f"password_hash = '{self.hash_of_changer}'")
            # A change that succeeds ends the session.
            if self.changer.refresh().status != 200:
                self.changer.log_in()
            return self.changer.headers, {}
        if "refresh_token" not in fields:
            return self.admin.headers, {}
        # A refresh is cheaper than a sign-in, if the token was not used.
        if self.guest.refresh().status != 200:
            self.guest.log_in()
        return self.guest.headers, self.guest.refresh_body


def read_routes(service: Service) -> list[Route]:
    """Return the service's operations, whose good requests have the credentials they need."""
    (answer,) = read_answers(service.raw(Request(target=OPENAPI.encode()).encode()))
    document = answer.json()
    has_users = LOGIN in document["paths"]
    return find_routes(document, Caller(service).show) if has_users else find_routes(document)

"""The settings kit: production refuses values that are unsafe or make no sense (CFG-04, CFG-07).

One process per project loads the settings once for each value.
"""

import json
import os
import subprocess
from typing import NamedTuple

import pytest
from service_process import PRODUCTION, Install, Installation
from users import auth_settings

pytestmark = pytest.mark.slow

# Reads a list of environments and prints a message for each that is refused, or null.
LOAD = """
import json, os, sys
from pydantic_settings import SettingsError
from app.settings import load_settings
messages = []
for variables in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(variables)
    try:
        load_settings()
    except SettingsError as error:
        messages.append(str(error))
    else:
        messages.append(None)
json.dump(messages, sys.stdout)
"""
SECRET_KEY = "0123456789abcdef" * 2


class Combination(NamedTuple):
    """Answers, what production must set with them, and values to try."""

    answers: dict[str, str]
    production: dict[str, str]
    refused: list[tuple[str, str]]
    accepted: list[tuple[str, str]]


COMMON = [
    ("ALLOWED_HOSTS", ""),
    ("ALLOWED_HOSTS", "*"),
    ("ALLOWED_HOSTS", "[]"),
    ("ALLOWED_HOSTS", "*example.com"),
    ("ALLOWED_HOSTS", "api.example.com:443"),
    ("CORS_ORIGINS", "*"),
    ("CORS_ORIGINS", "https://app.example.com/"),
    ("REDIS_URL", "redis://:changeme@localhost"),
    ("REDIS_URL", "http://localhost"),
    ("FORWARDED_ALLOW_IPS", "*"),
    ("DATABASE_URL", ""),
    ("DATABASE_URL", "oracle://app:changeme@db.example.com/app"),
    ("DATABASE_URL", "sqlite:///local.db"),
    ("DEBUG", "true"),
    ("ALLOWED_HOSTS", '["changeme'),
    ("REDIS_URL", "changeme"),
    ("REDIS_URL", "redis://:changeme@localhost:x/0"),
    ("LOG_LEVEL", "changeme"),
    ("PORT", "none"),
    ("ENVIRONMENT", "beta"),
    ("SECRETS_DIR", __file__),
    ("SECRETS_DIR", "/nowhere"),
]
COMBINATIONS = [
    Combination(
        {"database": "postgresql", "auth": "jwt"},
        auth_settings() | {"DATABASE_URL": "postgresql://app@db.example.com/app"},
        [
            ("DATABASE_URL", "postgresql://app:changeme@db.example.com/app"),
            ("DATABASE_URL", "postgresql://app:changeme@db.example.com:port/app"),
            ("DATABASE_URL", "mysql://app@db.example.com/app"),
            ("RSA_PRIVATE_KEY_CONTENT", ""),
            ("RSA_PRIVATE_KEY_CONTENT", "changeme"),
            ("RSA_PRIVATE_KEY_PATH", "/nowhere"),
            ("RSA_PUBLIC_KEYS", "changeme"),
            ("PASSWORD_HASH_COST", "9"),
        ],
        [
            ("DATABASE_URL", "postgres://u:p%40%3A%2F%25%23@h/d"),
            ("DATABASE_URL", "postgresql+psycopg2://u@h:5432/d?sslmode=require"),
        ],
    ),
    Combination(
        {"database": "mysql", "auth": "api_key"},
        {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": "mysql://app@db.example.com/app"},
        [
            ("DATABASE_URL", "mysql://app:changeme@db.example.com/app"),
            ("DATABASE_URL", "mysql://app:changeme@db.example.com:port/app"),
            ("DATABASE_URL", "postgresql://app@db.example.com/app"),
            ("SECRET_KEY", ""),
            ("SECRET_KEY", "changeme"),
            ("SECRET_KEY", SECRET_KEY[:31]),
            ("SECRET_KEY", f"changeme-{SECRET_KEY}"),
            ("SECRET_KEY", "abcd" * 8),
        ],
        [
            ("DATABASE_URL", "mysql+aiomysql://u:p%40%3A%2F%25%23@h:3306/d"),
            ("DATABASE_URL", "mariadb+pymysql://u@h/d"),
        ],
    ),
]


def load(installation: Installation, cases: list[dict[str, str]]) -> list[str | None]:
    """Return the message with which each of these environments is refused, or None."""
    done = subprocess.run(
        [installation.scripts / "python", "-c", LOAD],
        cwd=installation.project,
        env={"PATH": os.environ["PATH"]},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda c: "-".join(c.answers.values()))
def test_production_refuses_bad_values_in_one_line_without_the_value(
    install: Install, subtests: pytest.Subtests, combination: Combination
) -> None:
    installation = install(**combination.answers)
    production = PRODUCTION | combination.production
    accepted = [("ENVIRONMENT", "production"), *combination.accepted]
    refused = [*COMMON, *combination.refused]
    cases = [production | {name: value} for name, value in accepted + refused]

    messages = load(installation, cases)

    assert messages[: len(accepted)] == [None] * len(accepted)
    for (name, value), message in zip(refused, messages[len(accepted) :], strict=True):
        with subtests.test(variable=name, value=value):
            assert message
            assert message.startswith(f"{name}: ")
            assert not {"\n", ";"} & set(message)
            assert "changeme" not in message

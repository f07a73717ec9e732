# {% if cookiecutter.database != "none" %}
import asyncio
# {% endif %}
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
# {% if cookiecutter.database != "none" %}
from tests.databases import upgrade_schema
# {% endif %}
from tests.unit.test_settings import PRODUCTION

# Tests run as root or as an administrator, and in memory on another kind of database.
OF_TESTS = {"core.root", "db.administrator", "settings.database_url"}


# {% if cookiecutter.database == "none" %}
@pytest.fixture
def environment() -> dict[str, str]:
    return PRODUCTION | {"FORWARDED_ALLOW_IPS": "10.0.0.1"}


# {% else %}
@pytest.fixture
def environment(own_database_url: str) -> dict[str, str]:
    return PRODUCTION | {"FORWARDED_ALLOW_IPS": "10.0.0.1", "DATABASE_URL": own_database_url}


# {% endif %}
def check(*options: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status of `manage check --deploy`, and its findings by id."""
    command = ["check", "--deploy", "--json", *options]
    result = CliRunner().invoke(main, command, env=variables)
    return result.exit_code, {found["id"]: found for found in json.loads(result.stdout)}


def test_good_environment_has_no_findings(environment: dict[str, str]) -> None:
    # {% if cookiecutter.database != "none" %}
    asyncio.run(upgrade_schema(environment["DATABASE_URL"]))
    # {% endif %}
    status, findings = check(**environment)
    assert findings.keys() <= OF_TESTS
    assert status == ("settings.database_url" in findings)


def test_every_mistake_is_reported_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").touch(0o644)
    mistakes = {
        "ALLOWED_HOSTS": "*",
        "CORS_ORIGINS": "http://app.example.com",
        "DOCS_ENABLED": "true",
        "FORWARDED_ALLOW_IPS": "0.0.0.0/0",
        "LOG_LEVEL": "DEBUG",
    }
    status, findings = check(**(environment | mistakes))
    assert status == 1
    assert findings.keys() - OF_TESTS == {
        "settings.allowed_hosts",
        "core.cors",
        "core.docs",
        "core.dotenv",
        "core.log_level",
        "core.proxy",
        # {% if cookiecutter.database != "none" %}
        "db.schema",
        # {% endif %}
    }


def test_unusable_settings_are_errors() -> None:
    status, findings = check(PORT="x")
    assert (status, list(findings)) == (1, ["settings.port"])
    assert check()[1]["settings.environment"]["level"] == "error"
# {% if cookiecutter.database != "none" %}


def test_unavailable_database_is_reported_without_its_password(
    environment: dict[str, str],
) -> None:
    url = PRODUCTION["DATABASE_URL"].replace("app@db.example.com", "app:s3cret@127.0.0.1:1")
    variables = environment | {"DATABASE_URL": url}
    result = CliRunner().invoke(main, ["check", "--deploy"], env=variables)
    assert "db.unavailable" in result.stdout
    assert "s3cret" not in result.output
# {% endif %}

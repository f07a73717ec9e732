import json
# {% if cookiecutter.__server == "yes" %}
import socket
# {% endif %}
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner

from app.cli import main
# {% if cookiecutter.__server == "yes" %}
from app.cli.uvicorn_server import Supervisor
# {% endif %}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, log_lines: object) -> list[dict[str, Any]]:
    starts: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: starts.append(options))
    return starts


def test_serve_passes_the_settings_to_uvicorn(started: list[dict[str, Any]]) -> None:
    variables = {"FORWARDED_ALLOW_IPS": "10.0.0.0/8,127.0.0.1", "PORT": "0"}
    assert CliRunner().invoke(main, ["serve"], env=variables).exit_code == 0
    (options,) = started
    assert options["forwarded_allow_ips"] == ["10.0.0.0/8", "127.0.0.1/32"]
    assert (options["port"], options["log_config"]) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["serve"], {"ENVIRONMENT": "production"}, "ALLOWED_HOSTS"),
        (["serve"], {"PORT": "x"}, "PORT"),
        (["serve", "--reload"], {"ENVIRONMENT": "test"}, "--reload"),
    ],
)
def test_serve_refuses_in_one_line(
    started: list[dict[str, Any]], arguments: list[str], variables: dict[str, str], named: str
) -> None:
    result = CliRunner().invoke(main, arguments, env=variables)
    assert (result.exit_code, result.stderr, started) == (1, "", [])
    assert named in json.loads(result.stdout)["reason"]


def test_openapi_is_the_same_whatever_the_environment(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    first = CliRunner().invoke(main, ["openapi"])
    again = CliRunner().invoke(main, ["openapi", str(target)], env={"ENVIRONMENT": "test"})
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert first.stdout == target.read_text()


def test_openapi_can_be_compared_with_what_was_committed(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    check = ["openapi", "--check", str(target)]
    assert CliRunner().invoke(main, check).exit_code == 1
    assert not target.exists()
    CliRunner().invoke(main, ["openapi", str(target)])
    assert CliRunner().invoke(main, check).exit_code == 0
    target.write_text(target.read_text() + "changed")
    result = CliRunner().invoke(main, check)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
# {% if cookiecutter.__server == "yes" %}


def test_the_supervisor_stops_listening_before_its_workers_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Supervisor(
            uvicorn.Config("app.main:create_app", log_config=None), sockets=[listener]
        ).terminate_all()
        assert listener.fileno() == -1
# {% endif %}

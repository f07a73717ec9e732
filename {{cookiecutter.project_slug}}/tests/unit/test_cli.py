from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner

from app.cli import main


def test_serve_passes_the_settings_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: served.update(options, app=app))

    result = CliRunner().invoke(main, ["serve", "--reload"], env={"PORT": "9000"})

    assert result.exit_code == 0
    assert served["app"] == "app.main:create_app"
    assert served["port"] == 9000
    assert served["reload"] is True


def test_bad_setting_is_one_line_that_names_the_variable() -> None:
    result = CliRunner().invoke(main, ["serve"], env={"PORT": "canary"})

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PORT: ")
    assert result.stderr.count("\n") == 1
    assert "canary" not in result.stderr

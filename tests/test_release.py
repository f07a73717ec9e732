"""A release writes its version into the sources and the changelog, and tags the commit."""

import datetime
import sys
import tomllib
from pathlib import Path

import pytest
from repositories import commit, copy_of_the_template, git
from template import cookiecutter, default_answers, run

SCRIPT = (sys.executable, "scripts/release.py")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A copy of the template with unreleased changes."""
    template = copy_of_the_template(tmp_path / "template")
    page = template / "CHANGELOG.md"
    page.write_text(
        "# Changelog\n\n## [Unreleased]\n\n- News.\n\n## [1.0] - 2026-01-01\n\n- Old.\n"
    )
    commit(template)
    return template


def test_release_is_tagged_and_named_everywhere(template: Path, tmp_path: Path) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    git("tag", f"{today.year}.{today.month}.9", cwd=template)
    version = f"{today.year}.{today.month}.10"

    output = run(*SCRIPT, cwd=template)

    assert version in output
    assert git("tag", "--points-at", "HEAD", cwd=template).strip() == version
    assert git("status", "--porcelain", cwd=template) == ""
    assert run(*SCRIPT, "--notes", cwd=template) == "- News.\n"
    assert f"## [Unreleased]\n\n## [{version}] - " in (template / "CHANGELOG.md").read_text()
    settings = tomllib.loads((template / "pyproject.toml").read_text())
    assert settings["project"]["version"] == version
    cookiecutter(tmp_path / "out", template, **default_answers())
    baked = tomllib.loads((tmp_path / "out" / "my-service" / "pyproject.toml").read_text())
    assert baked["tool"]["cookiecutter"]["version"] == version
    assert baked["project"]["version"] == "0.1.0"


def test_release_without_changes_is_refused(template: Path) -> None:
    run(*SCRIPT, cwd=template)

    with pytest.raises(pytest.fail.Exception, match="no changes under"):
        run(*SCRIPT, cwd=template)


def test_release_with_uncommitted_changes_is_refused(template: Path) -> None:
    (template / "new.txt").touch()

    with pytest.raises(pytest.fail.Exception, match="uncommitted"):
        run(*SCRIPT, cwd=template)

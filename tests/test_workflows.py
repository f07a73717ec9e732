"""The workflows and other YAML of the template and of a project, under the linters."""

from pathlib import Path

import pytest
from template import ROOT, Bake, default_answers, run

YAMLLINT = """
extends: default
rules:
  line-length: {max: 120}
  truthy: {check-keys: false}
  braces: {max-spaces-inside: 1}
  comments: {min-spaces-from-content: 1}
  document-start: disable
"""


@pytest.fixture(params=["template", "project"])
def folder(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return ROOT if request.param == "template" else bake(**default_answers()).path


def test_zizmor_finds_nothing(folder: Path) -> None:
    options = ("--offline", "--no-progress", "--persona=pedantic", "--collect=all")
    output = run("zizmor", *options, ".github", cwd=folder)

    assert "No findings to report" in output


def test_actionlint_finds_nothing(folder: Path) -> None:
    workflows = sorted((folder / ".github" / "workflows").iterdir())
    assert workflows

    run("actionlint", "-no-color", *workflows, cwd=folder)


def test_yamllint_finds_nothing(folder: Path) -> None:
    run("yamllint", "--strict", "-d", YAMLLINT, ".github", cwd=folder)


@pytest.mark.parametrize("schema", ["github-workflows", "github-workflows-require-timeout"])
def test_workflows_follow_their_schema(folder: Path, schema: str) -> None:
    kind = "custom" if schema.endswith("timeout") else "vendor"
    workflows = sorted((folder / ".github" / "workflows").iterdir())

    run("check-jsonschema", "--builtin-schema", f"{kind}.{schema}", *workflows, cwd=folder)


def test_dependabot_follows_its_schema(folder: Path) -> None:
    file = folder / ".github" / "dependabot.yml"

    run("check-jsonschema", "--builtin-schema", "vendor.dependabot", file, cwd=folder)

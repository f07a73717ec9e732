"""The workflows and other YAML of the template and of a project, under the linters."""

import itertools
import json
import sys
from pathlib import Path

import pytest
from template import CHOICES, ROOT, Bake, combinations, default_answers, run, shard

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


@pytest.mark.parametrize("kind", ["issue-forms", "issue-config"])
def test_issue_forms_follow_their_schema(kind: str) -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    config = folder / "config.yml"
    files = [config] if kind == "issue-config" else sorted({*folder.iterdir()} - {config})

    run("check-jsonschema", "--builtin-schema", f"vendor.github-{kind}", *files, cwd=ROOT)


def test_matrix_runs_each_combination_once_on_each_python() -> None:
    jobs = json.loads(run(sys.executable, "scripts/shards.py", cwd=ROOT))
    shards = {job["shard"] for job in jobs}
    tests = [f"tests/test_combinations.py::test_own_checks[{name}]" for name, _ in combinations()]

    parts = [shard(tests, name) for name in shards]

    assert {(job["python"], job["shard"]) for job in jobs} == {
        (python, name) for python in CHOICES["python_version"] for name in shards
    }
    assert sorted(itertools.chain(*parts)) == sorted(tests)
    assert max(map(len, parts)) < 2 * min(map(len, parts))

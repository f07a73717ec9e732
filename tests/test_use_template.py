"""GitHub's "Use this template" button: the repository becomes what cookiecutter creates."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from repositories import contents, copy_of_the_template, git
from template import CHOICES, QUESTIONS, ROOT, Bake, default_answers, picked_combinations
from test_answers import HOSTILE, TEXTS

WORKFLOWS = ".github/workflows"
# GitHub refuses a push by a workflow that adds or changes workflows ("AM"), and maybe one that
# deletes them ("AMD").
REFUSE_WORKFLOWS = f"""#!/bin/sh
read -r old new name
test -z "$(git diff --name-only --no-renames --diff-filter=%s "$old" "$new" -- {WORKFLOWS})"
"""


PICKED = dict(picked_combinations())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository from the button, with a server that refuses new workflows."""
    repository = copy_of_the_template(tmp_path / "repository")
    server = tmp_path / "server.git"
    git("clone", "--quiet", "--bare", repository, server, cwd=tmp_path)
    git("remote", "add", "origin", server, cwd=repository)
    refuse_workflows(server, "AM")
    return repository


def refuse_workflows(server: Path, changes: str) -> None:
    hook = server / "hooks" / "pre-receive"
    hook.write_text(REFUSE_WORKFLOWS % changes)
    hook.chmod(0o755)


def use_template(repository: Path, answers: dict[str, str]) -> subprocess.CompletedProcess[str]:
    home = repository.with_name("home")
    home.mkdir()
    return subprocess.run(
        [sys.executable, repository / "scripts" / "use_template.py"],
        cwd=repository,
        env={"PATH": "/usr/bin:/bin", "ANSWERS": json.dumps(answers), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def pushed(repository: Path) -> dict[str, tuple[bytes, bool]]:
    clone = repository.with_name("clone")
    git("clone", "--quiet", repository.with_name("server.git"), clone, cwd=repository.parent)
    return contents(clone)


def test_inputs_of_the_workflow_are_the_questions() -> None:
    workflow = yaml.safe_load((ROOT / WORKFLOWS / "use-template.yml").read_text())
    inputs = workflow[True]["workflow_dispatch"]["inputs"]  # YAML 1.1 reads the key `on` as true

    expected = {}
    for key in QUESTIONS:
        prompt = QUESTIONS["__prompts__"].get(key)
        if key in CHOICES:
            question = {"description": prompt["__prompt__"], "type": "choice"}
            expected[key] = question | {"options": CHOICES[key]}
        elif not key.startswith("_"):
            derived = "{{" in QUESTIONS[key]
            expected[key] = {"description": prompt} | (
                {} if derived else {"default": QUESTIONS[key]}
            )
    assert inputs == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKED)
def test_repository_equals_what_cookiecutter_creates(
    repository: Path, bake: Bake, name: str
) -> None:
    answers = PICKED[name]

    done = use_template(repository, answers | {"project_slug": ""})

    assert done.returncode == 0, done.stderr
    assert pushed(repository) == contents(bake(**answers).path)
    assert git("status", "--porcelain", cwd=repository) == ""


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_repository_with_hostile_text_equals_what_cookiecutter_creates(
    repository: Path, bake: Bake, text: str
) -> None:
    answers = default_answers() | dict.fromkeys(TEXTS, text)

    done = use_template(repository, answers)

    assert done.returncode == 0, done.stderr
    assert pushed(repository) == contents(bake(**answers).path)
    assert not list(repository.parent.rglob("pwned"))


def test_workflows_of_the_template_stay_if_they_cannot_be_deleted(
    repository: Path, bake: Bake
) -> None:
    refuse_workflows(repository.with_name("server.git"), "AMD")
    left = {
        path: content
        for path, content in contents(repository).items()
        if path.startswith(WORKFLOWS)
    }

    done = use_template(repository, default_answers())

    assert done.returncode == 0, done.stderr
    assert "Delete the workflows" in done.stdout
    assert pushed(repository) == left | contents(bake(**default_answers()).path)


@pytest.mark.parametrize(
    ("key", "wrong", "message"),
    [
        ("database", "none", "Refused: auth=jwt stores users"),
        ("project_slug", "../escape", "Refused: project_slug"),
        ("auth", "$(id)", "but the choices are"),
    ],
)
def test_refused_answers_change_nothing(
    repository: Path, key: str, wrong: str, message: str
) -> None:
    before = contents(repository)

    done = use_template(repository, default_answers() | {key: wrong})

    assert done.returncode == 1
    assert message in done.stderr
    assert "The repository is unchanged." in done.stderr
    assert contents(repository) == before == pushed(repository)


def test_only_guarded_workflows_exist_beside_those_of_projects() -> None:
    for path in (ROOT / WORKFLOWS).iterdir():
        if not (ROOT / "{{cookiecutter.project_slug}}" / WORKFLOWS / path.name).exists():
            for name, job in yaml.safe_load(path.read_text())["jobs"].items():
                assert "github.event.repository.is_template" in job["if"], f"{path.name}: {name}"

"""How a project takes in a new version of the template, or changed answers."""

import json
import sys
from pathlib import Path

import pytest
from repositories import commit, copy_of_the_template, git
from template import Bake, default_answers, run

pytestmark = pytest.mark.filterwarnings("ignore")


def cruft(*arguments: str, cwd: Path, home: Path) -> str:
    home.mkdir(exist_ok=True)
    return run(sys.executable, "-m", "cruft", *arguments, cwd=cwd, HOME=str(home))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return copy_of_the_template(tmp_path / "template")


@pytest.fixture
def linked(template: Path, tmp_path: Path) -> Path:
    """A committed project that cruft made from the template."""
    answers = default_answers() | {"description": 'It\'s "quoted" \\ # 🚀'}
    options = ("--no-input", "--extra-context", json.dumps(answers), "--output-dir", str(tmp_path))
    cruft("create", *options, str(template), cwd=tmp_path, home=tmp_path / "home")
    project = tmp_path / "my-service"
    commit(project)
    return project


def test_update_brings_a_new_version_and_keeps_own_changes(
    template: Path, linked: Path, tmp_path: Path
) -> None:
    own = linked / "app" / "core" / "health.py"
    own.write_text(f"{own.read_text()}\n# ours\n")
    commit(linked)
    makefile = template / "{{cookiecutter.project_slug}}" / "Makefile"
    makefile.write_text(f"{makefile.read_text()}\nnews: ## A new target\n\t@echo news\n")
    commit(template)

    cruft(
        "update",
        "--skip-apply-ask",
        "--refresh-private-variables",
        cwd=linked,
        home=tmp_path / "home",
    )

    assert "news:" in (linked / "Makefile").read_text()
    assert own.read_text().endswith("# ours\n")
    assert not list(linked.rglob("*.rej"))
    assert 'It\'s \\"quoted\\" \\\\ # 🚀' in (linked / "pyproject.toml").read_text()
    cruft("check", cwd=linked, home=tmp_path / "home")


def test_update_changes_an_answer(linked: Path, tmp_path: Path, bake: Bake) -> None:
    answers = json.dumps({"structure": "flat"})

    cruft(
        *("update", "--skip-apply-ask", "--refresh-private-variables"),
        *("--variables-to-update", answers),
        cwd=linked,
        home=tmp_path / "home",
    )

    expected = bake(**default_answers() | {"structure": "flat"})
    tracked = set(git("ls-files", "--cached", "--others", "--exclude-standard", cwd=linked).split())
    present = {file for file in tracked if (linked / file).exists()}
    assert present - {".cruft.json"} == set(expected.files())
    for file in expected.files():
        if file not in {"pyproject.toml", "README.md"}:  # they hold the description
            assert (linked / file).read_text() == (expected.path / file).read_text()

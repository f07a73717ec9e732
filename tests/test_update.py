"""How a project lives on: `cruft update`, and the repository made by GitHub's template button."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from template import ROOT, Bake, cookiecutter, default_answers, run

pytestmark = pytest.mark.filterwarnings("ignore")


def copy_of_the_template(folder: Path) -> Path:
    """Copy what git tracks or would track into a repository of its own."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        if (ROOT / file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder)
    return folder


def git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    return run("git", *identity, *arguments, cwd=cwd)


def commit(folder: Path) -> None:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message=A state", cwd=folder)


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
    git("init", "--quiet", "--initial-branch=main", cwd=project)
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


def test_rendering_inside_a_copy_of_the_template_equals_a_bake(bake: Bake, tmp_path: Path) -> None:
    """What the repository behind GitHub's template button has to do to become a project."""
    repository = copy_of_the_template(tmp_path / "my-service")
    sources = {"cookiecutter.json", "hooks", "templates", "{{cookiecutter.project_slug}}"}
    workflows = {"ci.yml", "matrix.yml"}  # its token may not touch them
    for file in git("ls-files", cwd=repository).splitlines():
        name = Path(file).parts[0].strip('"')
        if name not in sources and Path(file).parts[:2] != (".github", "workflows"):
            (repository / file).unlink()

    done = cookiecutter(tmp_path, repository, "--overwrite-if-exists", **default_answers())
    assert done.returncode == 0, done.stderr
    for name in sources:
        path = repository / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    expected = bake(**default_answers())
    made = {
        path.relative_to(repository).as_posix(): path.read_bytes()
        for path in repository.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    leftovers = {f".github/workflows/{name}" for name in workflows} - set(expected.files())
    assert set(made) - leftovers == set(expected.files())
    for file in expected.files():
        assert made[file] == (expected.path / file).read_bytes(), file

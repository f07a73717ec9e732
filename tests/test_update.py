"""How a project takes in a new version of the template, or changed answers.

An update bakes two versions from the command line, so `make check` runs the main cases only.
"""

import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import commit, contents, copy_of_the_template, git
from template import (
    QUESTIONS,
    ROOT,
    Bake,
    Project,
    answers_with,
    cookiecutter,
    default_answers,
    picked_combinations,
    run,
)
from workshop import Workshop

pytestmark = pytest.mark.filterwarnings("ignore")
TREE = "{{cookiecutter.project_slug}}"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NEXT_VERSION = "3000.1.1"
PICKED = dict(picked_combinations())

Living = Callable[[Project], Path]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A copy of the template with one version."""
    template = copy_of_the_template(tmp_path / "template")
    git("tag", VERSION, cwd=template)
    return template


@pytest.fixture
def living(tmp_path: Path) -> Living:
    """Put a copy of a bake under version control."""

    def start(project: Project) -> Path:
        copy = shutil.copytree(project.path, tmp_path / "my-service")
        commit(copy)
        return copy

    return start


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def release(template: Path) -> None:
    """Release a version that changes, adds and deletes a file."""
    recorded = '[tool.cookiecutter]\nversion = "{}"'
    settings = template / TREE / "pyproject.toml"
    edit(settings, recorded.format(VERSION), recorded.format(NEXT_VERSION))
    edit(template / TREE / "Makefile", "format the code", "format all code")
    (template / TREE / "docs" / "news.md").write_text("# {{ cookiecutter.project_slug }}\n")
    (template / TREE / ".editorconfig").unlink()
    commit(template)
    git("tag", NEXT_VERSION, cwd=template)


def update(project: Path, template: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `make update`, which may fail."""
    assigned = [f"{key}={value}" for key, value in variables.items()]
    script = 'make update "$@" && echo succeeded || echo failed'
    return run(
        *("sh", "-c", script, "make", f"TEMPLATE={template}", *assigned),
        cwd=project,
        UV_PYTHON=sys.executable,
    )


def test_project_records_every_answer(bake: Bake) -> None:
    settings = tomllib.loads((bake(**default_answers()).path / "pyproject.toml").read_text())

    questions = [key for key in QUESTIONS if not key.startswith("_")]
    assert list(settings["tool"]["cookiecutter"]) == ["version", *questions]
    assert settings["tool"]["cookiecutter"]["version"] == VERSION


def test_untouched_project_becomes_the_new_version(
    template: Path, living: Living, bake: Bake, tmp_path: Path
) -> None:
    project = living(bake(**default_answers()))
    release(template)

    output = update(project, template)

    assert "succeeded" in output, output
    cookiecutter(tmp_path / "expected", template, **default_answers())
    assert contents(project) == contents(tmp_path / "expected" / "my-service")


@pytest.mark.slow
def test_version_can_be_chosen(template: Path, living: Living, bake: Bake) -> None:
    project = living(bake(**default_answers()))
    release(template)

    output = update(project, template, VERSION=VERSION)

    assert "succeeded" in output
    assert git("status", "--porcelain", cwd=project) == ""


def test_update_keeps_own_changes(template: Path, living: Living, bake: Bake) -> None:
    project = living(bake(**default_answers()))
    edit(project / "Makefile", "## Install into .venv", "## Install everything into .venv")
    (project / "app" / "ours.py").write_text("OURS = True\n")
    (project / "docs" / "errors.md").unlink()
    commit(project)
    release(template)

    output = update(project, template)

    assert "succeeded" in output, output
    makefile = (project / "Makefile").read_text()
    assert "format all code" in makefile
    assert "## Install everything into .venv" in makefile
    assert (project / "app" / "ours.py").exists()
    assert (project / "docs" / "news.md").read_text() == "# my-service\n"
    assert not (project / "docs" / "errors.md").exists()
    assert not (project / ".editorconfig").exists()


def test_update_marks_conflicts_as_git_does(template: Path, living: Living, bake: Bake) -> None:
    project = living(bake(**default_answers()))
    edit(project / "Makefile", "format the code", "format our code")
    commit(project)
    release(template)

    output = update(project, template)

    assert "failed" in output
    assert "Error: resolve the conflicts in these files, then run: git add .\nMakefile\n" in output
    makefile = (project / "Makefile").read_text()
    assert re.search(r"<<<<<<<.*our code.*=======.*all code.*>>>>>>>", makefile, re.DOTALL)
    assert (project / "docs" / "news.md").exists()


@pytest.mark.slow
def test_update_of_a_folder_in_a_larger_repository(
    template: Path, bake: Bake, tmp_path: Path
) -> None:
    project = tmp_path / "repository" / "services" / "one"
    shutil.copytree(bake(**default_answers()).path, project)
    commit(tmp_path / "repository")
    release(template)

    output = update(project, template)

    assert "succeeded" in output, output
    assert (project / "docs" / "news.md").exists()
    assert {path.name for path in (tmp_path / "repository").iterdir()} == {".git", "services"}


@pytest.mark.slow
def test_update_of_a_project_that_is_ahead_of_its_version(
    template: Path, living: Living, bake: Bake
) -> None:
    """Cookiecutter bakes the main branch, which may contain changes without a version."""
    edit(template / TREE / "Makefile", "## List the targets", "## List all targets")
    commit(template)
    project = living(bake(**default_answers()))
    edit(project / "Makefile", "## List the targets", "## List all targets")
    commit(project)
    release(template)

    output = update(project, template)

    assert "succeeded" in output, output
    assert "## List all targets" in (project / "Makefile").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("names", [*itertools.pairwise(PICKED)], ids=" to ".join)
def test_changed_answers_give_the_project_of_these_answers(
    template: Path, living: Living, bake: Bake, names: tuple[str, str]
) -> None:
    before, after = (PICKED[name] for name in names)
    project = living(bake(**before))

    output = update(project, template, ANSWERS=" ".join(f"{k}={v}" for k, v in after.items()))

    assert "succeeded" in output, output
    assert contents(project) == contents(bake(**after).path)


@pytest.mark.slow
def test_text_answers_survive_an_update(template: Path, living: Living, bake: Bake) -> None:
    answers = default_answers() | {"description": 'It\'s "quoted" $(id) \\ # 🚀'}
    project = living(bake(**answers))

    output = update(project, template, ANSWERS="author_name='Ada \"the first\"'")

    assert "succeeded" in output, output
    expected = bake(**answers | {"author_name": 'Ada "the first"'})
    assert contents(project) == contents(expected.path)


@pytest.mark.slow
def test_structure_can_change_with_edited_code(template: Path, living: Living, bake: Bake) -> None:
    project = living(bake(**default_answers() | {"structure": "flat"}))
    edit(project / "app" / "models.py", "String(200)", "String(250)")
    commit(project)

    output = update(project, template, ANSWERS="structure=modular")

    assert "succeeded" in output, output
    assert "String(250)" in (project / "app" / "models" / "items.py").read_text()
    assert not (project / "app" / "models.py").exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"VERSION": "9.9"}, "Error: the template has no version 9.9."),
        ({"ANSWERS": "database=none"}, "Refused: auth=jwt stores users"),
        ({"ANSWERS": "colour=red"}, "Error: the template has no question colour."),
    ],
)
def test_impossible_update_changes_nothing(
    template: Path, living: Living, bake: Bake, variables: dict[str, str], message: str
) -> None:
    project = living(bake(**default_answers()))

    output = update(project, template, **variables)

    assert "failed" in output
    assert message in output
    assert "Traceback" not in output
    assert git("status", "--porcelain", cwd=project) == ""


def test_uncommitted_changes_are_refused(template: Path, living: Living, bake: Bake) -> None:
    project = living(bake(**default_answers()))
    (project / "new.txt").touch()

    output = update(project, template)

    assert "failed" in output
    assert "Error: the project has uncommitted changes." in output
    assert git("status", "--porcelain", cwd=project) == "?? new.txt\n"


@pytest.mark.slow
def test_authentication_is_added_to_a_project_with_data(
    template: Path, bake: Bake, workshop: Workshop
) -> None:
    """The steps that remain are those of docs/updating.md."""
    answers = answers_with(auth="none", deployment="none", database="postgresql")
    baked = bake(**answers)
    project = workshop.copy(baked)  # PostgreSQL cannot run in pytest's folders
    commit(project)
    variables = workshop.variables(baked)
    run("uv", "run", "manage", "migrate", cwd=project, **variables)
    commit(project)
    page = (ROOT / "docs" / "updating.md").read_text(encoding="utf-8")
    (by_hand,) = re.findall(r"^```sh\n(git restore.*?)^```", page, re.MULTILINE | re.DOTALL)

    output = update(project, template, ANSWERS="auth=jwt deployment=docker")
    run("sh", "-ec", by_hand, cwd=project, **variables)

    assert "app/migrations/versions/create_items.py" in output
    run("uv", "run", "manage", "migrate", cwd=project, **variables)
    run("make", "check-migrations", "lint", cwd=project, **variables)
    tests = ("test_migrations", "test_items", "test_ownership", "auth/test_login")
    paths = [f"tests/integration/{name}.py" for name in tests]
    run("uv", "run", "pytest", *paths, cwd=project, **variables)


@pytest.mark.slow
def test_database_of_an_edited_project_is_changed(
    template: Path, bake: Bake, workshop: Workshop
) -> None:
    baked = bake(**answers_with(database="sqlite", auth="api_key", deployment="systemd"))
    project = workshop.copy(baked)  # PostgreSQL cannot run in pytest's folders
    commit(project)
    edit(project / "app" / "models" / "items.py", "String(200)", "String(250)")
    edit(
        project / "app" / "migrations" / "versions" / "create_items.py",
        "length=200)",
        "length=250)",
    )
    commit(project)

    output = update(project, template, ANSWERS="database=postgresql deployment=docker")

    assert "succeeded" in output, output
    variables = workshop.variables(baked)
    run("make", "setup", "lint", "check-migrations", cwd=project, **variables)
    run("uv", "run", "pytest", "tests/integration", cwd=project, **variables)


def cruft(*arguments: str, cwd: Path, home: Path) -> str:
    home.mkdir(exist_ok=True)
    return run(sys.executable, "-m", "cruft", *arguments, cwd=cwd, HOME=str(home))


@pytest.fixture
def linked(template: Path, tmp_path: Path) -> Path:
    """A committed project that cruft made from the template."""
    answers = default_answers() | {"description": 'It\'s "quoted" \\ # 🚀'}
    context = ("--no-input", "--extra-context", json.dumps(answers))
    output = ("--output-dir", str(tmp_path))
    cruft("create", *context, *output, str(template), cwd=tmp_path, home=tmp_path / "home")
    project = tmp_path / "my-service"
    commit(project)
    return project


@pytest.mark.slow
def test_cruft_brings_a_new_version_and_keeps_own_changes(
    template: Path, linked: Path, tmp_path: Path
) -> None:
    own = linked / "app" / "core" / "health.py"
    own.write_text(f"{own.read_text()}\n# ours\n")
    commit(linked)
    release(template)

    options = ("--skip-apply-ask", "--refresh-private-variables")
    cruft("update", *options, cwd=linked, home=tmp_path / "home")

    assert (linked / "docs" / "news.md").exists()
    assert own.read_text().endswith("# ours\n")
    assert not list(linked.rglob("*.rej"))
    assert 'It\'s \\"quoted\\" \\\\ # 🚀' in (linked / "pyproject.toml").read_text()
    cruft("check", cwd=linked, home=tmp_path / "home")


@pytest.mark.slow
def test_cruft_changes_an_answer(linked: Path, tmp_path: Path, bake: Bake) -> None:
    answers = json.dumps({"structure": "flat"})

    options = ("--skip-apply-ask", "--refresh-private-variables")
    changed = ("--variables-to-update", answers)
    cruft("update", *options, *changed, cwd=linked, home=tmp_path / "home")

    expected = contents(bake(**default_answers() | {"structure": "flat"}).path)
    present = contents(linked)
    assert present.keys() - {".cruft.json"} == expected.keys()
    for file in expected.keys() - {"pyproject.toml", "README.md"}:  # with the description
        assert present[file] == expected[file]


@pytest.mark.slow
def test_make_update_works_in_a_project_of_cruft(template: Path, linked: Path) -> None:
    release(template)

    output = update(linked, template)

    assert "succeeded" in output, output
    assert "Delete .cruft.json." in output
    assert (linked / "docs" / "news.md").exists()

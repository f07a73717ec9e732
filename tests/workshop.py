"""Run a baked project's own commands, in an environment of exactly what it declares.

`own_checks` is the expensive part of the suite, so it runs once for all combinations whose code is
the same, and only as much as `plan` says. `selection.py` explains which combinations are tested.
"""

import hashlib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from filelock import FileLock
from selection import tested_codes
from servers import database_server
from template import (
    CACHE,
    RUNNING_PYTHON,
    Project,
    code_of,
    default_answers,
    interpreter,
    run,
    skip,
)

# The only Python that depends on the deployment target; test_vercel checks it.
OWN_OF_VERCEL = ("index.py", "tests/integration/test_vercel.py")
RUNS = CACHE / "runs"
OPENAPI = "import json; from app.main import create_app; print(json.dumps(create_app().openapi()))"

# The requirements, also on Python, that this process has looked up in the package index.
requested: set[str] = set()


class Plan(NamedTuple):
    """How much of a project's own checks runs, besides its linters."""

    tests: bool  # in memory
    server_tests: bool  # on the database server
    coverage: bool


def plan(project: Project) -> Plan:
    """Return what to run: everything for the default project, only linters if not selected.

    Measuring coverage doubles the time of the tests, so the projects with the most and the least
    code do it. Another Python does not change what the server is asked. In memory the same tests
    use another engine, so of the projects with a server only the default and the flat ones run
    them twice.
    """
    is_tested = code_of(project.answers) in tested_codes()
    has_server = project.context["database"] in ("postgresql", "mysql")
    is_small = project.context["database"] == project.context["auth"] == "none"
    uses_server = is_tested and has_server and project.answers["python_version"] == RUNNING_PYTHON
    runs_twice = is_default(project) or project.context["structure"] == "flat"
    uses_memory = is_tested and (runs_twice or not uses_server)
    return Plan(uses_memory, uses_server, is_default(project) or (is_tested and is_small))


def is_default(project: Project) -> bool:
    """Return whether this is the code of the default project, with the Python of the tests."""
    return code_of(project.answers) == code_of(default_answers())


@dataclass(frozen=True)
class Workshop:
    """A folder where projects run; one path and one environment a Python keep the caches warm."""

    path: Path

    def copy(self, project: Project) -> Path:
        """Return the path of a fresh copy, so that the bake stays as it was made."""
        copy = self.path / "project"
        shutil.rmtree(copy, ignore_errors=True)
        return shutil.copytree(project.path, copy)

    def variables(self, project: Project) -> dict[str, str]:
        """Return the environment variables for the project's commands."""
        version = project.context["python_version"]
        python = interpreter(version)
        if python is None:
            missing = f"Python {version} is not installed"
            # No package registry has this one; the matrix workflow covers it.
            pytest.skip(missing) if version == "3.14" else skip(missing)
        environment = self.path / version
        variables = {
            "UV_PROJECT_ENVIRONMENT": str(environment),
            "UV_PYTHON": python,
            "UV_PYTHON_DOWNLOADS": "never",
            "MYPY_CACHE_DIR": str(environment / ".mypy_cache"),
            # This suite already uses every core.
            "PYTEST_XDIST_AUTO_NUM_WORKERS": "0",
        }
        # PostgreSQL comes from the project's own development dependency, see `own_checks`.
        if project.context["database"] == "mysql":
            server = database_server("mysql")
            variables["TEST_DATABASE_URL"] = f"{server}/test_{self.path.name}"
        return variables

    def lock(self, copy: Path, variables: dict[str, str]) -> None:
        """Write the lock file of a copy, if the package index is known; if not, `make setup` will.

        The index takes a second to answer, and what this run has learned of it has not changed.
        """
        text = (copy / "pyproject.toml").read_text(encoding="utf-8")
        requirements = set(re.findall(r'"([^"]*>=[^"]*)"', text))
        if requirements <= requested:
            # Setup asks the index if this fails.
            run("sh", "-c", "uv lock --offline || rm -f uv.lock", cwd=copy, **variables)
        requested.update(requirements)

    def commands(self, project: Project) -> Iterator[tuple[str, ...]]:
        """Yield the commands of the project's own checks."""
        tests, server_tests, coverage = plan(project)
        if coverage:
            yield ("make", "setup", "ci")
            return
        yield ("make", "setup", "lint", *(["test"] if tests else []))
        if server_tests:
            yield ("make", "test-server")

    def own_checks(self, project: Project, *targets: str) -> dict[str, Any]:
        """Run the project's own checks, or only these targets of its Makefile.

        Returns:
            What the commands printed, the number of tests that passed in each run of pytest, the
            OpenAPI document, and the packages that the project installs.
        """
        variables = self.variables(project)
        if project.context["database"] == "postgresql" and not is_default(project):
            # The default project starts the server of its development dependency.
            server = database_server("postgresql")
            variables["TEST_DATABASE_URL"] = f"{server}/test_{self.path.name}"
        in_memory = {key: value for key, value in variables.items() if key != "TEST_DATABASE_URL"}
        copy = self.copy(project)
        self.lock(copy, variables)
        commands = [("make", *targets)] if targets else self.commands(project)
        # `uv sync`, which setup runs, removes what the project does not declare.
        output = "".join(
            run(*command, cwd=copy, **(in_memory if "test" in command else variables))
            for command in commands
        )
        openapi = run("uv", "run", "python", "-c", OPENAPI, cwd=copy, **variables)
        return {
            "output": output,
            "passed": [int(number) for number in re.findall(r"(\d+) passed", output)],
            "openapi": json.loads(openapi),
            "packages": packages_of(copy),
            "combinations": [],
        }

    def own_checks_once(self, project: Project, name: str) -> dict[str, Any]:
        """Return the result of `own_checks`, run once for all projects of equal code."""
        size = "".join(name[0] for name, runs in plan(project)._asdict().items() if runs)
        result_file = RUNS / f"{fingerprint(project)}{size}.json"
        with FileLock(f"{result_file}.lock"):
            if result_file.exists():
                result = json.loads(result_file.read_text())
            else:
                result = self.own_checks(project)
            result["combinations"].append(name)
            result_file.write_text(json.dumps(result))
        return result


def packages_of(project: Path) -> list[str]:
    """Return the names of the packages in the project's lock file, without its own."""
    packages = tomllib.loads((project / "uv.lock").read_text())["package"]
    return [package["name"] for package in packages if "registry" in package["source"]]


def fingerprint(project: Project) -> str:
    """Return a digest of everything that the project's own checks read."""
    digest = hashlib.sha256()
    for file, content in project.texts:
        if file in OWN_OF_VERCEL:
            continue
        text = content
        if file == "pyproject.toml":
            settings = tomllib.loads(text)
            del settings["tool"]["cookiecutter"], settings["project"]["license"]
            text = json.dumps(settings, sort_keys=True)
        if file == "Makefile":  # only the commands that the checks run
            text = run("make", "--just-print", "setup", "ci", cwd=project.path)
        if file.endswith((".py", ".toml")) or file.startswith((".env", "Makefile")):
            digest.update(f"{file}\0{text}\0".encode())
    return digest.hexdigest()[:16]


def report() -> Iterator[str]:
    """Yield the lines that sum up the own checks of this run of the suite."""
    results = [json.loads(path.read_text()) for path in RUNS.glob("*.json")]
    if results:
        combinations = sum(len(result["combinations"]) for result in results)
        tests = sum(sum(result["passed"]) for result in results)
        yield (
            f"own checks: {len(results)} runs stand for {combinations} combinations; "
            f"{tests} generated tests passed"
        )
    if (containers := RUNS / "containers.txt").exists():
        yield containers.read_text().rstrip()


def workshop_of(worker: str) -> Workshop:
    """Return where this worker of the suite runs projects; nested runs borrow the outer one's."""
    return Workshop(Path(os.environ.get("WORKSHOP", CACHE / "workshops" / worker)))

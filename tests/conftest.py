"""Fixtures: bake a project, and run its own checks in an environment of what it declares."""

import functools
import hashlib
import json
import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.environment import StrictEnvironment
from filelock import FileLock
from servers import DEFAULT_URLS, database_server
from template import (
    CACHE,
    CHOICES,
    Answers,
    Bake,
    Project,
    checked,
    combinations,
    interpreter,
    run,
    skip,
)
from xdist.scheduler import LoadScopeScheduling

RUNS = CACHE / "runs"
SCHEMA_TESTS = ("schema", "database", "items")
OPENAPI = "import json; from app.main import create_app; print(json.dumps(create_app().openapi()))"

# Jinja's compilation is three quarters of a bake, and every bake compiles the same sources.
StrictEnvironment.compile = functools.cache(StrictEnvironment.compile)  # type: ignore[method-assign]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(RUNS, ignore_errors=True)
        RUNS.mkdir(parents=True)


def code_of(answers: Answers) -> str:
    """Return the answers that change the code."""
    unused = {"deployment"} | ({"migrations"} if answers["database"] == "none" else set())
    return "-".join(answers[key] for key in CHOICES if key not in unused)


CODES = {name: code_of(answers) for name, answers in combinations()}


class OneWorkerEach(LoadScopeScheduling):
    """Gives to one worker what would wait for itself or start twice.

    That is combinations of equal code, and a file of kits on one database. Not by marks: pytest
    9.2 does not read what pytest-xdist 3.8 makes of its `xdist_group`.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, rest = nodeid.partition("::")
        parameters = rest.partition("[")[2].removesuffix("]")
        if "kits/" in file:
            named = set(parameters.split("-"))
            return f"{file} {next((d for d in CHOICES['database'] if d in named), '')}"
        return CODES.get(parameters, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401
    return OneWorkerEach(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that wants `project` on every combination."""
    if "project" in metafunc.fixturenames:
        metafunc.parametrize(
            "project",
            [pytest.param(answers, id=name) for name, answers in combinations()],
            indirect=True,
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    results = [json.loads(path.read_text()) for path in RUNS.glob("*.json")]
    if results:
        stood_for = sum(len(result["combinations"]) for result in results)
        terminalreporter.write_line(
            f"own checks and tests: {len(results)} runs stand for {stood_for} combinations; "
            f"{sum(result['tests'] for result in results)} generated tests passed"
        )
    if (containers := RUNS / "containers.txt").exists():
        terminalreporter.write(containers.read_text())


@pytest.fixture(scope="session")
def bake(cookies_session: Any) -> Bake:  # noqa: ANN401 pytest-cookies has no types
    """Bake a project, refusing an answer to a question that does not exist."""

    @functools.cache
    def bake_once(answers: frozenset[tuple[str, str]]) -> Project:
        result = cookies_session.bake(extra_context=dict(answers))
        assert result.exception is None, result.exception
        return Project(result.project_path, dict(answers), result.context)

    return lambda **answers: bake_once(frozenset(checked(answers).items()))


@pytest.fixture(scope="session")
def project(bake: Bake, request: pytest.FixtureRequest) -> Project:
    """One combination, baked."""
    return bake(**request.param)


@dataclass(frozen=True)
class Workshop:
    """Runs commands of projects: one path and one environment a Python keep the caches warm."""

    path: Path

    def copy(self, project: Project) -> Path:
        """Return the path of a fresh copy, so that the bake stays as it was made."""
        copy = self.path / "project"
        shutil.rmtree(copy, ignore_errors=True)
        return shutil.copytree(project.path, copy)

    def own_checks(self, project: Project, *targets: str) -> dict[str, Any]:
        """Run the project's `make setup check`, or other targets.

        Its tests run on SQLite, and again on a real server if it is made for one. What does not
        depend on the structure runs in one of the structures only: processes, servers and the
        measure of coverage, since core, database and auth are the same files, and the resources
        the same code (test_tree). Without migrations the server sees what speaks to the schema.
        Returns what was printed, how many tests passed, and the project's OpenAPI document.

        The environment holds only what the project declares: `uv sync` removes the rest.
        """
        version = project.context["python_version"]
        python = interpreter(version)
        if python is None:
            missing = f"Python {version} is not installed"
            # No package registry has this one; the matrix workflow covers it.
            pytest.skip(missing) if version == "3.14" else skip(missing)
        environment = self.path / version
        copy = self.copy(project)
        variables = {
            "UV_PROJECT_ENVIRONMENT": str(environment),
            "UV_PYTHON": python,
            "UV_PYTHON_DOWNLOADS": "never",
            "MYPY_CACHE_DIR": str(environment / ".mypy_cache"),
        }
        # What starts processes looks at no database.
        without_processes = ("uv", "run", "pytest", "--ignore=tests/integration/test_process.py")
        everything = project.context["structure"] == CHOICES["structure"][0]
        wanted = targets or ("setup", "check" if everything else "lint")
        output = run("make", *wanted, cwd=copy, **variables)
        if not targets and not everything:
            output += run(*without_processes, cwd=copy, **variables)
        if not targets and everything and project.context["database"] in DEFAULT_URLS:
            server = database_server(project.context["database"])
            about_schema = [f"tests/integration/test_{name}.py" for name in SCHEMA_TESTS]
            only = [] if project.context["migrations"] == "yes" else about_schema
            output += run(
                *(*without_processes, "-q", *only),
                cwd=copy,
                TEST_DATABASE_URL=f"{server}/test_{self.path.name}",
                **variables,
            )
        openapi = run("uv", "run", "python", "-c", OPENAPI, cwd=copy, **variables)
        return {
            "output": output,
            "tests": sum(map(int, re.findall(r"(\d+) passed", output))),
            "openapi": json.loads(openapi),
            "combinations": [],
        }

    def own_checks_once(self, project: Project, name: str) -> dict[str, Any]:
        """Return the result of `own_checks`, run once for all projects of equal code."""
        result_file = RUNS / f"{fingerprint(project)}.json"
        with FileLock(f"{result_file}.lock"):
            if result_file.exists():
                result = json.loads(result_file.read_text())
            else:
                result = self.own_checks(project)
            result["combinations"].append(name)
            result_file.write_text(json.dumps(result))
        return result


@pytest.fixture(scope="session")
def workshop(worker_id: str) -> Workshop:
    """Where this worker runs projects; the runs of the mutations borrow it."""
    return Workshop(Path(os.environ.get("WORKSHOP", CACHE / "workshops" / worker_id)))


def fingerprint(project: Project) -> str:
    """Return a digest of everything that the project's own checks read."""
    digest = hashlib.sha256()
    for file, text in project.texts():
        if file == "pyproject.toml":
            settings = tomllib.loads(text)
            del settings["tool"]["cookiecutter"], settings["project"]["license"]
            text = json.dumps(settings, sort_keys=True)  # noqa: PLW2901
        if file == "Makefile":  # what its own checks run of it
            text = run("make", "--just-print", "setup", "check", cwd=project.path)  # noqa: PLW2901
        if file.endswith((".py", ".toml")) or file.startswith((".env", "Makefile")):
            digest.update(f"{file}\0{text}\0".encode())
    return digest.hexdigest()[:16]

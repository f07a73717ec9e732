"""Fixtures: baked projects, installed and started as in production, each with a database."""

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.register_assert_rewrite("answers", "attacks", "users")

from attacks import Attacker  # noqa: E402 after the line above
from servers import fresh_database  # noqa: E402
from service_process import PRODUCTION, Install, Installation, Launch, Service  # noqa: E402
from template import CACHE, Bake, default_answers, run  # noqa: E402
from users import auth_settings  # noqa: E402
from workshop import Workshop  # noqa: E402

FAULTY_APP = Path(__file__).with_name("faulty_app.py")


@pytest.fixture(scope="session")
def install(bake: Bake, worker_id: str) -> Install:
    """Install the default project with these answers, once for each."""

    @functools.cache
    def install_once(answers: frozenset[tuple[str, str]]) -> Installation:
        name = "-".join(["project", *(value for _, value in sorted(answers))])
        project_answers = default_answers() | dict(answers)
        if project_answers["database"] == "none":  # so there can be no users
            project_answers["auth"] = "none"
        workshop = Workshop(CACHE / "kits" / worker_id / name)
        project = workshop.copy(bake(**project_answers))
        environment = project.with_name("environment")
        variables = {"UV_PROJECT_ENVIRONMENT": str(environment), "UV_PYTHON": sys.executable}
        run("uv", "sync", "--quiet", "--no-dev", cwd=project, **variables)
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        # Compiles the modules, which else each of several processes would do at its start.
        run(scripts / "manage", "--help", cwd=project)
        settings = auth_settings() if project_answers["auth"] == "jwt" else {}
        return Installation(project, scripts, PRODUCTION | settings)

    return lambda **answers: install_once(frozenset(answers.items()))


@pytest.fixture(scope="module")
def database() -> str:
    """Which database the service has; override it with `each_database()` to run on several."""
    return default_answers()["database"]


@pytest.fixture(scope="module")
def launch(install: Install, database: str) -> Launch:
    project, scripts, production = install(database=database)

    @contextmanager
    def make(*, faulty: bool = False, healthy: bool = True, **variables: str) -> Iterator[Service]:
        command = [scripts / "python", FAULTY_APP] if faulty else [scripts / "manage"]
        if database != "none" and "DATABASE_URL" not in variables:
            with fresh_database(database) as url:
                ours = {"DATABASE_URL": url, "UPDATE_SCHEMA_ON_STARTUP": "true"}
                with make(faulty=faulty, healthy=healthy, **ours | variables) as running:
                    yield running
            return
        settings = production | variables
        with Service(project, [*command, "serve"], healthy=healthy, **settings) as running:
            yield running

    return make


@pytest.fixture(scope="module")
def service(launch: Launch) -> Iterator[Service]:
    """The service in production, with its OpenAPI document for the kits to read."""
    with launch(DOCS_ENABLED="true") as running:
        yield running


@pytest.fixture(scope="module")
def faulty_service(launch: Launch) -> Iterator[Service]:
    """The service in production, with routes that fail."""
    with launch(faulty=True) as running:
        yield running


@pytest.fixture(scope="module")
def attacker(service: Service) -> Attacker:
    return Attacker(service)

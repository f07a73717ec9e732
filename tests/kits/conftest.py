"""Fixtures: a baked project, installed and started as in production."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("answers")

from conftest import Workshop  # noqa: E402 after the line above
from service_process import PRODUCTION, Launch, Service  # noqa: E402
from template import CACHE, Bake, default_answers, run  # noqa: E402

FAULTY_APP = Path(__file__).with_name("faulty_app.py")


@pytest.fixture(scope="session")
def launch(bake: Bake, worker_id: str) -> Launch:
    project = Workshop(CACHE / "kits" / worker_id).copy(bake(**default_answers()))
    environment = project.with_name("environment")
    variables = {"UV_PROJECT_ENVIRONMENT": str(environment), "UV_PYTHON": sys.executable}
    run("uv", "sync", "--quiet", "--no-dev", cwd=project, **variables)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")

    def make(*, faulty: bool = False, healthy: bool = True, **variables: str) -> Service:
        command = [scripts / "python", FAULTY_APP] if faulty else [scripts / "manage"]
        return Service(project, [*command, "serve"], healthy=healthy, **PRODUCTION | variables)

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

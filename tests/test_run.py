"""A project as its owner runs it: the demo, plain pip, the exported requirements."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from template import ROOT, Bake, default_answers, run
from workshop import Workshop

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_demo_serves_the_default_project_and_keeps_edits(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = (sys.executable, ROOT / "scripts" / "demo.py", "--once", "--folder", folder)

    output = run(*demo, cwd=ROOT, PORT=str(free_port()))

    assert "GET /api/v1/health 200" in output
    assert "POST /api/v1/items 201" in output
    assert '"total":1' in output
    assert re.search(r"log in as \S+@example\.com with the password \S+", output)
    assert "Next steps" not in output
    assert (folder / "server.log").read_text()
    readme = folder / "my-service" / "README.md"
    readme.write_text("edited")
    run(*demo, cwd=ROOT, PORT=str(free_port()))
    assert readme.read_text() == "edited"


def test_project_installs_and_serves_with_plain_pip(
    bake: Bake, workshop: Workshop, tmp_path: Path
) -> None:
    project = workshop.copy(bake(**default_answers()))
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", project, cwd=tmp_path)

    port = free_port()
    environment = os.environ | {"PORT": str(port)}
    with subprocess.Popen([scripts / "manage", "serve"], cwd=tmp_path, env=environment) as server:
        try:
            answer = answer_of(f"http://127.0.0.1:{port}/openapi.json")
        finally:
            server.terminate()
    assert answer.json()["info"]["title"] == "My Service"


def answer_of(url: str) -> httpx2.Response:
    for _ in range(100):
        try:
            return httpx2.get(url)
        except httpx2.ConnectError:
            time.sleep(0.1)
    pytest.fail(f"no answer from {url}")


def test_requirements_are_exported_without_development_tools(
    bake: Bake, workshop: Workshop, tmp_path: Path
) -> None:
    project = workshop.copy(bake(**default_answers()))

    environment = str(tmp_path / "venv")
    run("make", "requirements", cwd=project, UV_PROJECT_ENVIRONMENT=environment)

    lines = (project / "requirements.txt").read_text().splitlines()
    names = {Requirement(line.rstrip(" \\")).name for line in lines if line[:1].isalpha()}
    assert {"fastapi", "uvicorn", "pydantic-settings"} <= names
    assert not {"pytest", "ruff", "mypy", "my-service"} & names

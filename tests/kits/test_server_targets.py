"""The server kit: systemd's command, supervisord and nginx really run, as their documents say.

Each project is installed by the commands of its own document, in a mount namespace whose /etc and
/opt are thrown away. Needs root.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from servers import fresh_database
from service_process import Launch, Service, free_port, parse_record
from template import CACHE, RUNNING_PYTHON, Bake, answers_with, run, skip
from test_servers import NGINX_FRAME

pytestmark = pytest.mark.slow

SLUG, USER = "parcels", "app-parcels"
# Commands that need a running systemd or nginx, or the service itself.
STUBS = ("systemctl", "nginx", "curl", "supervisorctl")
PREPARE = """
cd {folder}/project
for path in etc opt; do
  upper={folder}/$path work={folder}/work-$path
  mkdir -p $upper $work
  mount -t overlay overlay -o "lowerdir=/$path,upperdir=$upper,workdir=$work" /$path
done
export PATH={folder}/stubs:{scripts}:$PATH UV_PYTHON={python}
"""
# What the unit denies, as far as it can be had without systemd: new privileges and capabilities, a
# writable file system, and memory that is writable and executable (prctl 65, PR_SET_MDWE).
CONFINE = """
mount -t tmpfs tmpfs /run && install -d -m 700 -o {user} /run/credentials
install -m 400 -o {user} /etc/{slug}/secrets/* /run/credentials
mount -t tmpfs tmpfs /tmp && chmod 1777 /tmp
mount -o remount,bind,ro /
cd / && exec env -i {variables} SECRETS_DIR=/run/credentials setpriv --reuid={user} --regid={user} \
  --init-groups --no-new-privs --bounding-set=-all /opt/{slug}/current/.venv/bin/python -c '
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
' {command}
"""


def interpreter_for_everyone() -> str:
    """Return the path of a Python like this one that other users can run."""
    system = f"/usr/bin/python{RUNNING_PYTHON}"
    real = Path(sys.executable).resolve()
    if Path(system).exists():
        return system
    if not all(folder.stat().st_mode & 0o001 for folder in real.parents):
        skip(f"{real} can be run by its owner only, and there is no {system}")
    return str(real)


@dataclass(frozen=True)
class Server:
    """A machine of its own, as far as /etc and /opt go, with an installed project."""

    folder: Path
    project: Path
    port: int

    @property
    def preparation(self) -> str:
        """What makes the machine, in a mount namespace of its own."""
        return PREPARE.format(
            folder=self.folder,
            scripts=Path(sys.executable).parent,
            python=interpreter_for_everyone(),
        )

    def command(self, script: str) -> list[str | Path]:
        """Return a command that runs a script on the machine."""
        return ["unshare", "--mount", "bash", "-euc", self.preparation + script]

    def install(self, document: str, database_url: str) -> None:
        """Run every command of a document up to the section on rollbacks, one after the other."""
        text = (self.project / "docs" / document).read_text(encoding="utf-8")
        blocks = re.findall(r"```sh\n(.*?)```", text.partition("## Roll back")[0], re.DOTALL)
        assert len(blocks) >= 5
        script = "\n".join(blocks).replace("/opt/supervisor/bin/supervisorctl", "supervisorctl")
        url = re.search(r"'(postgresql://[^']*)'", script)[1]
        # There is no Redis on this machine, and the port is any free one.
        script = re.sub(
            r"^echo 'redis.*\n", "", script.replace(url, database_url), flags=re.MULTILINE
        )
        settings = f"\nPORT={self.port}\n"
        example = self.project / ".env.production.example"
        example.write_text(example.read_text().replace("api.example.com", "localhost") + settings)
        run(*self.command(script), cwd=self.project)


@contextmanager
def installed(bake: Bake, target: str) -> Iterator[Server]:
    """Give a server where the target's document was followed, with a fresh database."""
    if os.geteuid() != 0:
        skip("only root can make a mount namespace")
    folder = CACHE / "kits" / target
    shutil.rmtree(folder, ignore_errors=True)
    project = bake(**answers_with(deployment=target, database="postgresql"), project_slug=SLUG)
    copy = shutil.copytree(project.path, folder / "project")
    for name in STUBS:
        stub = folder / "stubs" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
    run("uv", "lock", "--quiet", cwd=copy, UV_PYTHON=sys.executable)
    identity = ("-c", "user.name=kit", "-c", "user.email=kit@example.com")
    for arguments in (("init", "--quiet"), ("add", "."), (*identity, "commit", "-qm", "x")):
        run("git", *arguments, cwd=copy)
    with fresh_database("postgresql") as url:
        server = Server(folder, copy, free_port())
        server.install(f"{target}.md", url)
        yield server


def sign_up_and_log_in(port: int) -> None:
    auth = f"http://localhost:{port}/api/v1/auth"
    user = {"email": "ada@example.com", "password": "correct horse"}
    form = {"username": user["email"], "password": user["password"]}
    assert httpx2.post(f"{auth}/sign-up", json=user, timeout=20).status_code == 201
    assert httpx2.post(f"{auth}/login", data=form, timeout=20).status_code == 200


def owner(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    return re.search(r"Uid:\t(\d+)", status)[1]


def test_unit_runs_as_a_fresh_user_on_a_read_only_machine(bake: Bake) -> None:
    with installed(bake, "systemd") as server:
        unit = (server.project / "deploy" / "systemd" / "app.service").read_text()
        fields = dict(re.findall(r"^(\w+)=(.+)$", unit, re.MULTILINE))
        assert (fields["User"], fields["EnvironmentFile"]) == (USER, f"/etc/{SLUG}/.env")
        lines = (server.project / ".env.production.example").read_text().splitlines()
        variables = " ".join(line for line in lines if re.match(r"[A-Z_]+=", line))
        script = CONFINE.format(
            user=USER, slug=SLUG, variables=variables, command=fields["ExecStart"]
        )
        with Service(server.project, server.command(script), PORT=str(server.port)) as service:
            assert owner(service.pid) != "0"
            assert httpx2.get(f"{service.url}/api/v1/ready", timeout=5).status_code == 200
            sign_up_and_log_in(server.port)
            assert service.stop() == -signal.SIGTERM
        assert service.lines("stderr") == []


def half_sent_request(port: int) -> tuple[socket.socket, bytes]:
    """Return a connection with a request in flight, and the rest of its body."""
    body = json.dumps({"email": "bob@example.com", "password": "correct horse"}).encode()
    head = (
        "POST /api/v1/auth/sign-up HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(head.encode() + body[:5])
    return connection, body[5:]


def test_supervisord_restarts_and_drains_the_service(bake: Bake) -> None:
    with installed(bake, "supervisord") as server:
        configuration = f"/etc/{SLUG}/supervisord.conf"
        start = f"exec /opt/supervisor/bin/supervisord -c {configuration}"
        with Service(server.project, server.command(start), PORT=str(server.port)) as supervisord:
            (child,) = supervisord._children()
            assert owner(child) != "0"
            sign_up_and_log_in(server.port)

            os.kill(child, signal.SIGKILL)
            time.sleep(0.5)
            supervisord.wait_until_healthy()
            (successor,) = supervisord._children()
            assert successor != child

            connection, rest = half_sent_request(server.port)
            time.sleep(0.5)
            control = ["/opt/supervisor/bin/supervisorctl", "-c", configuration, "stop", SLUG]
            stop = ["nsenter", f"--target={supervisord.pid}", "--mount", *control]
            stopping = threading.Thread(target=run, args=stop, kwargs={"cwd": Path("/")})
            stopping.start()
            time.sleep(3)
            with connection:
                connection.sendall(rest)
                response = connection.recv(65536)
            stopping.join()
            assert response.startswith(b"HTTP/1.1 201 ")
            with pytest.raises(ConnectionRefusedError):
                supervisord.connect()
            paths = [parse_record(line).get("path") for line in supervisord.lines("stdout")]
            assert paths.count("/api/v1/auth/sign-up") == 2


@pytest.fixture
def nginx(bake: Bake, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Give the https port of nginx with the site, and the port of the service behind it."""
    if not shutil.which("nginx"):
        skip("nginx is not installed")
    ports = {"80": free_port(), "443": free_port(), "8000": free_port()}
    text = (bake(**answers_with(deployment="systemd")).path / "deploy" / "nginx.conf").read_text()
    text = text.replace("/etc/letsencrypt/live/api.example.com", str(tmp_path))
    text = re.sub(r"^\s*listen \[::\].*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"listen (80|443)", lambda match: f"listen 127.0.0.1:{ports[match[1]]}", text)
    (tmp_path / "site.conf").write_text(
        text.replace("127.0.0.1:8000", f"127.0.0.1:{ports['8000']}")
    )
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", "privkey.pem", "-out", "fullchain.pem")
    run("openssl", "req", "-x509", *key, "-subj", "/CN=api.example.com", cwd=tmp_path)
    frame = NGINX_FRAME.format(folder=tmp_path).replace(
        "worker_processes", "daemon off;\nworker_processes"
    )
    (tmp_path / "nginx.conf").write_text(frame)
    command = ["nginx", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield ports["443"], ports["8000"]
    finally:
        process.terminate()
        process.wait()


def test_nginx_sets_what_the_service_trusts(launch: Launch, nginx: tuple[int, int]) -> None:
    https, port = nginx
    settings = {"ALLOWED_HOSTS": "api.example.com,localhost", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    spoofed = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http", "X-Request-ID": "spoofed"}
    extensions = {"sni_hostname": "api.example.com"}
    transport = httpx2.HTTPTransport(verify=False, local_address="127.0.0.2")
    with (
        launch(PORT=str(port), **settings) as service,
        httpx2.Client(transport=transport, base_url=f"https://127.0.0.1:{https}") as client,
    ):
        response = client.get(
            "/api/v1/items", headers=spoofed | {"Host": "api.example.com"}, extensions=extensions
        )
        request_id = response.headers["X-Request-ID"]
        assert response.status_code == 401
        assert re.fullmatch(r"[0-9a-f]{32}", request_id)
        assert response.headers["Strict-Transport-Security"]
        record = service.wait_for_record(
            lambda record: record.get("request_id") == request_id and "status" in record
        )
        assert "127.0.0.2" in record.values()

        large = client.post(
            "/api/v1/items",
            headers={"Host": "api.example.com"},
            content=b"x" * (2 << 20),
            extensions=extensions,
        )
        assert large.status_code == 413
        for name in ("other", "api.example.com"):
            with pytest.raises(httpx2.TransportError):
                client.get("/", headers={"Host": "other"}, extensions={"sni_hostname": name})

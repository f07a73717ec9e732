"""The files for servers with systemd or supervisord, and nginx, under those programs' parsers."""

import configparser
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from linters import GIXY, gixy, supervisor_programs
from template import CHOICES, Bake, answers_with, combinations, run, skip

SHUTDOWN_TIMEOUT = 20  # seconds, the default of the setting
NGINX_FRAME = """
worker_processes 1;
worker_rlimit_nofile 1024;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
# Checks of gixy that the site does not meet, each with the reason.
GIXY_IGNORED = {"hsts_header": "the service sends it, and a second one would not be valid"}


# --- systemd

UNITS = {
    name: answers
    for name, answers in combinations()
    if answers["deployment"] == "systemd"
    and all(answers[key] == CHOICES[key][0] for key in ("structure", "migrations"))
}


@pytest.fixture(params=UNITS)
def unit(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return bake(**UNITS[request.param]).path / "deploy" / "systemd" / "app.service"


def read_unit(unit: Path) -> configparser.ConfigParser:
    """Return the sections of a unit; of a repeated key the last value."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser


def systemd_analyze(command: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        skip("systemd-analyze is not installed")
    line = ["systemd-analyze", command, "--no-pager", *map(str, options)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def verify(text: str, executable: str, root: Path) -> str:
    """Return what `systemd-analyze verify` complains about, in a root that has the executable."""
    for file, content in ((executable, "#!/bin/sh\n"), ("etc/systemd/system/x.service", text)):
        path = root / file.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if file == executable else 0o644)
    options = (f"--root={root}", "--man=no", "--recursive-errors=no", "x.service")
    done = systemd_analyze("verify", *options)
    return done.stdout + done.stderr


def test_systemd_verifies_the_unit(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    executable = read_unit(unit)["Service"]["ExecStart"].split()[0]

    assert verify(text, executable, tmp_path) == ""
    bad = text.replace("TimeoutStopSec=", "TimeoutStop=")
    assert "TimeoutStop" in verify(bad, executable, tmp_path)


def test_exposure_of_the_unit_is_low(unit: Path, tmp_path: Path) -> None:
    limit = ("--offline=true", "--threshold=20")
    report = systemd_analyze("security", "--offline=true", "--json=short", unit)

    assert len(json.loads(report.stdout)) > 70
    assert systemd_analyze("security", *limit, unit).returncode == 0
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert systemd_analyze("security", *limit, bare).returncode == 1


def test_stop_timeout_of_the_unit_covers_the_drain(unit: Path) -> None:
    service = read_unit(unit)["Service"]

    assert int(service["TimeoutStopSec"]) > SHUTDOWN_TIMEOUT + 5
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")


def test_unit_holds_no_secret_and_loads_each(unit: Path) -> None:
    example = (unit.parents[2] / ".env.production.example").read_text()
    required = {
        name.lower()
        for name in re.findall(r"^(\w+)=$", example, re.MULTILINE)
        if "REDIS" not in name
    }
    text = unit.read_text()
    loaded = dict(re.findall(r"^LoadCredential=(\w+):(\S+)$", text, re.MULTILINE))

    assert loaded.keys() == required
    assert {Path(path).name for path in loaded.values()} == required
    assert re.findall(r"^Environment=(.*)$", text, re.MULTILINE) == ["SECRETS_DIR=%d"]


# --- supervisord


@pytest.fixture
def supervisord(bake: Bake, tmp_path: Path) -> Path:
    """The configuration, which is the same whatever else was chosen."""
    project = bake(**answers_with(deployment="supervisord"), project_slug="parcels")
    file = project.path / "deploy" / "supervisord" / "supervisord.conf"
    return Path(shutil.copy(file, tmp_path))


def test_supervisor_reads_the_configuration(supervisord: Path) -> None:
    (program,) = supervisor_programs(supervisord)

    assert program["name"] == "parcels"
    assert program["command"] == "/opt/parcels/current/.venv/bin/manage serve"
    assert program["stopsignal"] == signal.SIGTERM
    assert program["stopwaitsecs"] > SHUTDOWN_TIMEOUT + 5
    assert (program["stopasgroup"], program["killasgroup"]) == (False, True)
    assert program["autorestart"] == "RestartWhenExitUnexpected"
    assert program["exitcodes"] == [0, 1]
    assert (program["stdout_logfile"], program["stdout_logfile_maxbytes"]) == ("/dev/fd/1", 0)
    assert program["environment"] == {
        "HOME": "/nonexistent",  # not root's, which supervisord would pass on
        "SECRETS_DIR": "/etc/parcels/secrets",
    }


def test_supervisor_refuses_a_bad_configuration(supervisord: Path) -> None:
    supervisord.write_text(supervisord.read_text().replace("=TERM", "=TERMINATE"))

    with pytest.raises(pytest.fail.Exception, match="TERMINATE"):
        supervisor_programs(supervisord)


def test_supervisor_is_controlled_by_root_only(supervisord: Path) -> None:
    parser = read_unit(supervisord)

    assert parser["unix_http_server"]["chmod"] == "0700"
    assert "inet_http_server" not in parser
    assert parser["program:parcels"]["user"] == "app-parcels"


# --- nginx


@pytest.fixture
def site(bake: Bake, tmp_path: Path) -> Path:
    """A configuration of nginx that includes the site, with a certificate of its own."""
    project = bake(**answers_with(deployment="systemd"))
    text = (project.path / "deploy" / "nginx.conf").read_text()
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", "privkey.pem", "-out", "fullchain.pem")
    run("openssl", "req", "-x509", *key, "-subj", "/CN=api.example.com", cwd=tmp_path)
    (tmp_path / "site.conf").write_text(
        text.replace("/etc/letsencrypt/live/api.example.com", str(tmp_path))
    )
    file = tmp_path / "nginx.conf"
    file.write_text(NGINX_FRAME.format(folder=tmp_path))
    return file


def test_nginx_accepts_the_site(site: Path) -> None:
    if not shutil.which("nginx"):
        skip("nginx is not installed")
    command = ("nginx", "-t", "-e", "stderr", "-p", site.parent, "-c", site)

    assert "test is successful" in run(*command, cwd=site.parent)
    (site.parent / "site.conf").write_text("server { listen_on 80; }")
    with pytest.raises(pytest.fail.Exception, match="listen_on"):
        run(*command, cwd=site.parent)


@pytest.mark.slow
@pytest.mark.parametrize("package", GIXY)
def test_gixy_finds_nothing(site: Path, package: str) -> None:
    assert gixy(package, site) <= GIXY_IGNORED.keys()
    site_file = site.parent / "site.conf"
    site_file.write_text(site_file.read_text().replace("Host $server_name", "Host $http_host"))
    assert "host_spoofing" in gixy(package, site)


def test_nginx_replaces_what_the_service_trusts(site: Path) -> None:
    text = (site.parent / "site.conf").read_text()

    headers = dict(re.findall(r"proxy_set_header (\S+) (\S+);", text))
    assert headers == {
        "Connection": '""',
        "Host": "$server_name",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Request-ID": "$request_id",
    }
    assert "client_max_body_size 64k;" in text
    # The service closes idle connections after 75 seconds.
    assert int(re.search(r"keepalive_timeout (\d+)s;", text)[1]) < 75
    assert text.count("server_tokens off;") == text.count("\nserver {")

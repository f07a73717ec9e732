"""The Compose files and their scripts, of every combination that has them."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from container_files import Containers, containerised
from template import CHOICES, ROOT, Bake, is_alone, run

IMAGES = re.compile(r"^(ghcr\.io/astral-sh/uv|python|postgres|mysql|redis):\d+\.\d+(\.\d+)?")
# What the official images of PostgreSQL, MySQL and Redis call their user.
SERVER_USER = "999:999"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(answers, id=name)
        for name, answers in containerised()
        if not is_alone(name)  # only the Dockerfile depends on these
    ],
)
def containers(bake: Bake, request: pytest.FixtureRequest) -> Containers:
    return Containers(bake(**request.param))


# --- Linters


def check_schema(*files: Path) -> str:
    command = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    return run(*command, *files, cwd=ROOT)


@pytest.mark.slow  # it bakes every combination that has containers
def test_compose_files_follow_their_schema(bake: Bake, tmp_path: Path) -> None:
    """Each distinct compose file, in one run: it takes a second to start."""
    texts = {
        Containers(bake(**answers)).text(file)
        for _, answers in containerised()
        for file in ("compose.yaml", "compose.dev.yaml")
    }
    files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, sorted(texts), strict=True):
        file.write_text(text)

    assert len(files) > len(CHOICES["database"])
    assert "ok" in check_schema(*files)
    files[-1].write_text(files[-1].read_text().replace("read_only:", "readonly:"))
    with pytest.raises(pytest.fail.Exception, match="readonly"):
        check_schema(*files)


def test_shellcheck_finds_nothing(containers: Containers, tmp_path: Path) -> None:
    scripts = sorted((containers.project.path / "docker").iterdir())
    assert scripts

    run("shellcheck", "--severity=style", *scripts, cwd=containers.project.path)

    assert all(script.stat().st_mode & 0o111 for script in scripts)
    bad = tmp_path / "bad.sh"
    bad.write_text("#!/bin/sh\necho $1\n")
    with pytest.raises(pytest.fail.Exception, match="SC2086"):
        run("shellcheck", "--severity=style", bad, cwd=tmp_path)


# --- The compose file


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * (60 if unit == "m" else 1)


def test_every_service_is_hardened(containers: Containers) -> None:
    for name, service in containers.services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] > 0, name
        assert service["restart"] == "unless-stopped", name
        assert {"mem_limit", "cpus", "tmpfs"} <= service.keys(), name
        assert service["logging"]["options"].keys() >= {"max-size", "max-file"}, name
        # The service's own user and health check are the image's.
        assert name == "api" or service["user"] == SERVER_USER
        assert name == "api" or service["healthcheck"]["test"][0] == "CMD"
        forbidden = {"privileged", "network_mode", "pid", "ipc", "devices", "userns_mode"}
        assert not forbidden & service.keys(), name
        assert "docker.sock" not in str(service), name


def test_only_the_service_is_published_and_on_loopback(containers: Containers) -> None:
    published = {name: s["ports"] for name, s in containers.services.items() if "ports" in s}

    assert published == {"api": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert containers.compose["networks"]["backend"] == {"internal": True}
    for name, service in containers.services.items():
        assert service["networks"] == ["default", "backend"] if name == "api" else ["backend"]


def test_trusted_proxies_are_passed_on(containers: Containers) -> None:
    environment = containers.services["api"]["environment"]

    assert environment["FORWARDED_ALLOW_IPS"] == "${FORWARDED_ALLOW_IPS:-}"


def test_service_starts_after_what_it_needs_is_healthy(containers: Containers) -> None:
    context = containers.project.context
    servers = {context["database"]} & {"postgresql", "mysql"}
    servers |= {"redis"} if context["auth"] != "none" else set()

    assert containers.services.keys() == servers | {"api"}
    assert containers.services["api"].get("depends_on", {}) == {
        name: {"condition": "service_healthy"} for name in servers
    }


def test_stop_leaves_time_to_finish_requests(containers: Containers) -> None:
    api = containers.services["api"]

    drain = api["environment"]["SHUTDOWN_TIMEOUT"]
    assert seconds(api["stop_grace_period"]) > drain + 5
    assert api["init"] is True


def test_images_of_servers_are_pinned_and_keep_their_data(containers: Containers) -> None:
    volumes = {"postgresql": "/var/lib/postgresql", "mysql": "/var/lib/mysql"}
    for name, service in containers.services.items():
        if name == "api":
            continue
        assert IMAGES.match(service["image"]), service["image"]
        mounted = [f"{name}:{volumes[name]}"] if name in volumes else None
        assert service.get("volumes") == mounted
    if containers.project.context["database"] == "sqlite":
        folder = containers.services["api"]["volumes"][0].removeprefix("data:")
        assert containers.services["api"]["environment"]["DATABASE_URL"].startswith(
            f"sqlite:///{folder}/"
        )
        assert f"--owner=10001 --group=10001 {folder}" in containers.text("Dockerfile")
        assert "WORKERS" not in containers.text("compose.yaml")


def test_no_secret_is_in_an_environment(containers: Containers) -> None:
    for service in containers.services.values():
        for variable, value in service.get("environment", {}).items():
            # RSA_PUBLIC_KEYS and API_KEYS, which holds digests, are none.
            secret = re.search("PASSWORD|SECRET|KEY(?!S)|TOKEN|URL", variable)
            assert not secret or re.match(r"/run/secrets|sqlite:", str(value)), variable


def test_development_runs_the_code_of_the_folder(containers: Containers) -> None:
    override = yaml.safe_load(containers.text("compose.dev.yaml"))["services"]["api"]

    assert override["command"] == ["serve", "--reload"]
    assert override["environment"]["ENVIRONMENT"] == "local"
    (source, target, mode) = override["volumes"][0].split(":")
    assert (source, mode) == ("./app", "ro")
    assert target == f"{override['environment']['PYTHONPATH']}/app"


# --- Secrets


@pytest.fixture
def copy(containers: Containers, tmp_path: Path) -> Path:
    """A copy of the project that a test may write to."""
    return shutil.copytree(containers.project.path, tmp_path / "project")


def secrets_of(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted((folder / "secrets").iterdir())}


def test_secrets_are_made_once_and_are_those_of_compose(containers: Containers, copy: Path) -> None:
    declared = {f"secrets/{name}" for name in containers.compose.get("secrets", {})}
    mounted = {name for s in containers.services.values() for name in s.get("secrets", [])}

    first = run("make", "secrets", cwd=copy)
    made = secrets_of(copy)
    again = run("make", "secrets", cwd=copy)

    assert {f"secrets/{name}" for name in made} == declared
    assert mounted == made.keys()
    assert {s["file"] for s in containers.compose.get("secrets", {}).values()} == declared
    assert first.count(": created") == len(made)
    assert not again
    assert secrets_of(copy) == made
    # Containers read the files as users that this machine does not have.
    assert (copy / "secrets").stat().st_mode & 0o777 == 0o700
    assert {(copy / "secrets" / name).stat().st_mode & 0o777 for name in made} <= {0o644}
    for name, secret in made.items():
        assert "PRIVATE KEY" in secret or re.search(r"[0-9a-f]{48}", secret), name


def test_secrets_that_are_there_are_kept_and_used(copy: Path) -> None:
    run("make", "secrets", cwd=copy)
    before = secrets_of(copy)
    derived = [name for name, secret in before.items() if "://" in secret]
    for name in derived:
        (copy / "secrets" / name).unlink()

    run("make", "secrets", cwd=copy)

    assert bool(derived) == bool(before)
    assert secrets_of(copy) == before


def test_secrets_and_backups_are_not_committed(copy: Path) -> None:
    run("make", "secrets", cwd=copy)
    (copy / "backups").mkdir()
    (copy / "backups" / "1.dump").touch()
    run("git", "init", "--quiet", ".", cwd=copy)

    tracked = run("git", "ls-files", "--others", "--exclude-standard", cwd=copy).splitlines()

    assert "compose.yaml" in tracked
    assert not [file for file in tracked if file.startswith(("secrets", "backups"))]

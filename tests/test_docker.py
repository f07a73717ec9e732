"""The files for containers, of every combination that has them: linted, and read as Docker does."""

import functools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from template import CHOICES, ROOT, Bake, Project, combinations, run

CHECKOV = "checkov==3.3.30"  # pins a hundred packages, so it gets an environment of its own
IMAGES = re.compile(r"^(ghcr\.io/astral-sh/uv|python|postgres|mysql|redis):\d+\.\d+(\.\d+)?")
# What the official images of PostgreSQL, MySQL and Redis call their user.
SERVER_USER = "999:999"

# Files that a working copy may hold and an image may not (OWASP ASVS 5.0, 13.4.1).
SECRET_OR_NEEDLESS = (
    ".env",
    ".env.production",
    ".git/config",
    ".venv/pyvenv.cfg",
    ".github/workflows/ci.yml",
    "app/.env",
    "app/__pycache__/main.cpython-313.pyc",
    "app/core/server.key",
    "app/key.pem",
    "backups/20261123T204258Z.dump",
    "key.pem",
    "local.db",
    "secrets/redis_url",
    "tests/conftest.py",
)

INSTRUCTION = re.compile(r"^([A-Z]+) +((?:.*\\\n)*.*)$", re.MULTILINE)


def containerised() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the combinations that have files for containers; the last test compares structures."""
    for name, answers in combinations():
        if answers["deployment"] == "docker" and answers["structure"] == CHOICES["structure"][0]:
            yield name, answers


@dataclass(frozen=True)
class Containers:
    """The files for containers of one project."""

    project: Project

    def text(self, file: str) -> str:
        """Return what is in a file."""
        return (self.project.path / file).read_text(encoding="utf-8")

    @functools.cached_property
    def compose(self) -> dict[str, Any]:
        """The compose file."""
        return yaml.safe_load(self.text("compose.yaml"))

    @functools.cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services of the compose file, by name."""
        return self.compose["services"]

    @functools.cached_property
    def instructions(self) -> list[tuple[str, str]]:
        """The Dockerfile's instructions, each with its arguments on one line."""
        code = re.sub(r"^#.*\n", "", self.text("Dockerfile"), flags=re.MULTILINE)
        return [(name, rest.replace("\\\n", " ")) for name, rest in INSTRUCTION.findall(code)]

    @property
    def last_stage(self) -> dict[str, str]:
        """The last of each instruction of the last stage."""
        stages = [i for i, (name, _) in enumerate(self.instructions) if name == "FROM"]
        return dict(self.instructions[stages[-1] :])


@pytest.fixture(
    scope="module",
    params=[pytest.param(answers, id=name) for name, answers in containerised()],
)
def containers(bake: Bake, request: pytest.FixtureRequest) -> Containers:
    return Containers(bake(**request.param))


def in_context(patterns: str) -> Callable[[str], bool]:
    """Return whether a .dockerignore lets a path into the context: the last match decides."""
    rules = []
    for line in filter(None, map(str.strip, patterns.splitlines())):
        if line.startswith("#"):
            continue
        expression = ""
        for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", line.removeprefix("!").strip("/")):
            wild = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
            expression += wild.get(part) or (part if part.startswith("[") else re.escape(part))
        # A folder takes with it what it holds.
        rules.append((re.compile(f"{expression}(/.*)?"), line.startswith("!")))

    def decide(path: str) -> bool:
        included = True
        for rule, includes in rules:
            if rule.fullmatch(path):
                included = includes
        return included

    return decide


@pytest.mark.parametrize(
    ("path", "included"),
    [("app/main.py", True), ("app/x.pem", False), ("key", False), ("app", True), ("appx", False)],
)
def test_dockerignore_is_read_as_docker_does(path: str, included: bool) -> None:
    assert in_context("# note\n*\n!app\n**/*.pem\n")(path) is included


# --- Linters: each is shown a bad file first, so that one that checks nothing is noticed


@functools.cache
def hadolint(text: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["hadolint", "--format=json", "--warning=DL3057", "-"],
        input=text,
        env={"PATH": f"{Path(sys.executable).parent}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return json.loads(done.stdout)


def test_hadolint_finds_nothing(containers: Containers) -> None:
    text = containers.text("Dockerfile")
    last_stage = text[: text.rindex("\nFROM ")].count("\n") + 2

    # DL3057, no HEALTHCHECK, is meant for each stage; only the last one is ever run.
    found = [f for f in hadolint(text) if f["code"] != "DL3057" or f["line"] >= last_stage]
    assert not found
    bad = text.replace("HEALTHCHECK", "#").replace("USER 10001:10001", "USER app")
    assert {"DL3057", "DL3066"} <= {finding["code"] for finding in hadolint(bad)}


@pytest.mark.slow
def test_checkov_finds_nothing(bake: Bake, tmp_path: Path) -> None:
    """Each distinct Dockerfile, in one run: it takes seconds to start."""
    texts = {Containers(bake(**answers)).text("Dockerfile") for _, answers in containerised()}
    for number, text in enumerate(sorted(texts)):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "Dockerfile").write_text(text)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "Dockerfile").write_text("FROM python:latest\nADD . .\n")

    command = ("uv", "tool", "run", "--from", CHECKOV, "checkov", "--framework", "dockerfile")
    output = run(
        *(*command, "--skip-download", "--soft-fail", "--output=json", "--directory", "."),
        cwd=tmp_path,
    )
    report = json.loads(output[output.index("{") : output.rindex("}") + 1])
    failed = {(c["file_path"], c["check_id"]) for c in report["results"]["failed_checks"]}
    passed = {check["file_path"] for check in report["results"]["passed_checks"]}
    assert {check for file, check in failed if file == "/bad/Dockerfile"} >= {"CKV_DOCKER_3"}
    assert not {(file, check) for file, check in failed if file != "/bad/Dockerfile"}
    assert passed >= {f"/{number}/Dockerfile" for number in range(len(texts))}


def check_schema(*files: Path) -> str:
    command = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    return run(*command, *files, cwd=ROOT)


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


# --- The Dockerfile


def test_image_is_built_in_stages_from_pinned_images(containers: Containers) -> None:
    sources = [rest.split() for name, rest in containers.instructions if name == "FROM"]
    stages = [source[2] for source in sources if len(source) == 3]

    assert len(sources) >= 3
    for image, *_ in sources:
        assert image in stages or re.search(r":\d+\.\d+\.\d+", image), image
    version = containers.project.context["python_version"]
    assert f"FROM python:{version}." in containers.text("Dockerfile")


def test_image_runs_as_a_numeric_user_and_checks_its_health(containers: Containers) -> None:
    stage = containers.last_stage

    user, group = map(int, stage["USER"].split(":"))
    assert user >= 10000
    assert group >= 10000
    assert (json.loads(stage["ENTRYPOINT"]), json.loads(stage["CMD"])) == (["manage"], ["serve"])
    assert (stage["STOPSIGNAL"], stage["EXPOSE"]) == ("SIGTERM", "8000")
    options, _, command = stage["HEALTHCHECK"].partition(" CMD ")
    seconds = {key: int(value) for key, value in re.findall(r"--([\w-]+)=(\d+)s", options)}
    assert seconds["timeout"] < seconds["interval"]
    assert seconds["start-period"] > 10  # STARTUP_TIMEOUT_SECONDS
    program, option, code = json.loads(command)
    assert (program, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert "/api/v1/health" in code


def test_image_is_installed_from_the_lock_and_holds_no_secret(containers: Containers) -> None:
    syncs = [rest for name, rest in containers.instructions if "uv sync" in rest]

    assert syncs
    assert all("--locked" in sync for sync in syncs)
    for name, rest in containers.instructions:
        assert name not in {"ADD", "ARG"}
        if name == "ENV":
            assert not re.search(r"(SECRET|PASSWORD|TOKEN|KEY|URL)\w*=", rest), rest


def test_context_holds_what_is_copied_and_no_secret(containers: Containers) -> None:
    included = in_context(containers.text(".dockerignore"))
    files = [*containers.project.files(), "uv.lock"]
    context = {file for file in files if included(file)}
    sources = [
        source.rstrip("*").rstrip("/")
        for name, rest in containers.instructions
        if name == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]

    assert len(sources) > 3
    for source in sources:
        assert any(f == source or f.startswith(f"{source}/") for f in context), source
    assert {file for file in files if file.startswith("app/")} <= context
    assert not [path for path in SECRET_OR_NEEDLESS if included(path)]
    top = {file.partition("/")[0] for file in context}
    assert top == {"LICENSE", "README.md", "app", "pyproject.toml", "uv.lock"}


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
            secret = re.search("PASSWORD|SECRET|(?<!PUBLIC_)KEY|TOKEN|URL", variable)
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


# --- What is said in two places


def test_every_python_has_a_release_of_its_image() -> None:
    questions = json.loads((ROOT / "cookiecutter.json").read_text())

    releases = questions["_python_releases"]
    assert releases.keys() == set(questions["python_version"])
    for minor, release in releases.items():
        assert re.fullmatch(rf"{re.escape(minor)}\.\d+", release)


def test_image_has_the_uv_that_builds_the_project(containers: Containers) -> None:
    settings = tomllib.loads(containers.text("pyproject.toml"))
    (builder,) = settings["build-system"]["requires"]
    minor = re.search(r">=(\d+\.\d+)", builder)[1]

    assert f"ghcr.io/astral-sh/uv:{minor}." in containers.text("Dockerfile")


def test_files_are_the_same_in_every_structure(bake: Bake) -> None:
    answers = {key: choices[0] for key, choices in CHOICES.items()} | {"deployment": "docker"}
    owned = ("Dockerfile", ".dockerignore", "compose", "docker/", "docs/docker.md")
    files = [
        {file: text for file, text in project.texts if file.startswith(owned)}
        for project in (bake(**answers | {"structure": name}) for name in CHOICES["structure"])
    ]

    assert len(files[0]) > 5
    assert all(other == files[0] for other in files[1:])

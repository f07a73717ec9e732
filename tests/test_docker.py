"""The Dockerfile and the build context, of every combination that has them."""

import functools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from container_files import Containers, containerised
from linters import checkov
from template import ALONE, CHOICES, ROOT, Bake

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

    report = checkov(tmp_path, "dockerfile")

    assert ("/bad/Dockerfile", "CKV_DOCKER_3") in report.failed
    assert not {(file, check) for file, check in report.failed if file != "/bad/Dockerfile"}
    assert {file for file, _ in report.passed} >= {
        f"/{number}/Dockerfile" for number in range(len(texts))
    }


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


@pytest.mark.parametrize("option", ["structure", "migrations", *ALONE])
def test_files_are_the_same_whatever_the_choice(bake: Bake, option: str) -> None:
    answers = {key: choices[0] for key, choices in CHOICES.items()} | {"deployment": "docker"}
    owned = (".dockerignore", "compose", "docker/")
    if option not in ALONE:  # which the Dockerfile names
        owned += ("Dockerfile",)
    first, *others = (
        {file: text for file, text in project.texts if file.startswith(owned)}
        for project in (bake(**answers | {option: choice}) for choice in CHOICES[option])
    )

    assert len(first) >= 5
    assert all(other == first for other in others)

"""Answers: hostile text gives a working project, impossible answers are refused in one line."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from template import (
    QUESTIONS,
    ROOT,
    RUNNING_PYTHON,
    Bake,
    Project,
    cookiecutter,
    default_answers,
    run,
)
from workshop import Workshop

HOSTILE = {
    "double quotes": 'say "hello" and ""',
    "single quotes": "it's 'quoted' and '''tripled'''",
    "backslashes": r"C:\new\table\x41 \N{DASH} \\",
    "hash": "# no comment # {}",
    "shell": "$(touch pwned) `id` ${HOME} %PATH% && ; | > <b>",
    "tab and newline": "one\ttwo\nthree \r\n four",
    "emoji": "🚀 👩‍👩‍👧 naïve ﬁ",
    "right to left": "שלום \u202eevil\u202c مرحبا",
    "long": "x" * 300,
    "colon and braces": "key: [value] {a: b} } } - - *alias &anchor !tag | >",
}
TEXTS = ("project_name", "description", "author_name", "author_email")


def collapsed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_gives_files_that_parse_and_lint(bake: Bake, text: str) -> None:
    project = bake(**default_answers(), **dict.fromkeys(TEXTS, text))

    settings = tomllib.loads((project.path / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["description"] == collapsed(text)
    assert settings["project"]["authors"] == [{"name": collapsed(text), "email": collapsed(text)}]
    assert settings["tool"]["cookiecutter"]["project_name"] == collapsed(text)
    assert collapsed(text) in (project.path / "LICENSE").read_text(encoding="utf-8")
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", project.path.name)
    for file, content in project.texts:
        if file.endswith(".py"):
            ast.parse(content)
        elif file.endswith((".yml", ".yaml")):
            yaml.safe_load(content)
    run("ruff", "format", "--no-cache", "--check", ".", cwd=project.path)
    run("ruff", "check", "--no-cache", ".", cwd=project.path)


def read_by_linters(project: Project) -> dict[str, object]:
    """Return the Python files but for the slug, and the settings but for the texts."""
    slug = f'"{project.path.name}"'
    settings = tomllib.loads((project.path / "pyproject.toml").read_text(encoding="utf-8"))
    del settings["tool"]["cookiecutter"]
    for key in ("name", "description", "authors"):
        del settings["project"][key]
    code = {file: text for file, text in project.texts if file.endswith(".py")}
    return {file: text.replace(slug, '"my-service"') for file, text in code.items()} | settings


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_gives_a_working_project(bake: Bake, workshop: Workshop, text: str) -> None:
    """The own linters run with all texts at once, and read here what they read by default."""
    project = bake(**default_answers(), **dict.fromkeys(TEXTS, text))
    assert read_by_linters(project) == read_by_linters(bake(**default_answers()))

    result = workshop.own_checks(project, "setup")

    assert result["openapi"]["info"]["description"] == collapsed(text)
    assert not list(workshop.path.rglob("pwned"))


@pytest.mark.slow
def test_all_hostile_texts_at_once_pass_the_own_tests(bake: Bake, workshop: Workshop) -> None:
    text = " ".join(HOSTILE.values())
    project = bake(**default_answers(), **dict.fromkeys(TEXTS, text))

    # Without the tests on the server, which is not given any of the texts.
    output = workshop.own_checks(project, "setup", "lint", "test")["output"]
    assert "No dependency issues found" in output
    assert re.search(r"\d+ passed", output)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("  Überraschung & Größe  ", "uberraschung-grosse"),
        ("🚀", "service"),
        ("---", "service"),
        ("a" * 62 + " b", "a" * 62),
        ("x" * 300, "x" * 63),
        ("2fast", "2fast"),
    ],
)
def test_slug_is_a_host_name_label_made_from_the_name(bake: Bake, name: str, slug: str) -> None:
    assert bake(project_name=name).path.name == slug


REFUSED = {
    "slug with a capital": ({"project_slug": "My-Service"}, "RFC 1123"),
    "slug with an underscore": ({"project_slug": "my_service"}, "RFC 1123"),
    "slug that starts with a hyphen": ({"project_slug": "-x"}, "RFC 1123"),
    "slug that ends with a hyphen": ({"project_slug": "x-"}, "RFC 1123"),
    "slug of 64 characters": ({"project_slug": "x" * 64}, "RFC 1123"),
    "slug with a quote": ({"project_slug": 'x"y'}, "RFC 1123"),
    "slug with a newline": ({"project_slug": "x\ny"}, "RFC 1123"),
    "slug that is a keyword": ({"project_slug": "class"}, "Python keyword"),
    "slug that is a standard module": ({"project_slug": "json"}, "Python keyword"),
    "slug that is a dependency": ({"project_slug": "fastapi"}, "installs"),
    "name that is a dependency": ({"project_name": "FastAPI"}, "installs"),
    "empty name": ({"project_name": " "}, "empty"),
    "empty author": ({"author_name": ""}, "empty"),
    "escape character": ({"description": "a\x1b[31mred"}, "control character"),
    "delete character": ({"author_name": "a\x7f"}, "control character"),
    "C1 control": ({"description": "a\x9bb"}, "control character"),
    "jwt without a database": ({"auth": "jwt", "database": "none"}, "choose"),
    "kubernetes with sqlite": ({"deployment": "kubernetes", "database": "sqlite"}, "choose"),
    "kubernetes without migrations": ({"deployment": "kubernetes", "migrations": "no"}, "choose"),
    "vercel with sqlite": ({"deployment": "vercel", "database": "sqlite"}, "choose"),
    "block syntax": ({"description": "a {% raw %}"}, "template syntax"),
    "comment syntax": ({"author_name": "{# x"}, "template syntax"),
    "expression from a block": ({"author_email": "{{ '{' ~ '{' }} x"}, "template syntax"),
}


@pytest.mark.parametrize(("answers", "reason"), REFUSED.values(), ids=REFUSED)
def test_bad_answer_is_refused_in_one_line(
    tmp_path: Path, answers: dict[str, str], reason: str
) -> None:
    done = cookiecutter(tmp_path, **answers)

    refusals = [line for line in done.stderr.splitlines() if line.startswith("Refused: ")]
    assert done.returncode == 1
    assert len(refusals) == 1
    assert reason in refusals[0]
    assert refusals[0].endswith(".")
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())


def test_next_steps_name_the_folder_and_the_commands(tmp_path: Path) -> None:
    done = cookiecutter(tmp_path, project_name="Parcel Desk")

    for word in (
        "cd parcel-desk",
        "git init -b main",
        "structure=modular",
        "auth=jwt",
        "deployment=docker",
        "database=postgresql",
        "migrations=yes",
        "make setup",
        "uv.lock",
        "make dev",
        "/docs",
        "make check",
        "docker build -t app:latest .",
        "make up",
    ):
        assert word in done.stdout


def test_unknown_answer_is_refused_by_the_tests_helper(bake: Bake) -> None:
    with pytest.raises(KeyError, match="databse"):
        bake(databse="sqlite")
    with pytest.raises(ValueError, match="hexagonal"):
        bake(structure="hexagonal")


def test_every_answer_is_recorded(bake: Bake) -> None:
    project = bake(**default_answers())
    recorded = tomllib.loads((project.path / "pyproject.toml").read_text())["tool"]["cookiecutter"]

    template = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert recorded.pop("version") == template["version"]
    assert recorded == {key: project.context[key] for key in QUESTIONS if not key.startswith("_")}
    assert recorded["python_version"] == RUNNING_PYTHON


def test_every_choice_has_a_prompt() -> None:
    prompts = QUESTIONS["__prompts__"]

    for key, value in QUESTIONS.items():
        if isinstance(value, list) and not key.startswith("_"):
            assert set(prompts[key]) == {"__prompt__", *value}
        elif not key.startswith("_"):
            assert prompts[key]

"""What holds for every combination of answers, from the cheap checks to the dear one."""

import ast
import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import Workshop
from openapi_spec_validator import validate
from servers import DEFAULT_URLS
from template import CHOICES, ROOT, Project, expected_files, run

TRACES = tomllib.loads((ROOT / "tests" / "traces.toml").read_text())
GITHUB_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def test_nothing_is_left_unrendered(project: Project) -> None:
    for file, text in project.texts():
        rendered = GITHUB_EXPRESSION.sub("", text).replace("[tool.cookiecutter]", "")

        for scar in ("{{", "{%", "{#", "cookiecutter"):
            assert scar not in rendered, f"{scar} in {file}"


def test_files_are_those_of_the_answers(project: Project) -> None:
    assert set(project.files()) == expected_files(project.context)


def test_no_folder_is_empty(project: Project) -> None:
    empty = [path for path in project.path.rglob("*") if path.is_dir() and not any(path.iterdir())]

    assert not empty


def test_no_word_of_another_choice_is_left(project: Project) -> None:
    for option, choices in CHOICES.items():
        own = TRACES[option][project.context[option]]
        for choice in choices:
            for word in set(TRACES[option][choice]) - set(own):
                for file, text in project.texts():
                    written, _, _answers = text.partition("[tool.cookiecutter]")
                    found = word in f"{file}\n{written}"
                    assert not found, f"{word} ({option}={choice}) in {file}"


def test_every_file_parses(project: Project) -> None:
    parsers = {
        ".py": ast.parse,
        ".toml": tomllib.loads,
        ".json": json.loads,
        ".yml": yaml.safe_load,
        ".yaml": yaml.safe_load,
    }
    parsed = [
        parsers[Path(file).suffix](text)
        for file, text in project.texts()
        if Path(file).suffix in parsers
    ]

    assert len(parsed) > 10


def test_text_has_no_scars(project: Project) -> None:
    for file, text in project.texts():
        assert not text or text.endswith("\n"), f"{file} ends without a newline"
        assert not text.endswith("\n\n"), f"{file} ends with a blank line"
        assert not text.startswith("\n"), f"{file} starts with a blank line"
        assert not re.search(r"[ \t]$", text, re.MULTILINE), f"trailing blanks in {file}"
        if not file.endswith((".py", ".mako")):  # ruff judges those
            assert "\n\n\n" not in text, f"two blank lines in {file}"


def test_ruff_finds_nothing(project: Project) -> None:
    run("ruff", "format", "--no-cache", "--check", ".", cwd=project.path)
    run("ruff", "check", "--no-cache", ".", cwd=project.path)


@pytest.mark.slow
def test_own_checks_pass(
    project: Project, workshop: Workshop, request: pytest.FixtureRequest
) -> None:
    result = workshop.own_checks_once(project, request.node.callspec.id)

    assert "All checks passed!" in result["output"]
    assert re.search(r"Success: no issues found in \d+ source files", result["output"])
    assert re.search(r"Contracts: \d+ kept, 0 broken", result["output"])
    assert "No dependency issues found" in result["output"]
    if os.environ.get("NO_SKIPS"):
        assert not re.search(r"\d+ skipped", result["output"])
    is_default_structure = project.context["structure"] == CHOICES["structure"][0]
    runs = 2 if is_default_structure and project.context["database"] in DEFAULT_URLS else 1
    assert len(re.findall(r"\d+ passed", result["output"])) == runs
    assert ("test_process" in result["output"]) == is_default_structure
    covered = "Required test coverage of 95.0% reached" in result["output"]
    assert covered == is_default_structure
    assert result["tests"] > 10
    validate(result["openapi"])

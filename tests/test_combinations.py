"""Checks on every combination of answers: what it holds, its format, and its own checks."""

import ast
import functools
import hashlib
import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import validate
from template import CHOICES, ROOT, Project, expected_files, packages_refused_as_slugs, run
from workshop import Workshop, plan

TRACES = tomllib.loads((ROOT / "tests" / "traces.toml").read_text())
GITHUB_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
PARSERS = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yml": lambda text: list(yaml.safe_load_all(text)),
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
}


@functools.cache
def parse(suffix: str, text: str) -> None:
    """Parse a text, once for all the projects that hold it.

    Raises:
        ValueError: Its syntax is wrong; SyntaxError or YAMLError for Python and YAML.
    """
    PARSERS[suffix](text)


@functools.cache
def scars_of(file: str, text: str) -> list[str]:
    """Return the traces that Jinja's blocks left in the white space of a text."""
    scars = {
        "ends without a newline": bool(text) and not text.endswith("\n"),
        "ends with a blank line": text.endswith("\n\n"),
        "starts with a blank line": text.startswith("\n"),
        "has trailing blanks": bool(re.search(r"[ \t]$", text, re.MULTILINE)),
        # Ruff checks Python, and the examples in documents look the same.
        "has two blank lines": "\n\n\n" in re.sub(r"```python.*?```", "-", text, flags=re.DOTALL)
        and not file.endswith((".py", ".mako", ".jinja")),
    }
    return [f"{file} {scar}" for scar, is_there in scars.items() if is_there]


_clean: set[str] = set()


def check_with_ruff(project: Project) -> None:
    """Run the formatter and the linter, once for all the projects of the same Python."""
    digest = hashlib.sha256()
    for file, text in project.texts:
        if file.endswith((".py", ".toml")):
            digest.update(f"{file}\0{text.partition('[tool.cookiecutter]')[0]}\0".encode())
    if digest.hexdigest() not in _clean:
        run("ruff", "format", "--no-cache", "--check", ".", cwd=project.path)
        run("ruff", "check", "--no-cache", ".", cwd=project.path)
        _clean.add(digest.hexdigest())


def test_nothing_is_left_unrendered(project: Project) -> None:
    for file, text in project.texts:
        rendered = GITHUB_EXPRESSION.sub("", text).replace("[tool.cookiecutter]", "")

        for scar in ("{{", "{%", "{#", "cookiecutter"):
            assert scar not in rendered, f"{scar} in {file}"


def test_files_are_those_of_the_answers(project: Project) -> None:
    assert set(project.files()) == expected_files(project.context)


def test_no_folder_is_empty(project: Project) -> None:
    empty = [path for path in project.path.rglob("*") if path.is_dir() and not any(path.iterdir())]

    assert not empty


def test_no_word_of_another_choice_is_left(project: Project) -> None:
    written = [
        f"{file}\n{text.partition('[tool.cookiecutter]')[0]}" for file, text in project.texts
    ]
    everything = "\0".join(written)
    for option, choices in CHOICES.items():
        own = set(TRACES[option][project.context[option]])
        for choice in choices:
            for word in set(TRACES[option][choice]) - own:
                if word in everything:
                    file = next(text.partition("\n")[0] for text in written if word in text)
                    pytest.fail(f"{word} ({option}={choice}) in {file}", pytrace=False)


def test_every_file_parses(project: Project) -> None:
    parsed = [
        parse(suffix, text)
        for file, text in project.texts
        if (suffix := Path(file).suffix) in PARSERS
    ]

    assert len(parsed) > 10


def test_text_has_no_scars(project: Project) -> None:
    assert not [scar for file, text in project.texts for scar in scars_of(file, text)]


def test_ruff_finds_nothing(project: Project) -> None:
    check_with_ruff(project)


@pytest.mark.slow
def test_own_checks_pass(
    project: Project, workshop: Workshop, request: pytest.FixtureRequest
) -> None:
    result = workshop.own_checks_once(project, request.node.callspec.id)

    output, planned = result["output"], plan(project)
    assert "All checks passed!" in output
    assert re.search(r"Success: no issues found in \d+ source files", output)
    assert re.search(r"Contracts: \d+ kept, 0 broken", output)
    assert "No dependency issues found" in output
    assert len(result["passed"]) == planned.tests + planned.server_tests
    assert all(passed > 10 for passed in result["passed"])
    assert ("Required test coverage of 85.0% reached" in output) == planned.coverage
    if os.environ.get("NO_SKIPS"):
        assert not re.search(r"\d+ skipped", output)
    validate(result["openapi"])
    # A project with the name of one of these would depend on itself.
    assert set(result["packages"]) <= packages_refused_as_slugs()

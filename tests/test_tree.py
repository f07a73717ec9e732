"""The template's own sources: valid Python and TOML as they stand, the same rules twice."""

import ast
import tomllib
from pathlib import Path

import pytest
from template import CHOICES, ROOT, TREE, Bake, answers_with, default_answers, hook_constants, run

TRACES = tomllib.loads((ROOT / "tests" / "traces.toml").read_text())


def test_tree_is_valid_python_and_toml() -> None:
    python = [ast.parse(path.read_text()) for path in TREE.rglob("*.py")]
    tables = [tomllib.loads(path.read_text()) for path in TREE.rglob("*.toml")]

    assert len(python) > 10
    assert tables


def test_tree_is_clean_as_it_stands() -> None:
    rules = ("--select", "E,F,UP,B,PL,SIM,RET", "--ignore", "E501,F601,F811,PLR2004")

    run("ruff", "check", "--no-cache", "--isolated", *rules, str(TREE), cwd=ROOT)


def test_conditionals_are_one_level_deep() -> None:
    for path in (path for path in TREE.rglob("*") if path.is_file()):
        depth = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            depth += line.strip().startswith("# {% if")
            depth -= line.strip().startswith("# {% endif")
            assert 0 <= depth <= 1, f"{path}: {line}"


def test_every_path_of_keep_if_exists(bake: Bake) -> None:
    rows = hook_constants(bake(**default_answers()).context)["KEEP_IF"]

    assert rows
    for path in rows:
        assert (TREE / path).exists(), path


def test_every_choice_has_a_row_of_traces() -> None:
    assert {key: set(row) for key, row in TRACES.items()} == {
        key: set(choices) for key, choices in CHOICES.items()
    }


def test_every_word_of_a_choice_stands_in_its_project(bake: Bake) -> None:
    for option, rows in TRACES.items():
        for choice, words in rows.items():
            project = bake(**answers_with(**{option: choice}))
            text = "\n".join(f"{file}\n{content}" for file, content in project.texts)
            for word in words:
                assert word in text, f"{option}={choice}: {word}"


def test_default_project_holds_the_listed_files(bake: Bake) -> None:
    listed = (ROOT / "tests" / "golden" / "default.txt").read_text().splitlines()

    assert bake(**default_answers()).files() == listed


def test_same_answers_give_the_same_bytes(bake: Bake, tmp_path: Path) -> None:
    from template import cookiecutter  # noqa: PLC0415

    cookiecutter(tmp_path, **default_answers())
    again = {path for path in (tmp_path / "my-service").rglob("*") if path.is_file()}

    project = bake(**default_answers())
    assert {
        path.relative_to(tmp_path / "my-service").as_posix(): path.read_bytes() for path in again
    } == {file: (project.path / file).read_bytes() for file in project.files()}


def definitions(source: Path) -> dict[str, str]:
    """Return the syntax tree of every top-level class, function and constant, by name."""
    found = {}
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = ast.dump(node)
        elif isinstance(node, ast.Assign):
            found[ast.unparse(node.targets[0])] = ast.dump(node)
    found.pop("__all__", None)
    return found


@pytest.mark.parametrize(
    ("flat", "modular"),
    [
        pytest.param("models.py", ["models/items.py"], id="models"),
        pytest.param("schemas.py", ["schemas/items.py"], id="schemas"),
        pytest.param("items.py", ["services/items.py", "api/items.py"], id="rules and routes"),
        pytest.param(
            "quotes.py",
            ["schemas/quotes.py", "services/quotes.py", "api/quotes.py"],
            id="all about quotes",
        ),
    ],
)
def test_both_structures_hold_the_same_code(flat: str, modular: list[str]) -> None:
    in_modular: dict[str, str] = {}
    for file in modular:
        in_modular |= definitions(TREE / "app" / file)

    assert definitions(TREE / "app" / flat) == in_modular


def test_workflows_of_projects_are_the_same_in_the_template() -> None:
    """The template button cannot create or change workflows, only delete them."""
    workflows = list((TREE / ".github" / "workflows").iterdir())

    assert workflows
    for path in workflows:
        assert (ROOT / ".github" / "workflows" / path.name).read_bytes() == path.read_bytes()

"""The documents say what is."""

import re
import tomllib
from pathlib import Path

import pytest
from template import CHOICES, QUESTIONS, ROOT, Bake, answers_with, default_answers

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def broken_links(document: Path) -> list[str]:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    return [link for link in links if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    assert not broken_links(document)


def test_links_of_a_project_lead_somewhere(bake: Bake) -> None:
    assert not [
        b for doc in bake(**default_answers()).path.rglob("*.md") for b in broken_links(doc)
    ]


def test_options_page_lists_every_key_and_choice_in_order() -> None:
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE))

    assert list(rows) == [key for key in QUESTIONS if not key.startswith("_")]
    for key, choices in CHOICES.items():
        assert re.findall(r"`([^`]+)`", rows[key]) == choices


def test_decisions_are_all_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))

    assert listed == sorted(path.name for path in folder.glob("0*.md"))


@pytest.mark.parametrize("database", CHOICES["database"])
@pytest.mark.parametrize("structure", CHOICES["structure"])
def test_readme_of_a_project_names_files_that_exist(
    bake: Bake, structure: str, database: str
) -> None:
    project = bake(**answers_with(structure=structure, database=database))
    layout = (project.path / "README.md").read_text(encoding="utf-8").split("```")
    named = [
        line.split()[0]
        for block in layout
        for line in block.splitlines()
        if line[:4] in {"app/", "test"}
    ]

    assert len(named) > 5
    for path in named:
        assert (project.path / path).exists(), path


def test_readme_of_a_project_lists_its_make_targets(bake: Bake) -> None:
    project = bake(**default_answers())
    targets = set(re.findall(r"^([\w-]+):", (project.path / "Makefile").read_text(), re.MULTILINE))
    named = set(
        re.findall(r"`make ([\w-]+)", (project.path / "README.md").read_text(encoding="utf-8"))
    )

    assert named <= targets
    assert targets - named <= {"help"}


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## \[([\d.]+)\]", changelog, re.MULTILINE)[:1] in ([], [version])

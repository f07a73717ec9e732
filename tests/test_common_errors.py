"""docs/common-errors/ of a generated project: its headings are the messages of the libraries."""

import json
import re

import pytest
from servers import database_server
from template import ROOT, Bake, answers_with, run
from workshop import Workshop

pytestmark = pytest.mark.slow

REPRODUCTIONS = sorted((ROOT / "tests" / "errors").glob("[!r]*.py"))
# Together they have every page.
PROJECTS = [
    answers_with(),
    answers_with(database="mysql", auth="oauth2", migrations="no"),
    answers_with(database="sqlite", auth="api_key"),
    answers_with(database="none", auth="none", structure="flat"),
]


def read_pages(bake: Bake, answers: dict[str, str]) -> str:
    pages = sorted((bake(**answers).path / "docs" / "common-errors").glob("*.md"))
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def headings_of(pages: str) -> set[str]:
    """Return the messages in the headings of entries."""
    return set(re.findall(r"^##+ `([^`\n]+)`", pages, re.MULTILINE))


def is_part_of(heading: str, message: str) -> bool:
    """Return whether a heading, with `…` for what differs, occurs in a message."""
    return bool(re.search(".+".join(map(re.escape, heading.split("…"))), message))


def test_headings_are_messages(bake: Bake, workshop: Workshop) -> None:
    project = bake(**PROJECTS[0])
    copy = workshop.copy(project)
    variables = workshop.variables(project) | {
        "POSTGRESQL_URL": f"{database_server('postgresql')}/postgres",
        "MYSQL_URL": f"{database_server('mysql')}/mysql",
    }
    run("uv", "sync", cwd=copy, **variables)
    command = ("uv", "run", "--with", "asyncmy", "python", REPRODUCTIONS[0].parent / "run.py")
    output = run(*command, *REPRODUCTIONS, cwd=copy, **variables)
    messages = json.loads(output[output.index("{") :].splitlines()[0])

    headings = set().union(*(headings_of(read_pages(bake, answers)) for answers in PROJECTS))
    assert not [h for h in headings if not any(is_part_of(h, m) for m in messages.values())]
    unused = {
        name: message
        for name, message in messages.items()
        if not any(is_part_of(heading, message) for heading in headings)
    }
    assert not unused


@pytest.mark.parametrize("answers", PROJECTS, ids=lambda answers: answers["database"])
def test_entries_are_short_and_link_an_official_page(bake: Bake, answers: dict[str, str]) -> None:
    pages = read_pages(bake, answers)
    entries = re.split(r"^#+ ", pages, flags=re.MULTILINE)
    entries = [entry for entry in entries if entry.startswith("`")]

    assert len(entries) >= 25
    for entry in entries:
        heading, *lines = entry.strip().splitlines()
        assert re.search(r"\]\(https://[^)]+\)", entry), heading
        assert len(lines) <= 5, heading

"""The documents say what is."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from own_servers import BINARIES
from servers import ask, fresh_database
from template import (
    ALONE,
    CHOICES,
    QUESTIONS,
    ROOT,
    RUNNING_PYTHON,
    Bake,
    answers_with,
    combinations,
    run,
)
from test_run import free_port
from workshop import Workshop

# Variables of tools, not of the service.
OTHER_VARIABLES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "JOBS_BROKER_URL",
    "REDIS_CONF",
    "SENTRY_DSN",
    "TEST_DATABASE_URL",
    "UV_PYTHON_INSTALL_DIR",
}
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def broken_links(document: Path) -> list[str]:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    return [link for link in links if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    assert not broken_links(document)


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


# One project for each choice that changes documents, and three that differ in several.
OPTIONS = [key for key in CHOICES if key not in ALONE]
PROJECTS = {
    "-".join(answers[key] for key in OPTIONS): answers
    for answers in [
        *(answers_with(**{key: choice}) for key in OPTIONS for choice in CHOICES[key]),
        answers_with(structure="flat", auth="none", database="none"),
        answers_with(structure="flat", auth="api_key", database="none"),
        answers_with(structure="flat", auth="api_key", database="mysql"),
    ]
}
# Documents describe how to create these.
CREATED = re.compile(
    r"parcels|local\.db|secrets/|backups/|\.postgresql|uv\.lock|requirements\.txt|contact\.py|"
    r"app/core/(?:dependencies|server|echo)\.py|app/(?:jobs|admin)\.py"
)


@pytest.fixture(scope="module", params=PROJECTS)
def documented(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return bake(**PROJECTS[request.param]).path


def list_documents(project: Path) -> list[Path]:
    return [*sorted(project.glob("*.md")), *sorted((project / "docs").glob("*.md"))]


def read_documents(project: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in list_documents(project))


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub writes them."""
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_of_a_project_lead_somewhere(documented: Path) -> None:
    for page in list_documents(documented):
        assert not broken_links(page)
        links = re.findall(r"\]\(([^):#]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
        assert not [
            (page.name, link, anchor)
            for link, anchor in links
            if anchor not in anchors(page.parent / link if link else page)
        ]


def find_definition(tree: ast.AST, name: str) -> ast.AST | None:
    definitions = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, definitions) and node.name == name:
            return node
    return None


def test_tests_in_documents_of_a_project_exist(documented: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", read_documents(documented))

    assert len(named) > 20
    for path, test in named:
        node: ast.AST | None = ast.parse((documented / path).read_text(encoding="utf-8"))
        for name in test.split("::"):
            node = find_definition(node, name) if node else None
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), f"{path}::{test}"


def read_rows(page: Path) -> list[list[str]]:
    """Return the cells of the rows of all tables, without the heads."""
    text = re.sub(r"^\|.*\n\|( --- \|)+\n", "", page.read_text("utf-8"), flags=re.MULTILINE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_production_checklist_names_how_to_verify_each_item(documented: Path) -> None:
    rows = read_rows(documented / "docs" / "production-checklist.md")

    assert len(rows) >= 40
    assert all(len(row) == 3 and all(row) and row[2] in ("done", "you") for row in rows)
    # What the project does can be looked up in it.
    assert not [row for row in rows if row[2] == "done" and not re.search(r"`|\]\(", row[1])]
    assert len({row[0] for row in rows}) == len(rows)


def test_security_checklist_covers_both_lists(documented: Path) -> None:
    rows = read_rows(documented / "docs" / "security-checklist.md")

    risks = [row[0].split()[0] for row in rows if row[0] and row[0] != "(A10 SSRF)"]
    assert risks == [f"A{n:02}" for n in range(1, 11)] + [f"API{n}" for n in range(1, 11)]
    assert all(len(row) == 4 and row[1] for row in rows)


def test_files_in_checklists_exist(documented: Path) -> None:
    text = "".join(
        (documented / "docs" / f"{name}-checklist.md").read_text("utf-8")
        for name in ("production", "security")
    )

    named = re.findall(
        r"`(\.?[\w-]+(?:[./][\w-]+)*\.(?:example|json|md|py|toml|ya?ml)|\.\w+ignore)`", text
    )
    assert len(named) > 5
    assert [name for name in named if not (documented / name).exists()] in ([], ["SECURITY.md"])


def test_every_page_of_a_project_is_linked(documented: Path) -> None:
    readme = (documented / "README.md").read_text(encoding="utf-8")

    pages = {path.name for path in (documented / "docs").glob("*.md")}
    pages.add("common-errors/README.md")  # it names its folder, whose pages are for searching
    assert set(re.findall(r"\]\(docs/([^)]+)\)", readme)) == pages


def test_readme_has_at_most_100_lines(documented: Path) -> None:
    assert len((documented / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_paths_in_documents_of_a_project_exist(documented: Path) -> None:
    named = re.findall(
        r"(?:^|[`( ])((?:app|tests|docs|deploy|docker|provider|\.github)/[\w./-]*)",
        read_documents(documented),
        re.MULTILINE,
    )

    assert len(named) > 10
    missing = [p for p in named if not CREATED.search(p) and not (documented / p).exists()]
    assert not missing


def test_make_targets_in_documents_of_a_project_exist(documented: Path) -> None:
    makefile = (documented / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))

    commands = re.findall(
        r"(?:^|`|&& )make ((?:[a-z-]+(?![=\w]) ?)+)", read_documents(documented), re.MULTILINE
    )
    named = {target for command in commands for target in command.split()}
    assert named >= {"setup", "dev", "test"}
    assert named <= targets


def test_commands_in_documents_of_a_project_exist(documented: Path) -> None:
    sources = "\n".join(path.read_text() for path in (documented / "app" / "cli").glob("*.py"))

    text = read_documents(documented)
    for command in set(re.findall(r"uv run manage ([a-z-]+)", text)):
        assert re.search(rf'def {command.replace("-", "_")}\(|"{command}"', sources), command


def test_settings_and_constants_in_documents_exist(documented: Path) -> None:
    example = (documented / ".env.example").read_text(encoding="utf-8")
    settings = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    sources = "\n".join(path.read_text() for path in (documented / "app").rglob("*.py"))
    constants = set(re.findall(r"^([A-Z_]+)(?:: [^=]+)? = ", sources, re.MULTILINE))
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", read_documents(documented)))
    codes = set(re.findall(r"^\| `([A-Z_]+)` \|", read_documents(documented), re.MULTILINE))
    assert named - settings - constants - codes <= OTHER_VARIABLES


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "modular-jwt-docker-postgresql-yes",
        "flat-none-docker-none-yes",
        "flat-api_key-docker-none-yes",
        "flat-api_key-docker-mysql-yes",
    ],
)
def test_quick_start_of_readme_works(
    bake: Bake, workshop: Workshop, tmp_path: Path, name: str
) -> None:
    project = workshop.copy(bake(**PROJECTS[name]))
    readme = (project / "README.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"^```sh\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    preparation = [block for block in others if "curl" not in block]
    requests = "\n".join(block for block in others if "curl" in block)
    assert re.findall(r"^make \w+", first, re.MULTILINE) == ["make setup", "make dev"]
    port = str(free_port())
    start = f"""
        set -m
        make dev >{tmp_path}/log 2>&1 &
        trap "kill -- -$!" EXIT
        curl --silent --retry 50 --retry-delay 1 --retry-connrefused http://127.0.0.1:8000/api/v1/health
    """
    script = "\n".join(["set -e", "make setup", *preparation, start, requests])
    (tmp_path / ".curlrc").write_text("fail\nshow-error\n")  # an error response fails the test

    output = run(
        *("bash", "-c", script.replace(":8000", f":{port}")),
        cwd=project,
        CURL_HOME=str(tmp_path),
        PORT=port,
        UV_PROJECT_ENVIRONMENT=str(workshop.path / RUNNING_PYTHON),
        UV_PYTHON=sys.executable,
    )

    assert '"status":"ok"' in output
    assert ('"total":1' if "/items" in requests else '"price":"8.65"') in output


def test_signals_of_the_runbook_are_logged(documented: Path) -> None:
    sources = "\n".join(path.read_text() for path in (documented / "app").rglob("*.py"))
    runbook = (documented / "docs" / "runbook.md").read_text(encoding="utf-8")

    events = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", runbook))
    assert {"not_ready", "unhandled_exception"} <= events
    assert not [event for event in events if event not in sources]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mysql", "sqlite"])
def test_restore_of_documentation_copies_the_data(bake: Bake, tmp_path: Path, kind: str) -> None:
    project = bake(**answers_with(database=kind, deployment="systemd")).path
    page = (project / "docs" / f"{kind}.md").read_text(encoding="utf-8")
    section = page.partition("## Back up and restore")[2]
    script = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)[0]
    if kind == "sqlite":
        ask(f"sqlite:///{tmp_path}/app.db", "CREATE TABLE rows AS SELECT 7 AS number")
        assert run("bash", "-ec", script, cwd=tmp_path).strip() == "ok"
        assert ask(f"sqlite:///{tmp_path}/copy.db", "SELECT number FROM rows") == ["7"]
        return

    with fresh_database(kind) as source, fresh_database(kind) as target:
        ask(source, "CREATE TABLE numbers AS SELECT 7 AS number")
        names = {"app": source.rpartition("/")[2], "restored": target.rpartition("/")[2]}
        ask(source, f"DROP DATABASE {names['restored']}")  # the script creates it
        server = urlsplit(source)
        script = script.replace("--owner=app", f"--owner={server.username}")
        script = re.sub(r"\b(app|restored)\b(?!\.)", lambda match: names[match[0]], script)
        account = f"[client]\nhost={server.hostname}\nuser={server.username}\n"
        (tmp_path / ".my.cnf").write_text(f"{account}port={server.port}\nprotocol=tcp\n")
        run(
            *("bash", "-ec", f"PATH={BINARIES}:$PATH; {script}"),
            cwd=tmp_path,
            HOME=str(tmp_path),
            SERVER=source.rpartition("/")[0],
        )

        assert ask(target, "SELECT number FROM numbers") == ["7"]


def test_readme_gives_the_number_of_combinations() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"all {len(list(combinations()))} combinations" in readme


def test_readme_starts_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    first = re.findall(r"^```sh\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)[0]
    assert re.findall(r"^make \w+", first, re.MULTILINE) == ["make demo", "make test"]


def test_make_targets_of_the_template_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        target
        for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))
    }

    of_projects = {"update", "setup", "test-server", "resource", "remove-sample"}
    assert named - of_projects <= set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## \[([\d.]+)\]", changelog, re.MULTILINE)[:1] in ([], [version])

"""Mutations: one defect of each kind is put into a copy of the template, and a named test fails."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from template import ROOT, run
from test_update import copy_of_the_template
from workshop import Workshop

TREE = "{{cookiecutter.project_slug}}"


@dataclass(frozen=True)
class Mutation:
    """A text in a file, its replacement, and the test that must fail."""

    file: str
    old: str
    new: str
    noticed_by: str


MUTATIONS = {
    "an expression is left unrendered": Mutation(
        f"{TREE}/Makefile",
        "help: ##",
        "{{ '{' }}{ leftover }{{ '}' }}: ##",
        "test_combinations.py::test_nothing_is_left_unrendered[flat-none-none-none-no_migrations]",
    ),
    "a row of KEEP_IF is missing": Mutation(
        "hooks/post_gen_project.py",
        '    "app/services": MODULAR,\n',
        "",
        "test_combinations.py::test_no_word_of_another_choice_is_left[flat-none-none-none-no_migrations]",
    ),
    "a row of KEEP_IF has the wrong condition": Mutation(
        "hooks/post_gen_project.py",
        '"app/models.py": not MODULAR and SQL',
        '"app/models.py": MODULAR and SQL',
        "test_tree.py::test_default_project_holds_the_listed_files",
    ),
    "a row of KEEP_IF names no file": Mutation(
        "hooks/post_gen_project.py",
        "KEEP_IF = {\n",
        'KEEP_IF = {\n    "app/gone.py": True,\n',
        "test_tree.py::test_every_path_of_keep_if_exists",
    ),
    "a word of another choice leaks": Mutation(
        f"{TREE}/app/main.py",
        '"""The application factory',
        '"""See app/services. The application factory',
        "test_combinations.py::test_no_word_of_another_choice_is_left[flat-none-none-none-no_migrations]",
    ),
    "a choice has no row of traces": Mutation(
        "cookiecutter.json",
        '"vercel", "none"]',
        '"vercel", "none", "moon"]',
        "test_tree.py::test_every_choice_has_a_row_of_traces",
    ),
    "a dependency is not used": Mutation(
        f"{TREE}/pyproject.toml",
        '    "click>=8.5",\n',
        '    "click>=8.5",\n    "anyio>=4.16",\n',
        "test_combinations.py::test_own_checks_pass[flat-none-none-none-no_migrations]",
    ),
    "a dependency is not declared": Mutation(
        f"{TREE}/pyproject.toml",
        '    "pydantic-settings>=2.16",\n',
        "",
        "test_combinations.py::test_own_checks_pass[flat-none-none-none-no_migrations]",
    ),
    "a file is not formatted": Mutation(
        f"{TREE}/app/core/health.py",
        'status: Literal["ok"] = "ok"',
        'status: Literal["ok"]   =   "ok"',
        "test_combinations.py::test_ruff_finds_nothing[flat-none-none-none-no_migrations]",
    ),
    "a blank line too many": Mutation(
        f"{TREE}/README.md",
        "## Configuration\n",
        "\n\n## Configuration\n",
        "test_combinations.py::test_text_has_no_scars[flat-none-none-none-no_migrations]",
    ),
    "a type is wrong": Mutation(
        f"{TREE}/app/core/health.py",
        "async def get_health() -> Health:",
        "async def get_health() -> int:",
        "test_combinations.py::test_own_checks_pass[flat-none-none-none-no_migrations]",
    ),
    "an import goes up": Mutation(
        f"{TREE}/app/core/health.py",
        "from app.core.errors import",
        "from app import schemas as schemas\nfrom app.core.errors import",
        "test_combinations.py::test_own_checks_pass[flat-none-none-none-no_migrations]",
    ),
    "a generated test fails": Mutation(
        f"{TREE}/tests/unit/test_quotes.py",
        '(1, False, "4.90")',
        '(1, False, "4.91")',
        "test_combinations.py::test_own_checks_pass[flat-none-none-none-no_migrations]",
    ),
    "the structures differ": Mutation(
        f"{TREE}/app/quotes.py",
        'Decimal("4.90")',
        'Decimal("4.80")',
        "test_tree.py::test_both_structures_hold_the_same_code[all about quotes]",
    ),
    "a test bakes with an unknown key": Mutation(
        "tests/test_tree.py",
        'listed = (ROOT / "tests"',
        'bake(databse="none")\n    listed = (ROOT / "tests"',
        "test_tree.py::test_default_project_holds_the_listed_files",
    ),
    "a pin of an action is loose": Mutation(
        f"{TREE}/.github/workflows/ci.yml",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "actions/checkout@v7",
        "test_workflows.py::test_zizmor_finds_nothing[project]",
    ),
    "the image runs as root": Mutation(
        f"{TREE}/Dockerfile",
        "USER 10001:10001\n",
        "",
        "test_docker.py::test_image_runs_as_a_numeric_user_and_checks_its_health[modular-none-docker-none-migrations]",
    ),
    "the image is built from all that is there": Mutation(
        f"{TREE}/.dockerignore",
        "\n*\n",
        "\n",
        "test_docker.py::test_context_holds_what_is_copied_and_no_secret[modular-none-docker-none-migrations]",
    ),
    "a container keeps its capabilities": Mutation(
        f"{TREE}/compose.yaml",
        "  cap_drop: [ALL]\n",
        "",
        "test_compose.py::test_every_service_is_hardened[modular-none-docker-none-migrations]",
    ),
    "a server is published": Mutation(
        "templates/compose/redis.yaml",
        "    image: redis",
        '    ports: ["6379:6379"]\n    image: redis',
        "test_compose.py::test_only_the_service_is_published_and_on_loopback[modular-api_key-docker-none-migrations]",
    ),
    "requests get no time to finish": Mutation(
        f"{TREE}/compose.yaml",
        "stop_grace_period: 30s",
        "stop_grace_period: 25s",
        "test_compose.py::test_stop_leaves_time_to_finish_requests[modular-none-docker-none-migrations]",
    ),
    "secrets are made anew each time": Mutation(
        f"{TREE}/docker/secrets.sh",
        'if [ ! -e "secrets/$1" ]; then',
        "if true; then",
        "test_compose.py::test_secrets_are_made_once_and_are_those_of_compose[modular-api_key-docker-none-migrations]",
    ),
    "the slug is not checked": Mutation(
        "hooks/pre_gen_project.py",
        "or set(SLUG) - set(SLUG_CHARACTERS)",
        "",
        "test_answers.py::test_bad_answer_is_refused_in_one_line[slug with a capital]",
    ),
    "text is not escaped": Mutation(
        f"{TREE}/pyproject.toml",
        'description = "{{ cookiecutter.__description }}"',
        'description = "{{ cookiecutter.__description_text }}"',
        "test_answers.py::test_hostile_text_gives_a_working_project[double quotes]",
    ),
}


@pytest.fixture
def breaking(tmp_path: Path, workshop: Workshop) -> Callable[[Mutation], str]:
    """Return a function that runs a mutation's test in a copy and returns pytest's output."""

    def breaking(mutation: Mutation) -> str:
        copy = copy_of_the_template(tmp_path / "template")
        source = (copy / mutation.file).read_text()
        (copy / mutation.file).write_text(source.replace(mutation.old, mutation.new))
        # pytest exits with 1 if tests failed; any other status is an error here.
        code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]) != 1)"
        test = f"tests/{mutation.noticed_by}"
        return run(
            *(sys.executable, "-c", code, "-q", "--tb=line", test),
            cwd=copy,
            WORKSHOP=str(workshop.path),
        )

    return breaking


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_applies_to_the_sources(mutation: Mutation) -> None:
    assert mutation.old in (ROOT / mutation.file).read_text()
    assert (ROOT / "tests" / mutation.noticed_by.partition("::")[0]).exists()


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_is_noticed(mutation: Mutation, breaking: Callable[[Mutation], str]) -> None:
    output = breaking(mutation)

    assert f"FAILED tests/{mutation.noticed_by}" in output
    assert "1 failed" in output


@pytest.mark.slow
def test_an_unbroken_copy_passes(breaking: Callable[[Mutation], str]) -> None:
    listed = "test_tree.py::test_default_project_holds_the_listed_files"
    unbroken = Mutation("README.md", "", "", listed)

    with pytest.raises(pytest.fail.Exception, match="passed"):
        breaking(unbroken)

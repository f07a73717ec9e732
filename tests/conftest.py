"""Fixtures of the suite: baked projects and where to run them.

A test that takes `project` runs on every combination of answers, or with `--quick` on one of the
combinations that share the same code. A test that takes `bake` bakes what it needs.
"""

import functools
import shutil
from typing import Any

import binaryornot.check
import pytest
from cookiecutter.environment import StrictEnvironment
from selection import linted
from servers import stop_postgresql
from template import Bake, Project, checked, combinations, one_of_each_code, scope_of, shard
from workshop import RUNS, Workshop, report, workshop_of
from xdist.scheduler import LoadScopeScheduling

OWN_CHECKS = "test_own_checks_pass"
compile_source = StrictEnvironment.compile
compiled: dict[object, Any] = {}


def compile_once(environment: StrictEnvironment, *arguments: Any) -> Any:  # noqa: ANN401 Jinja's
    """Compile a source once for all bakes, whose environments are alike: four fifths of a bake."""
    if arguments not in compiled:
        compiled[arguments] = compile_source(environment, *arguments)
    return compiled[arguments]


StrictEnvironment.compile = compile_once  # type: ignore[method-assign]
# Cookiecutter asks for each file of each bake, which takes longer than to render it.
binaryornot.check.is_binary_string = functools.cache(binaryornot.check.is_binary_string)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="one combination for each code")
    parser.addoption("--shard", default="1/1", help="run one part of the tests, for example 2/3")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(RUNS, ignore_errors=True)
        RUNS.mkdir(parents=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        stop_postgresql()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `project` on the combinations; the own checks on a part of them."""
    if "project" in metafunc.fixturenames:
        chosen = one_of_each_code() if metafunc.config.getoption("quick") else combinations()
        if metafunc.function.__name__ == OWN_CHECKS:
            chosen = linted()
        parameters = [pytest.param(answers, id=name) for name, answers in chosen]
        metafunc.parametrize("project", parameters, indirect=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in report():
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the shard, the slow ones first: a run ends with many short ones.

    The workers receive the scopes with the most tests first, then in this order.
    """
    kept = shard([item.nodeid for item in items], config.getoption("shard"))
    items[:] = [item for item in items if item.nodeid in kept]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class OneWorkerEach(LoadScopeScheduling):
    """Gives one worker the tests of one scope.

    It does not use marks, because pytest 9.2 cannot read what pytest-xdist 3.8 makes of its
    `xdist_group`.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401
    return OneWorkerEach(config, log)


@pytest.fixture(scope="session")
def bake(cookies_session: Any) -> Bake:  # noqa: ANN401 pytest-cookies has no types
    """Bake a project, once for each set of answers; an unknown question is an error."""

    @functools.cache
    def bake_once(answers: frozenset[tuple[str, str]]) -> Project:
        result = cookies_session.bake(extra_context=dict(answers))
        assert result.exception is None, result.exception
        return Project(result.project_path, dict(answers), result.context)

    return lambda **answers: bake_once(frozenset(checked(answers).items()))


@pytest.fixture(scope="session")
def project(bake: Bake, request: pytest.FixtureRequest) -> Project:
    """One combination, baked."""
    return bake(**request.param)


@pytest.fixture(scope="session")
def workshop(worker_id: str) -> Workshop:
    """Where this worker runs projects."""
    return workshop_of(worker_id)

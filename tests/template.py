"""What the template offers, read from its own files: no list is kept twice."""

import ast
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cookiecutter.environment import StrictEnvironment

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "{{cookiecutter.project_slug}}"
CACHE = ROOT / ".cache"
RUNNING_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text())
CHOICES: dict[str, list[str]] = {
    key: value
    for key, value in QUESTIONS.items()
    if isinstance(value, list) and not key.startswith("_")
}
# These change no code, so they are varied one at a time, on the default project.
ALONE = ("license", "python_version")

Answers = Mapping[str, str]


@cache
def _hook(name: str) -> str:
    return (ROOT / "hooks" / f"{name}.py").read_text()


@cache
def _constant_of_pre_gen(name: str) -> Any:  # noqa: ANN401 whatever the constant holds
    (value,) = (
        node.value
        for node in ast.parse(_hook("pre_gen_project")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return eval(ast.unparse(value), {})  # noqa: S307 our own hook


def is_refused(answers: Answers) -> bool:
    """Return whether the hook's table REFUSED names these answers."""
    return any(refused.items() <= answers.items() for refused, _ in _constant_of_pre_gen("REFUSED"))


def packages_refused_as_slugs() -> frozenset[str]:
    """Return the hook's PACKAGES."""
    return _constant_of_pre_gen("PACKAGES")


def default_answers() -> dict[str, str]:
    """Return the first choice of each option, with the Python that runs the tests."""
    return {key: choices[0] for key, choices in CHOICES.items()} | {
        "python_version": RUNNING_PYTHON
    }


def answers_with(**wanted: str) -> dict[str, str]:
    """Return the default answers but for these, and for one more where that would be refused."""
    answers = default_answers() | wanted
    if not is_refused(answers):
        return answers
    others = ({key: choice} for key in CHOICES if key not in wanted for choice in CHOICES[key])
    return next(found for other in others if not is_refused(found := answers | other))


def combinations() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a readable id and the answers of every combination, the refused ones left out."""
    crossed = {key: choices for key, choices in CHOICES.items() if key not in ALONE}
    for values in itertools.product(*crossed.values()):
        said = {key: {"yes": key, "no": f"no_{key}"} for key in crossed}
        names = [said[key].get(value, value) for key, value in zip(crossed, values, strict=True)]
        answers = default_answers() | dict(zip(crossed, values, strict=True))
        if not is_refused(answers):
            yield "-".join(names), answers
    for key in ALONE:
        for value in CHOICES[key]:
            if value != default_answers()[key]:
                yield f"default-{value}", default_answers() | {key: value}


def picked_combinations() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield different combinations until each choice has occurred.

    Unlike in `combinations`, the choices of ALONE change together with the others.
    """
    missing = {(key, choice) for key, choices in CHOICES.items() for choice in choices}
    everything = list(itertools.takewhile(lambda found: not is_alone(found[0]), combinations()))
    count = 0
    for name, answers in random.Random(1).sample(everything, len(everything)):  # noqa: S311 no secret
        alone = {key: CHOICES[key][count % len(CHOICES[key])] for key in ALONE}
        picked = answers | alone
        if missing & picked.items():
            missing -= picked.items()
            count += 1
            yield name, picked


def is_alone(name: str) -> bool:
    """Return whether the combination varies an option that changes no code."""
    return name.startswith("default-")


def code_options(answers: Answers) -> dict[str, str]:
    """Return the answers that change the code, without the Python version."""
    options = {key: answers[key] for key in ("structure", "auth", "database", "migrations")}
    # What starts the processes: the service's own command, or a platform.
    has_server = answers["deployment"] not in ("vercel", "none")
    return options | {"server": "server" if has_server else "no_server"}


def code_of(answers: Answers) -> str:
    """Return a name for the code that these answers give: what does not change it is left out."""
    options = code_options(answers)
    if answers["database"] == "none":
        del options["migrations"]
    return "-".join([answers["python_version"], *options.values()])


@cache
def _codes() -> dict[str, str]:
    return {name: code_of(answers) for name, answers in combinations()}


def scope_of(nodeid: str) -> str:
    """Return a name for the tests that one worker should run.

    They would wait for each other or start the same thing twice: the combinations of equal code,
    and the tests of a kit on one database.
    """
    file, _, rest = nodeid.partition("::")
    parameters = rest.partition("[")[2].removesuffix("]")
    if "kits/" in file:
        named = set(parameters.split("-"))
        return f"{file} {next((d for d in CHOICES['database'] if d in named), '')}"
    return _codes().get(parameters, nodeid)


def shard(nodeids: Iterable[str], part: str) -> set[str]:
    """Return one part of the tests, such as 2/3. The parts do not share a scope."""
    number, count = map(int, part.split("/"))
    scopes: dict[str, list[str]] = {}
    for nodeid in nodeids:
        scopes.setdefault(scope_of(nodeid), []).append(nodeid)
    return set(itertools.chain(*list(scopes.values())[number - 1 :: count]))


def one_of_each_code() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield one combination for each code, and each time with another of the other choices."""
    groups: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for name, answers in combinations():
        groups.setdefault(code_of(answers), []).append((name, answers))
    for number, group in enumerate(groups.values()):
        yield group[number % len(group)]


def checked(answers: Answers) -> dict[str, str]:
    """Return the answers.

    Raises:
        KeyError: An answer has no question; cookiecutter itself would silently ignore it.
        ValueError: An answer is none of its question's choices.
    """
    for key, value in answers.items():
        if key not in QUESTIONS or key.startswith("_"):
            message = f"{key!r} is no question of cookiecutter.json"
            raise KeyError(message)
        if key in CHOICES and value not in CHOICES[key]:
            message = f"{value!r} is no choice of {key}: {CHOICES[key]}"
            raise ValueError(message)
    return dict(answers)


def hook_constants(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constants of the hook, such as KEEP_IF, as these answers decide them."""
    environment = StrictEnvironment(context=context, **context["_jinja2_env_vars"])
    rendered = environment.from_string(_hook("post_gen_project")).render(cookiecutter=context)
    wanted = [
        node
        for node in ast.parse(rendered).body
        if isinstance(node, ast.Assign) and all(t.id != "NEXT_STEPS" for t in node.targets)
    ]
    scope: dict[str, Any] = {}
    exec(compile(ast.Module(wanted, []), "KEEP_IF", "exec"), scope)  # noqa: S102 our own hook
    return scope


def expected_files(context: Mapping[str, Any]) -> set[str]:
    """Return the paths that a project of these answers holds, from the tree and the hook."""
    constants = hook_constants(context)
    dropped = [path for path, keep in constants["KEEP_IF"].items() if not keep]
    files = {
        path.relative_to(TREE).as_posix()
        for path in TREE.rglob("*")
        if path.is_file() and not {"__pycache__", ".ruff_cache", ".mypy_cache"} & {*path.parts}
    }
    kept = {
        file for file in files if not any(file == d or file.startswith(f"{d}/") for d in dropped)
    }
    choice = re.compile(rf"\.({'|'.join(constants['CHOICES'])})(?=\.\w+$)")
    return {choice.sub("", file) for file in kept}


@dataclass(frozen=True)
class Project:
    """A baked project."""

    path: Path
    answers: dict[str, str]
    context: Mapping[str, Any]

    def files(self) -> list[str]:
        """Return the paths of its files."""
        return sorted(
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.is_file()
        )

    @cached_property
    def texts(self) -> list[tuple[str, str]]:
        """The path and the content of each file."""
        return [(file, (self.path / file).read_text(encoding="utf-8")) for file in self.files()]


Bake = Callable[..., Project]


def run(*command: str | Path, cwd: Path, timeout: float = 600, **variables: str) -> str:
    """Run a command, which must succeed, and return what it printed."""
    unwanted = (
        "COV_",
        "COVERAGE_",
        "MAKE",
        "MFLAGS",
        "PYTEST_",
        "VIRTUAL_ENV",
        "PYTHONDONTWRITEBYTECODE",
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)} | variables
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))} → {done.returncode}\n{output}", pytrace=False)
    return output


def cookiecutter(
    output: Path, template: Path = ROOT, *options: str, **answers: str
) -> subprocess.CompletedProcess[str]:
    """Bake as a user does, from the command line; the home folder is a throw-away one."""
    home = output.with_name(f"{output.name}-home")
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [
            *(sys.executable, "-m", "cookiecutter", str(template), "--no-input", *options),
            *("--output-dir", str(output)),
            *(f"{key}={value}" for key, value in checked(answers).items()),
        ],
        env=os.environ | {"HOME": str(home), "USERPROFILE": str(home)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def skip(reason: str) -> NoReturn:
    """Skip for want of something on this machine; a failure where NO_SKIPS is set."""
    if os.environ.get("NO_SKIPS"):
        pytest.fail(f"may not be skipped here: {reason}", pytrace=False)
    pytest.skip(reason)


def interpreter(version: str) -> str | None:
    """Return a Python of this minor version, from PATH or pyenv, if the machine has one."""
    if version == RUNNING_PYTHON:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python")]
    for candidate in filter(None, found):
        code = (
            f"import sys; sys.exit(sys.version_info[:2] != {tuple(map(int, version.split('.')))})"
        )
        if not subprocess.run([candidate, "-c", code], capture_output=True, check=False).returncode:
            return str(candidate)
    return None

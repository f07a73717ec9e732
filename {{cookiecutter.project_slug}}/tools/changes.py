"""Change files of the project: all of them, or none if the command fails or is interrupted."""

import difflib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
COPIED = ("app", "tests", "pyproject.toml", "README.md")

# The content of each changed file before and after; None if it does not exist.
Changes = dict[Path, tuple[str | None, str | None]]


class RefusedError(Exception):
    """The command cannot run; the message is for the person who called it."""


@contextmanager
def copy_project() -> Generator[Path]:
    """Yield a temporary copy of the project, in which commands can be run."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "app", copy / "app", ignore=ignored)
        shutil.copytree(ROOT / "tests", copy / "tests", ignore=ignored)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        yield copy


def run(copy: Path, *command: str, **variables: str) -> None:
    """Run a command of the environment in the copy.

    Raises:
        RefusedError: It fails. Its output is printed.
    """
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(copy)} | variables
    done = subprocess.run(
        [shutil.which(command[0], path=path) or command[0], *command[1:]],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise RefusedError(f"`{' '.join(command[:4])}` failed, nothing was changed")


def tidy(copy: Path) -> None:
    """Sort the imports, remove those that are not used, and format the changed files."""
    files = [str(path) for path, (_, new) in find_changes(copy).items() if new is not None]
    python = [path for path in files if path.endswith(".py")]
    run(copy, "ruff", "check", "--quiet", "--fix-only", *python)
    run(copy, "ruff", "format", "--quiet", *python)
    run(copy, "ruff", "check", "--quiet", *python)


def find_changes(copy: Path) -> Changes:
    """Return the files that differ between the project and the copy."""

    def read(root: Path) -> dict[Path, str]:
        paths = [path for name in COPIED for path in (root / name, *(root / name).rglob("*"))]
        return {
            path.relative_to(root): path.read_text(encoding="utf-8")
            for path in paths
            if path.is_file() and "__pycache__" not in path.parts
        }

    old, new = read(ROOT), read(copy)
    return {
        path: (old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    }


def apply(changes: Changes) -> None:
    """Write the changes into the project, or restore its files if that is interrupted."""
    try:
        for path, (_, new) in changes.items():
            write(ROOT / path, new)
    except BaseException:
        for path, (old, _) in changes.items():
            write(ROOT / path, old)
        raise


def write(path: Path, text: str | None) -> None:
    """Write a file, or delete it and the folders that it leaves empty."""
    if text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if not folder.is_dir() or {entry.name for entry in folder.iterdir()} - {"__pycache__"}:
            return
        shutil.rmtree(folder)


def describe(changes: Changes, *, diff: bool = False) -> str:
    """Return a line for each changed file, with the numbers of its new lines, or the diff."""
    lines: list[str] = []
    for path, (old, new) in changes.items():
        before, after = (old or "").splitlines(), (new or "").splitlines()
        if diff:
            names = ("/dev/null" if old is None else str(path)), str(path)
            lines += difflib.unified_diff(before, after, *names, lineterm="")
            continue
        opcodes = difflib.SequenceMatcher(None, before, after).get_opcodes()
        spans = [(start + 1, end) for kind, _, _, start, end in opcodes if kind != "equal"]
        places = ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in spans)
        kind = "created" if old is None else "changed" if new is not None else "deleted"
        lines.append(f"{kind}  {path}" + (f":{places}" if new is not None else ""))
    return "\n".join(lines) + "\n"


def run_main(main: Callable[[], str]) -> None:
    """Run a command and print what it returns, or one line if it cannot run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.stdout.write(main())
    except RefusedError as error:
        sys.exit(f"Error: {error}.")
    except KeyboardInterrupt:
        sys.exit("Interrupted: nothing was changed.")

"""Git repositories for the tests: copies of the template, and what git prints."""

import shutil
import subprocess
from pathlib import Path

from template import ROOT, run


def git(*arguments: str | Path, cwd: Path) -> str:
    """Run git as a test author, and return what it printed."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    return run("git", *identity, *arguments, cwd=cwd)


def commit(folder: Path) -> None:
    """Commit everything in the folder, which becomes a repository if it is none."""
    if not (folder / ".git").exists():
        git("init", "--quiet", "--initial-branch=main", cwd=folder)
        git("config", "user.name", "Test", cwd=folder)
        git("config", "user.email", "test@example.com", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message=A state", cwd=folder)


def copy_of_the_template(folder: Path) -> Path:
    """Copy what git tracks or would track into a repository of its own."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        if (ROOT / file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    commit(folder)
    return folder


def contents(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Return the bytes of each file outside .git, and whether it is executable."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }

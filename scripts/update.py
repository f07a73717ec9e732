# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7.1"]
# ///
"""Merge a version of the template, or other answers, into the project in the current folder.

`make update` in a project clones the template and runs this script. The script bakes the version
that the project has and the new version, and git applies the difference like a commit. It commits
nothing. Usage: update.py [--version VERSION] [KEY=VALUE ...]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
MIGRATIONS = "app/migrations/versions"
DOCUMENT = "https://github.com/org/repo/blob/main/docs/updating.md"


def main() -> None:
    """Update the project.

    Raises:
        SystemExit: The update is impossible, or it has conflicts.
    """
    versions = git("tag", "--sort=-version:refname", cwd=TEMPLATE).split()
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", default=versions[0] if versions else None)
    parser.add_argument("answers", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    with Path("pyproject.toml").open("rb") as file:
        answers = tomllib.load(file)["tool"]["cookiecutter"]
    version = answers.pop("version")
    changed = dict(answer.partition("=")[::2] for answer in options.answers)
    for needed in (version, options.version):
        if needed not in versions:
            sys.exit(f"Error: the template has no version {needed}.")
    questions = json.loads(git("show", f"{options.version}:cookiecutter.json", cwd=TEMPLATE))
    if unknown := changed.keys() - questions.keys():
        sys.exit(f"Error: the template has no question {min(unknown)}.")
    if git("status", "--porcelain", "."):
        sys.exit("Error: the project has uncommitted changes. Commit or stash them first.")

    old = commit_of_bake(version, answers)
    new = commit_of_bake(options.version, answers | changed, "-p", old)
    command = ["git", "cherry-pick", "--no-commit", new]
    merged = subprocess.run(command, capture_output=True, text=True, check=False)
    conflicts = git("diff", "--name-only", "--diff-filter=U")
    if merged.returncode and not conflicts:
        sys.exit(merged.stderr)
    print(f"Merged version {options.version} of the template.")
    if Path(".cruft.json").exists():
        print("This replaces `cruft update`. Delete .cruft.json.")
    if migrations := git("diff", "--name-only", "--staged", "--diff-filter=MD", "--", MIGRATIONS):
        print(f"Restore migrations that a database has applied, see {DOCUMENT}:\n{migrations}")
    if conflicts:
        sys.exit(f"Error: resolve the conflicts in these files, then run: git add .\n{conflicts}")
    print("Next: read `git diff --staged`, run `make setup check`, and commit.")


def commit_of_bake(version: str, answers: dict[str, str], *parent: str) -> str:
    """Bake a version of the template and return a commit of the result, which is on no branch."""
    git("checkout", "--quiet", version, cwd=TEMPLATE)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
        arguments = [f"{key}={value}" for key, value in answers.items()]
        baked = subprocess.run(
            [*command, "--output-dir", f"{folder}/bake", TEMPLATE, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if baked.returncode:
            sys.exit(f"Error: version {version} cannot be baked.\n{baked.stderr}")
        (project,) = Path(folder, "bake").iterdir()
        # The project may be a folder of a larger repository.
        tree = Path(folder, "tree")
        target = tree / git("rev-parse", "--show-prefix")
        target.parent.mkdir(parents=True, exist_ok=True)
        project.rename(target)
        repository = {
            "GIT_DIR": git("rev-parse", "--absolute-git-dir"),
            "GIT_WORK_TREE": str(tree),
            "GIT_INDEX_FILE": f"{folder}/index",
        }
        git("add", "--all", "--force", cwd=tree, **repository)
        author = ("-c", "user.name=template", "-c", "user.email=template")
        written = git("write-tree", cwd=tree, **repository)
        return git(*author, "commit-tree", "-m", version, *parent, written)


def git(*arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run git and return what it printed."""
    return subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()


if __name__ == "__main__":
    main()

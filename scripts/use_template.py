# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7.1"]
# ///
"""Turn a repository that was created with GitHub's "Use this template" button into a project.

The workflow use-template.yml runs this script. The environment variable ANSWERS contains the
answers as a JSON object; an empty answer stands for the default. The script renders the template,
replaces the files of the repository, commits and pushes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ".github/workflows"


def main() -> None:
    """Replace the template with the project.

    Raises:
        SystemExit: The template refuses the answers. The repository is unchanged.
    """
    answers = {key: value for key, value in json.loads(os.environ["ANSWERS"]).items() if value}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
        arguments = [f"{key}={value}" for key, value in answers.items()]
        rendered = subprocess.run([*command, "--output-dir", folder, ROOT, *arguments], check=False)
        if rendered.returncode:
            sys.exit("Error: cookiecutter failed. The repository is unchanged.")
        (project,) = Path(folder).iterdir()
        git("rm", "-r", "--quiet", "--force", ".")
        shutil.copytree(project, ROOT, dirs_exist_ok=True)
    git("add", "--all")
    git("commit", "--quiet", "--message", "Create the project from the template")
    if not push():
        keep_workflows()
        git("push", "--quiet", "origin", "HEAD")


def push() -> bool:
    """Push the commit and return whether the server accepted it."""
    command = ["git", "push", "--quiet", "origin", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def keep_workflows() -> None:
    """Take the deletion of workflows out of the commit.

    The token of a workflow cannot create or change workflow files, and GitHub does not document
    whether it can delete them. The workflows of the template do nothing outside of it.
    """
    git("checkout", "--quiet", "HEAD~1", "--", WORKFLOWS)
    git("commit", "--quiet", "--amend", "--no-edit")
    print(f"Delete the workflows that the project does not need: {WORKFLOWS}")


def git(*arguments: str) -> None:
    """Run git in the repository."""
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()

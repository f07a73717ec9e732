"""Release a version of the template: write its number into the sources, commit and tag.

A version is YEAR.MONTH.NUMBER, and the tag has the same name. Pushing it starts release.yml, which
publishes what `release.py --notes` prints. Usage: make release
"""

import datetime
import re
import subprocess
import sys
from pathlib import Path

CHANGELOG = Path("CHANGELOG.md")
SETTINGS = Path("pyproject.toml")
RECORD = Path("{{cookiecutter.project_slug}}") / "pyproject.toml"


def main() -> None:
    """Release a version, or print the changes of the last one.

    Raises:
        SystemExit: There is nothing to release.
    """
    (current,) = re.findall(r'^version = "(.+)"', SETTINGS.read_text(), re.MULTILINE)
    if "--notes" in sys.argv:
        print(section(current))
        return
    if git("status", "--porcelain"):
        sys.exit("Error: there are uncommitted changes. Commit them first.")
    if not section("Unreleased"):
        sys.exit("Error: CHANGELOG.md lists no changes under [Unreleased].")
    today = datetime.datetime.now(datetime.UTC).date()
    version = next_version(today, git("tag").split())
    heading = "## [Unreleased]"
    replace(CHANGELOG, heading, f"{heading}\n\n## [{version}] - {today}")
    for path in (SETTINGS, RECORD):
        replace(path, f'\nversion = "{current}"\n', f'\nversion = "{version}"\n', last=True)
    git("commit", "--quiet", "--all", "--message", f"Release {version}")
    git("tag", "--annotate", version, "--message", version)
    print(f"Released {version}. Publish it: git push --follow-tags")


def section(name: str) -> str:
    """Return the text of a version in the changelog."""
    pattern = rf"^## \[{re.escape(name)}\].*?\n(.*?)(?=^## |\Z)"
    found = re.search(pattern, CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def next_version(today: datetime.date, tags: list[str]) -> str:
    """Return the version that follows the ones of this month."""
    month = f"{today.year}.{today.month}."
    numbers = [int(tag.removeprefix(month)) for tag in tags if tag.startswith(month)]
    return f"{month}{max(numbers, default=0) + 1}"


def replace(path: Path, old: str, new: str, *, last: bool = False) -> None:
    """Replace the first or the last occurrence of a text in a file."""
    text = path.read_text(encoding="utf-8")
    start = text.rindex(old) if last else text.index(old)
    path.write_text(text[:start] + new + text[start + len(old) :], encoding="utf-8")


def git(*arguments: str) -> str:
    """Run git and return what it printed."""
    return subprocess.run(
        ["git", *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()

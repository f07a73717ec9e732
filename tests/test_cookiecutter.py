"""The ways to call cookiecutter, without a network, and the commands that the documents show."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import commit, contents, copy_of_the_template, git
from template import CHOICES, ROOT, Bake, default_answers

ANSWERS = default_answers() | {"structure": "flat", "auth": "none"}
ARGUMENTS = [f"{key}={value}" for key, value in ANSWERS.items()]


def call(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter in the folder, with a home folder of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "cookiecutter", *arguments],
        cwd=folder,
        env=os.environ | {"HOME": str(home), "USERPROFILE": str(home)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A repository with the version 1.0, after which the Makefile was deleted."""
    template = copy_of_the_template(tmp_path / "template")
    git("tag", "1.0", cwd=template)
    (template / "{{cookiecutter.project_slug}}" / "Makefile").unlink()
    commit(template)
    return template


def test_relative_path(tmp_path: Path, bake: Bake) -> None:
    source = os.path.relpath(ROOT, tmp_path)

    done = call(tmp_path, source, "--no-input", *ARGUMENTS)

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my-service") == contents(bake(**ANSWERS).path)


def test_git_url_with_checkout(template: Path, tmp_path: Path, bake: Bake) -> None:
    url = f"file://{template}"

    done = call(tmp_path, url, "--checkout", "1.0", "--no-input", *ARGUMENTS)

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my-service") == contents(bake(**ANSWERS).path)


def test_git_url_without_checkout_uses_the_main_branch(template: Path, tmp_path: Path) -> None:
    done = call(tmp_path, f"file://{template}", "--no-input", *ARGUMENTS)

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "my-service" / "Makefile").exists()


def test_zip(template: Path, tmp_path: Path, bake: Bake) -> None:
    archive = tmp_path / "repo-1.0.zip"
    git("archive", "--prefix=repo-1.0/", f"--output={archive}", "1.0", cwd=template)

    done = call(tmp_path, archive, "--no-input", *ARGUMENTS)

    assert done.returncode == 0, done.stderr
    made, expected = contents(tmp_path / "my-service"), contents(bake(**ANSWERS).path)
    # Python unpacks archives without the executable bit; the Makefile calls scripts with `sh`.
    assert {file: made[file][0] for file in made} == {f: expected[f][0] for f in expected}


def test_clone_with_windows_line_ends_gives_the_same_project(
    template: Path, tmp_path: Path, bake: Bake
) -> None:
    clone = tmp_path / "clone"
    options = ("--quiet", "--branch=1.0", "--config=core.autocrlf=true")
    git("clone", *options, template, clone, cwd=tmp_path)

    done = call(tmp_path, clone, "--no-input", *ARGUMENTS)

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my-service") == contents(bake(**ANSWERS).path)


def test_replay(tmp_path: Path, bake: Bake) -> None:
    call(tmp_path, ROOT, "--no-input", "--output-dir", tmp_path / "first", *ARGUMENTS)

    done = call(tmp_path, ROOT, "--replay")

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my-service") == contents(bake(**ANSWERS).path)


def test_overwrite_keeps_existing_files_with_skip(tmp_path: Path, bake: Bake) -> None:
    call(tmp_path, ROOT, "--no-input", *ARGUMENTS)
    project = tmp_path / "my-service"
    (project / "README.md").write_text("Ours.\n")
    (project / "Makefile").unlink()

    refused = call(tmp_path, ROOT, "--no-input", *ARGUMENTS)
    skipped = call(tmp_path, ROOT, "--no-input", "-f", "-s", *ARGUMENTS)
    kept = (project / "README.md").read_text()
    overwritten = call(tmp_path, ROOT, "--no-input", "-f", *ARGUMENTS)

    assert "already exists" in refused.stderr + refused.stdout
    assert [skipped.returncode, overwritten.returncode] == [0, 0]
    assert kept == "Ours.\n"
    assert contents(project) == contents(bake(**ANSWERS).path)


def test_config_file_with_default_answers(tmp_path: Path, bake: Bake) -> None:
    lines = [f'  {key}: "{value}"' for key, value in ANSWERS.items()]
    (tmp_path / "config.yaml").write_text("\n".join(["default_context:", *lines]))

    done = call(tmp_path, ROOT, "--no-input", "--config-file", tmp_path / "config.yaml")

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my-service") == contents(bake(**ANSWERS).path)


def shown_commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of README.md and docs/ that run cookiecutter without questions."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for line in re.findall(
            r"(?:^|`)(cookiecutter [^`\n]*--no-input[^`\n]*)", text, re.MULTILINE
        ):
            yield page.name, shlex.split(line, comments=True)[1:]


def test_shown_commands_contain_every_choice() -> None:
    shown = {argument for _, command in shown_commands() for argument in command}

    defaults = {f"{key}={choices[0]}" for key, choices in CHOICES.items()}
    assert {f"{key}={choice}" for key in CHOICES for choice in CHOICES[key]} <= shown | defaults


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for _, command in shown_commands()], ids=" ".join)
def test_shown_command_works(command: list[str], bake: Bake, tmp_path: Path) -> None:
    arguments = [str(ROOT) if word in {"gh:org/repo", "."} else word for word in command]
    given = dict(word.split("=", 1) for word in command if "=" in word)

    done = call(tmp_path, *arguments)

    assert done.returncode == 0, done.stderr
    expected = bake(**{key: choices[0] for key, choices in CHOICES.items()} | given)
    assert contents(tmp_path / expected.path.name) == contents(expected.path)

"""The files for containers of a project, parsed."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from template import CHOICES, Project, combinations

INSTRUCTION = re.compile(r"^([A-Z]+) +((?:.*\\\n)*.*)$", re.MULTILINE)


def containerised() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the combinations whose files for containers differ; a test compares the others."""
    for name, answers in combinations():
        first = all(answers[key] == CHOICES[key][0] for key in ("structure", "migrations"))
        if answers["deployment"] == "docker" and first:
            yield name, answers


@dataclass(frozen=True)
class Containers:
    """The files for containers of one project."""

    project: Project

    def text(self, file: str) -> str:
        """Return what is in a file."""
        return (self.project.path / file).read_text(encoding="utf-8")

    @functools.cached_property
    def compose(self) -> dict[str, Any]:
        """The compose file."""
        return yaml.safe_load(self.text("compose.yaml"))

    @functools.cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services of the compose file, by name."""
        return self.compose["services"]

    @functools.cached_property
    def instructions(self) -> list[tuple[str, str]]:
        """The Dockerfile's instructions, each with its arguments on one line."""
        code = re.sub(r"^#.*\n", "", self.text("Dockerfile"), flags=re.MULTILINE)
        return [(name, rest.replace("\\\n", " ")) for name, rest in INSTRUCTION.findall(code)]

    @property
    def last_stage(self) -> dict[str, str]:
        """The last of each instruction of the last stage."""
        stages = [i for i, (name, _) in enumerate(self.instructions) if name == "FROM"]
        return dict(self.instructions[stages[-1] :])

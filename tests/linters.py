"""Third-party linters for deployment files. Each function returns what was checked, too."""

import json
from pathlib import Path
from typing import NamedTuple

from template import run

CHECKOV = "checkov==3.3.30"  # pins a hundred packages, so it gets an environment of its own
KUBERNETES_VALIDATE = "kubernetes-validate==1.37.0"  # 140 MB of schemas


class CheckovReport(NamedTuple):
    """Pairs of a file and a check, by result."""

    passed: set[tuple[str, str]]
    failed: set[tuple[str, str]]


def checkov(folder: Path, framework: str, *options: str) -> CheckovReport:
    """Check every file of the folder: one run, since it takes seconds to start."""
    command = ("uv", "tool", "run", "--from", CHECKOV, "checkov", "--framework", framework)
    output = run(
        *(*command, "--skip-download", "--soft-fail", "--output=json", "--directory", "."),
        *options,
        cwd=folder,
    )
    results = json.loads(output[output.index("{") : output.rindex("}") + 1])["results"]
    return CheckovReport(
        *(
            {(check["file_path"], check["check_id"]) for check in results[f"{result}_checks"]}
            for result in ("passed", "failed")
        )
    )


def kubernetes_validate(*files: Path) -> str:
    """Check manifests against the strict schemas of Kubernetes; fails the test on an error."""
    command = ("uv", "tool", "run", "--from", KUBERNETES_VALIDATE, "kubernetes-validate")
    return run(*command, "--strict", "-k", "1.33", *files, cwd=files[0].parent)

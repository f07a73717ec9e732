"""Third-party linters for deployment files. Each function returns what was checked, too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from template import run

CHECKOV = "checkov==3.3.30"  # pins a hundred packages, so it gets an environment of its own
GIXY = ("gixy-ng==0.2.59", "gixy-next==0.9.0")  # two forks, which find different things
SUPERVISOR = "supervisor==4.3.0"
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


def gixy(package: str, file: Path) -> set[str]:
    """Return the names of the problems in a configuration of nginx."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "tool", "run", "--from", package, "gixy", "--format=json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return {problem["plugin"] for problem in json.loads(done.stdout)}


PARSE = """
import json, sys
from supervisor.options import ServerOptions
options = ServerOptions()
options.realize(["-c", sys.argv[1], "-n"], doc="")
names = "name command stopsignal stopwaitsecs stopasgroup killasgroup exitcodes environment uid"
names += " stdout_logfile stdout_logfile_maxbytes"
print(json.dumps([
    {n: getattr(p, n) for n in names.split()} | {"autorestart": p.autorestart.__name__}
    for g in options.process_group_configs for p in g.process_configs
]))
"""


def supervisor_programs(file: Path) -> list[dict[str, Any]]:
    """Return the programs of a configuration as supervisor's own parser reads them.

    The user must exist on the machine that parses: the test's own takes its place.
    """
    copy = file.with_name("parsed.conf")
    copy.write_text(
        re.sub(r"^user=.*", f"user={os.geteuid()}", file.read_text(), flags=re.MULTILINE)
    )
    uv_run = ("uv", "tool", "run", "--quiet", "--from", SUPERVISOR)
    output = run(*uv_run, "python", "-W", "ignore", "-c", PARSE, copy, cwd=file.parent)
    return json.loads(output.splitlines()[-1])

"""Print the jobs of the matrix workflow as JSON: each Python, in parts of about equal work."""

import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from template import CHOICES, code_of, combinations

CODES_PER_PART = 16


def jobs() -> list[dict[str, str]]:
    """Return the Python version and the part of the suite for each job."""
    codes = {code_of(answers) for _, answers in combinations()}
    count = math.ceil(len(codes) / CODES_PER_PART)
    return [
        {"python": python, "shard": f"{number}/{count}"}
        for python in sorted(CHOICES["python_version"])
        for number in range(1, count + 1)
    ]


if __name__ == "__main__":
    print(json.dumps(jobs()))

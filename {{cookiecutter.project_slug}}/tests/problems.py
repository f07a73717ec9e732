"""Answers that say what is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx2 import Response

from app.core.errors import Problem

VARYING = {"request_id", "timestamp"}


def check_problem(answer: Response, status: int, code: str) -> Problem:
    problem = Problem.model_validate_json(answer.content)
    assert (answer.status_code, problem.status, problem.code) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem.request_id
    assert abs(datetime.now(UTC) - problem.timestamp) < timedelta(seconds=5)
    assert "Traceback" not in answer.text
    return problem


def tell(answer: Response) -> dict[str, Any]:
    """Return what the answer tells its reader: all but what differs each time."""
    body = {key: value for key, value in answer.json().items() if key not in VARYING}
    return {"challenge": answer.headers.get("www-authenticate"), **body}

"""Assertions about error responses."""

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx2 import Response

from app.core.errors import Problem

VARYING = {"request_id", "timestamp"}


def check_problem(response: Response, status: int, code: str) -> Problem:
    """Check that the response is this problem, and return it."""
    problem = Problem.model_validate_json(response.content)
    assert (response.status_code, problem.status, problem.code) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == problem.request_id
    assert abs(datetime.now(UTC) - problem.timestamp) < timedelta(seconds=5)
    assert "Traceback" not in response.text
    return problem


def strip_varying(response: Response) -> dict[str, Any]:
    """Return what a client sees of an error, without the fields that differ each time."""
    body = {key: value for key, value in response.json().items() if key not in VARYING}
    return {"challenge": response.headers.get("www-authenticate"), **body}

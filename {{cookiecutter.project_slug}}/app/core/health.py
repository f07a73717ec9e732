"""Health: is the process alive, and can it do its work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from structlog import get_logger

from app.core.errors import NotReadyError, Problem

API_PREFIX = "/api/v1"
CHECK_TIMEOUT_SECONDS = 2
# Who asks is the machine that runs the service: by its address, and as often as it likes.
PROBE_PATHS = frozenset({f"{API_PREFIX}/health", f"{API_PREFIX}/ready"})

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well; `checks` are the names of what was asked."""

    status: Literal["ok"] = "ok"
    checks: dict[str, Literal["ok"]] = {}


def add_readiness_check(app: FastAPI, name: str, check: Callable[[], Awaitable[object]]) -> None:
    """Make `/api/v1/ready` await `check`, which raises whatever it likes when it fails."""
    app.state.readiness_checks[name] = check


@router.get("/health")
async def get_health() -> Health:
    """Say that the process is alive; asks nobody else."""
    return Health()


@router.get("/ready", responses={503: {"model": Problem}})
async def get_readiness(request: Request) -> Health:
    """Say whether all that the service needs answers within two seconds."""
    checks = request.app.state.readiness_checks
    results = await asyncio.gather(
        *(asyncio.wait_for(check(), CHECK_TIMEOUT_SECONDS) for check in checks.values()),
        return_exceptions=True,
    )
    failures = {k: v for k, v in zip(checks, results, strict=True) if isinstance(v, Exception)}
    for name, error in failures.items():
        get_logger("app.health").warning("not_ready", check=name, error=type(error).__name__)
    report = {name: "fail" if name in failures else "ok" for name in checks}
    if failures:
        raise NotReadyError(report)
    return Health.model_validate({"checks": report})

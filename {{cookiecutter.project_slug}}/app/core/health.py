"""Health checks: is the process alive, and can it serve requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from starlette.types import Scope
from structlog import get_logger

from app.core.errors import AppError, problems
from app.core.settings import API_PREFIX

CHECK_TIMEOUT_SECONDS = 2
PROBE_PATHS = frozenset({f"{API_PREFIX}/health", f"{API_PREFIX}/ready"})

log = get_logger("app.health")
router = APIRouter(tags=["health"])


class NotReadyError(AppError):
    """A readiness check failed; `checks` has the result of each."""

    status_code, code = 503, "NOT_READY"

    def __init__(self, checks: Mapping[str, str]) -> None:
        super().__init__("The service is not ready.")
        self.members = {"checks": checks}


class Health(BaseModel):
    """The state of the service and the results of its readiness checks."""

    status: Literal["ok"] = "ok"
    checks: dict[str, Literal["ok"]] = {}


HEALTHY = Health()


def is_probe(scope: Scope) -> bool:
    """Return whether the request is a probe.

    Probes call by IP address and must not be rate limited.
    """
    return scope["path"].removeprefix(scope.get("root_path", "")) in PROBE_PATHS


def add_readiness_check(app: FastAPI, name: str, check: Callable[[], Awaitable[object]]) -> None:
    """Make `/api/v1/ready` depend on `check`, which raises any exception when it fails."""
    app.state.readiness_checks[name] = check


@router.get("/health")
async def get_health() -> Health:
    """Report that the process is alive. Other services are not checked."""
    return HEALTHY


@router.get("/ready", responses=problems(503))
async def get_readiness(request: Request) -> Health:
    """Report whether everything that the service needs responds within two seconds."""
    checks = request.app.state.readiness_checks
    results = await asyncio.gather(
        *(asyncio.wait_for(check(), CHECK_TIMEOUT_SECONDS) for check in checks.values()),
        return_exceptions=True,
    )
    failures = {k: v for k, v in zip(checks, results, strict=True) if isinstance(v, BaseException)}
    for name, error in failures.items():
        log.warning("not_ready", check=name, error=type(error).__name__)
    report = {name: "fail" if name in failures else "ok" for name in checks}
    if failures:
        raise NotReadyError(report)
    return Health.model_validate({"checks": report})

"""Liveness: is the process answering?"""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The answer of the liveness probe."""

    status: Literal["ok"] = "ok"


@router.get("/health")
async def read_health() -> Health:
    """Say that the process is alive; nothing else is asked."""
    return Health()

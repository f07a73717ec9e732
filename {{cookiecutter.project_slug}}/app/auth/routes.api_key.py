"""The router of authentication. It has no routes: commands manage API keys."""

from fastapi import APIRouter

from app.core.rate_limit import open_rate_limiter

router = APIRouter(lifespan=open_rate_limiter)

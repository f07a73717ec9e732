"""HTTP routes, one module per resource."""

from fastapi import APIRouter

from app.api import quotes

router = APIRouter()
router.include_router(quotes.router)

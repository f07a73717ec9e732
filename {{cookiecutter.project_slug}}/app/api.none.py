"""HTTP routes of all resources."""

from fastapi import APIRouter

from app import quotes

router = APIRouter()
router.include_router(quotes.router)

"""HTTP routes of all resources."""

from fastapi import APIRouter

from app import items

router = APIRouter()
router.include_router(items.router)

"""HTTP routes, one module per resource."""

from fastapi import APIRouter

from app.api import items

router = APIRouter()
router.include_router(items.router)

"""HTTP routes of all resources."""

from fastapi import APIRouter

# {% if cookiecutter.database == "none" %}
from app import quotes
# {% else %}
from app import items
# {% endif %}

router = APIRouter()
# {% if cookiecutter.database == "none" %}
router.include_router(quotes.router)
# {% else %}
router.include_router(items.router)
# {% endif %}

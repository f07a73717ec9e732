"""HTTP routes, one module per resource."""

from fastapi import APIRouter

# {% if cookiecutter.database == "none" %}
from app.api import quotes
# {% else %}
from app.api import items
# {% endif %}

router = APIRouter()
# {% if cookiecutter.database == "none" %}
router.include_router(quotes.router)
# {% else %}
router.include_router(items.router)
# {% endif %}

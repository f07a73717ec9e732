"""Database tables. Import every model here, so that `Base.metadata` has all tables."""

# {% if cookiecutter.auth != "none" %}
from app.auth import models as auth_models
# {% endif %}
from app.db.base import Base
from app.models.items import Item, Tag

# {% if cookiecutter.auth == "none" %}
__all__ = ["Base", "Item", "Tag"]
# {% else %}
__all__ = ["Base", "Item", "Tag", "auth_models"]
# {% endif %}

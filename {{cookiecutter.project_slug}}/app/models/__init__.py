"""Database tables. Import every model here, so that `Base.metadata` has all tables."""

# {% if cookiecutter.auth == "jwt" %}
from app.auth.users import User, UserSession
# {% elif cookiecutter.auth == "oauth2" %}
from app.auth.provider_users import User
# {% elif cookiecutter.auth == "api_key" %}
from app.auth.clients import ApiClient, ApiKey
# {% endif %}
from app.db.base import Base
from app.models.items import Item, Tag

# {% if cookiecutter.auth == "none" %}
__all__ = ["Base", "Item", "Tag"]
# {% elif cookiecutter.auth == "jwt" %}
__all__ = ["Base", "Item", "Tag", "User", "UserSession"]
# {% elif cookiecutter.auth == "oauth2" %}
__all__ = ["Base", "Item", "Tag", "User"]
# {% else %}
__all__ = ["ApiClient", "ApiKey", "Base", "Item", "Tag"]
# {% endif %}

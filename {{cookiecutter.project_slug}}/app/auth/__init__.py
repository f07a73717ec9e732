"""Authentication. The other packages use the names that this module exports."""

# {% if cookiecutter.auth == "jwt" %}
from app.auth.dependencies import CurrentUser, get_current_user, setup
# {% else %}
from app.auth.api_keys import CurrentUser, get_current_user
# {% endif %}

# {% if cookiecutter.auth == "jwt" %}
__all__ = ["CurrentUser", "get_current_user", "setup"]
# {% else %}
__all__ = ["CurrentUser", "get_current_user"]
# {% endif %}

"""Authentication. Other packages use only these names, which are the same for every method.

`router` holds the routes of authentication and, in its lifespan, the resources that they share.
"""

# {% if cookiecutter.auth == "jwt" %}
from app.auth.dependencies import CurrentUser, get_current_user
from app.auth.routes import router
# {% elif cookiecutter.auth == "oauth2" %}
from app.auth.bearer import CurrentUser, get_current_user, router
# {% else %}
from app.auth.api_keys import CurrentUser, get_current_user, router
# {% endif %}

__all__ = ["CurrentUser", "get_current_user", "router"]

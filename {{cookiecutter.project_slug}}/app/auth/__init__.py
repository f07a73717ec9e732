"""Authentication. Other packages use only these names, which are the same for every method.

`router` holds the routes of authentication and, in its lifespan, the resources that they share.
"""

from app.auth.dependencies import CurrentUser, get_current_user
from app.auth.routes import router

__all__ = ["CurrentUser", "get_current_user", "router"]

"""Authentication. Other packages import only these names.

The lifespan of `router` opens and closes the resources of authentication.
"""

from app.auth.dependencies import CurrentUser, get_current_user
from app.auth.routes import router

__all__ = ["CurrentUser", "get_current_user", "router"]

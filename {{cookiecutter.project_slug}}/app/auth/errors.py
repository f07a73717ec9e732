"""Errors of those who call: 401 and 403, with the challenges of RFC 9110 section 11.6.1."""

from app.core.errors import AppError

# {% if cookiecutter.auth == "api_key" %}
SCHEME = "ApiKey"
# {% else %}
SCHEME = "Bearer"
# {% endif %}


def challenge(**parameters: str) -> dict[str, str]:
    """Return the header that says how to authenticate, and what was wrong (RFC 6750 section 3)."""
    said = ", ".join(f'{name}="{value}"' for name, value in {"realm": "api", **parameters}.items())
    return {"WWW-Authenticate": f"{SCHEME} {said}"}


class InvalidRequestError(AppError):
    """The request shows credentials twice."""

    status_code, code = 400, "INVALID_REQUEST"
    detail = "Show credentials once."
    headers = challenge(error="invalid_request")


class NotAuthenticatedError(AppError):
    """The request shows no credentials."""

    status_code, code = 401, "NOT_AUTHENTICATED"
    detail = "Show who you are."
    headers = challenge()


class InsufficientScopeError(AppError):
    """The caller may not do this; `scope` is what would be needed."""

    status_code, code = 403, "INSUFFICIENT_SCOPE"
    detail = "You may not do this."

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.headers = challenge(error="insufficient_scope", scope=scope)

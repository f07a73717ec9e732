"""Authentication errors, with the challenges of RFC 9110 section 11.6.1."""

from app.core.errors import AppError

# {% if cookiecutter.auth == "api_key" %}
SCHEME = "ApiKey"
# {% else %}
SCHEME = "Bearer"
# {% endif %}


def challenge(**parameters: str) -> dict[str, str]:
    """Return the `WWW-Authenticate` header with an error, if any (RFC 6750 section 3)."""
    members = {"realm": "api", **parameters}
    text = ", ".join(f'{name}="{value}"' for name, value in members.items())
    return {"WWW-Authenticate": f"{SCHEME} {text}"}


class InvalidRequestError(AppError):
    """The request contains credentials more than once."""

    status_code, code = 400, "INVALID_REQUEST"
    detail = "Send credentials only once."
    headers = challenge(error="invalid_request")


class NotAuthenticatedError(AppError):
    """The request contains no credentials."""

    status_code, code = 401, "NOT_AUTHENTICATED"
    detail = "Authentication required."
    headers = challenge()


class InsufficientScopeError(AppError):
    """The client is authenticated but not allowed to do this; it would need `scope`."""

    status_code, code = 403, "INSUFFICIENT_SCOPE"
    detail = "Permission denied."

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.headers = challenge(error="insufficient_scope", scope=scope)

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


# {% if cookiecutter.auth == "api_key" %}
class InvalidApiKeyError(AppError):
    """The key is unknown, expired or revoked. The response does not reveal which."""

    status_code, code = 401, "INVALID_API_KEY"
    detail = "The API key is invalid, expired or revoked."
    headers = challenge()
# {% else %}
class InvalidTokenError(AppError):
    """The token is forged, expired or of another type, or its user or session is not valid."""

    status_code, code = 401, "INVALID_TOKEN"
    detail = "The token is not valid."
    headers = challenge(error="invalid_token")
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}


class InvalidCredentialsError(AppError):
    """The e-mail address or the password is wrong; the response does not say which."""

    status_code, code = 401, "INVALID_CREDENTIALS"
    detail = "The e-mail address or the password is incorrect."
    headers = challenge()


class SignUpClosedError(AppError):
    """Only the operator may create users."""

    status_code, code = 403, "SIGN_UP_CLOSED"
    detail = "Sign-up is disabled. Ask the operator for an account."


class WeakPasswordError(AppError):
    """A field of the request body holds a password that cannot be accepted."""

    status_code, code = 422, "VALIDATION_ERROR"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"The password {reason}.")
        error = {"loc": ["body", field], "type": "weak_password", "message": reason}
        self.members = {"errors": [error]}


class HashQueueFullError(AppError):
    """Too many passwords are waiting to be hashed."""

    status_code, code = 503, "SERVICE_UNAVAILABLE"
    detail = "Too many logins at the same time. Try again later."
# {% endif %}

"""Request and response bodies of registration, login and users."""

import uuid
from datetime import datetime
from typing import Annotated

from email_validator import validate_email
from pydantic import MISSING, AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from app.auth.passwords import MAX_BYTES, MAX_LENGTH, MIN_LENGTH
from app.auth.tokens import MAX_TOKEN_LENGTH
from app.core.schemas import RequestSchema, Text


def normalize_email(text: str) -> str:
    """Return the form in which an address is stored and compared: normalized and in lower case.

    Raises:
        ValueError: The text is not an e-mail address.
    """
    try:
        return validate_email(text, check_deliverability=False, strict=True).normalized.lower()
    except ValueError:
        raise ValueError("must be an e-mail address") from None


Email = Annotated[
    str,
    Field(max_length=254),
    AfterValidator(normalize_email),
    WithJsonSchema(
        {"type": "string", "format": "email", "maxLength": 254, "examples": ["ada@example.com"]}
    ),
]
Password = Annotated[Text, Field(max_length=MAX_LENGTH)]
NewPassword = Annotated[
    Text,
    Field(
        min_length=MIN_LENGTH,
        max_length=MAX_BYTES,
        description=f"At most {MAX_BYTES} bytes in UTF-8. The service may require more than "
        f"{MIN_LENGTH} characters, and refuses common passwords.",
        examples=["correct horse battery"],
    ),
]
Name = Annotated[Text, Field(min_length=1, max_length=100, examples=["Ada"])]


class SignUp(RequestSchema):
    """A new user."""

    email: Email
    password: NewPassword


class RefreshTokenBody(RequestSchema):
    """A refresh token. It is in the body, because URLs are logged."""

    refresh_token: Annotated[Text, Field(min_length=1, max_length=MAX_TOKEN_LENGTH)]


class PasswordChange(RequestSchema):
    """The current password and its replacement."""

    current_password: Password
    new_password: NewPassword


class UserUpdate(RequestSchema):
    """Fields of a user to change. `null` clears a field."""

    name: Name | MISSING | None = MISSING


class UserRead(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    name: str | None
    is_active: bool
    is_superuser: bool
    created_at: datetime


class JwkSet(BaseModel):
    """The public keys that verify tokens (RFC 7517 section 5)."""

    keys: list[dict[str, str]] = Field(description="RSA keys (RFC 7518 section 6.3.1).")

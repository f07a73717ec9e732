"""The shapes of sign-up, sign-in and users."""

import uuid
from datetime import datetime
from typing import Annotated

from email_validator import validate_email
from pydantic import MISSING, AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from app.auth.passwords import MAX_BYTES, MAX_LENGTH, encode
from app.auth.tokens import MAX_TOKEN_LENGTH
from app.core.schemas import RequestSchema
from app.db.pagination import PageQuery


def normalize_email(text: str) -> str:
    """Return the one form in which an address is kept and found, in lower case; ValueError."""
    try:
        return validate_email(text, check_deliverability=False, strict=True).normalized.lower()
    except ValueError:
        raise ValueError("must be an e-mail address") from None


def check_password(password: str) -> str:
    """Return the password, whole and as it is; ValueError if bcrypt would see a part of it."""
    if len(encode(password)) > MAX_BYTES:
        raise ValueError(f"must not be longer than {MAX_BYTES} bytes in UTF-8")
    return password


Email = Annotated[
    str,
    Field(max_length=254),
    AfterValidator(normalize_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": 254}),
]
Password = Annotated[str, Field(max_length=MAX_LENGTH)]
NewPassword = Annotated[Password, AfterValidator(check_password)]
Name = Annotated[str, Field(min_length=1, max_length=100, examples=["Ada"])]


class SignUp(RequestSchema):
    """A new user."""

    email: Email
    password: NewPassword


class RefreshTokenBody(RequestSchema):
    """A refresh token; in the body, since addresses are logged."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=MAX_TOKEN_LENGTH)]


class PasswordChange(RequestSchema):
    """The password that is, and the one that shall be."""

    current_password: Password
    new_password: NewPassword


class UserUpdate(RequestSchema):
    """The fields to change: one that is absent stays, `null` empties it."""

    name: Name | MISSING | None = MISSING


class UserQuery(PageQuery):
    """Which users."""


class UserRead(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    name: str | None
    is_active: bool
    is_superuser: bool
    created_at: datetime

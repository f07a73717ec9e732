"""Errors of the service, and the problem documents (RFC 9457) that clients receive."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import responses as phrases
from traceback import format_exception
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from structlog.contextvars import bind_contextvars, get_contextvars

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 20
CODES = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    422: "VALIDATION_ERROR",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


class AppError(Exception):
    """An error with an HTTP response. Raise a subclass; `handle_app_error` sends the response."""

    status_code: int
    code: str
    detail = ""
    headers: Mapping[str, str] | None = None
    members: Mapping[str, object] = {}  # additional members of the problem document

    def __init__(self, detail: str = "") -> None:
        """Create the error, with the detail of its class unless another is given."""
        super().__init__(detail or self.detail)


class BusinessRuleError(AppError):
    """The request violates a business rule."""

    status_code, code = 400, "BUSINESS_RULE_VIOLATED"


class InvalidHostError(AppError):
    """The `Host` header names another host (RFC 9110 section 7.2)."""

    status_code, code = 400, "INVALID_HOST"


class NotFoundError(AppError):
    """The resource does not exist, or is hidden from the client."""

    status_code, code = 404, "NOT_FOUND"


class ConflictError(AppError):
    """The request conflicts with the current state (RFC 9110 section 15.5.10)."""

    status_code, code = 409, "CONFLICT"


def list_codes() -> list[str]:
    """Return every error code that a response can have."""
    errors = AppError.__subclasses__()
    for error in errors:
        errors += error.__subclasses__()
    return sorted({*CODES.values(), *(error.code for error in errors)})


class FieldError(BaseModel):
    """An invalid field of a request."""

    loc: list[str | int]
    type: str
    message: str


class Problem(BaseModel):
    """An error response (RFC 9457 section 3).

    `code` is stable. `request_id` identifies the log lines of the request.
    """

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    code: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    request_id: str
    timestamp: AwareDatetime
    errors: list[FieldError] = []
    checks: dict[str, Literal["ok", "fail"]] = {}


def problems(*statuses: int, description: str = "") -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of error responses, for the option `responses` of a route."""
    return {status: {"description": description or phrases[status]} for status in statuses}


def problem_response(
    status: int,
    detail: str = "",
    code: str = "",
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """Return the problem document for a status, with additional `members`."""
    title = phrases.get(status, "Error")
    code = code or CODES.get(status, f"HTTP_{status}")
    bind_contextvars(code=code)
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail or title,
        "code": code,
        "request_id": get_contextvars().get("request_id", ""),
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        **members,
    }
    defaults = {"Cache-Control": "no-store"} | ({"Retry-After": "5"} if status == 503 else {})
    # Not orjson: the name of an unknown field may contain a lone surrogate.
    return Response(json.dumps(body), status, {**defaults, **(headers or {})}, MEDIA_TYPE)


async def handle_app_error(_request: HTTPConnection, error: AppError) -> Response:
    """Return the response to an error of the service."""
    status, detail = error.status_code, str(error)
    return problem_response(status, detail, error.code, error.headers, **error.members)


async def handle_http_exception(request: Request, error: HTTPException) -> Response:
    """Return the response to an error of the framework."""
    if isinstance(error.__cause__, ClientDisconnect):  # while FastAPI read the body
        raise error.__cause__
    headers = dict(error.headers or {})
    if error.status_code < 400:
        return Response(None, error.status_code, headers)
    if error.status_code == 405 and (methods := find_allowed_methods(request)):
        headers["Allow"] = ", ".join(sorted(methods))
    return problem_response(error.status_code, str(error.detail), headers=headers)


async def handle_validation_error(_request: Request, error: RequestValidationError) -> Response:
    """Return 422 with the location, type and message of each error, without submitted values."""
    errors = [
        {
            "loc": [step[:100] if isinstance(step, str) else step for step in item["loc"]],
            "type": item["type"],
            "message": item["msg"].removeprefix("Value error, "),
        }
        for item in error.errors()[:MAX_FIELD_ERRORS]
    ]
    return problem_response(422, "The request is not valid.", errors=errors)


async def handle_unexpected_error(request: Request, error: Exception) -> Response:
    """Return 500, with the traceback if DEBUG is set. Nobody waits after a disconnect."""
    if isinstance(error, ClientDisconnect):
        raise error
    is_debug = request.app.state.settings.debug
    return problem_response(500, "".join(format_exception(error)) if is_debug else "")


ERROR_HANDLERS: dict[type[Exception] | int, Any] = {
    AppError: handle_app_error,
    HTTPException: handle_http_exception,
    RequestValidationError: handle_validation_error,
    Exception: handle_unexpected_error,
}


def find_allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes with this path (RFC 9110 section 10.2.1)."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    routes = iter_route_contexts(request.app.routes)
    found = [route.methods or set() for route in routes if route.path_regex.match(path)]
    methods: set[str] = set().union(*found)
    return methods | {"HEAD"} if "GET" in methods else methods


def document_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Add the errors of invalid input to the OpenAPI document, and the schema of all errors."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["properties"]["code"]["examples"] = list_codes()
    document["components"]["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operation in (item for path in document["paths"].values() for item in path.values()):
        responses = operation["responses"]
        if "requestBody" in operation:
            responses.setdefault("413", {"description": phrases[413]})
        if "requestBody" in operation or "parameters" in operation:
            responses.setdefault("422", {"description": phrases[422]})
        for status, response in responses.items():
            if not status.startswith(("2", "3")):
                response["content"] = content
    return document

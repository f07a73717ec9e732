"""Errors: the exceptions of the service, and RFC 9457 problem documents for every status."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import responses as phrases
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.core.logging import log_context

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 20
PROBLEM = "#/components/schemas/Problem"
CODES = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


class AppError(Exception):
    """An error with an answer of its own; raise a subclass and one handler translates it."""

    status_code: int
    code: str
    headers: Mapping[str, str] | None = None
    members: Mapping[str, object] = {}  # of the answer, beside the usual ones


class BusinessRuleError(AppError):
    """A rule of the business forbids what was asked."""

    status_code, code = 400, "BUSINESS_RULE_VIOLATED"


class InvalidHostError(AppError):
    """The request names a host that is not this service (RFC 9110 section 7.2)."""

    status_code, code = 400, "INVALID_HOST"


class NotFoundError(AppError):
    """There is no such thing, or it is not the caller's to see."""

    status_code, code = 404, "NOT_FOUND"


class ConflictError(AppError):
    """The request does not fit the present state (RFC 9110 section 15.5.10)."""

    status_code, code = 409, "CONFLICT"


class RateLimitedError(AppError):
    """Too many requests (RFC 6585 section 4); `retry_after` is in seconds."""

    status_code, code = 429, "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(retry_after)}


class NotReadyError(AppError):
    """Something that the service needs does not answer; `checks` says what."""

    status_code, code = 503, "NOT_READY"

    def __init__(self, checks: Mapping[str, str]) -> None:
        super().__init__("The service is not ready.")
        self.members = {"checks": checks}


def list_codes() -> list[str]:
    """Return every code that an answer can have."""
    return sorted({*CODES.values(), *(error.code for error in AppError.__subclasses__())})


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    loc: list[str | int]
    type: str
    message: str


class Problem(BaseModel):
    """An error answer (RFC 9457 section 3). `code` is stable, `request_id` finds the log lines."""

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


def problem_response(
    status: int,
    detail: str = "",
    code: str = "",
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """Return the problem document for a status, with `members` added (RFC 9457 section 3.2)."""
    code = code or CODES.get(status, f"HTTP_{status}")
    context = log_context.get() or {}
    context["code"] = code  # in the request's record, too
    body = {
        "type": "about:blank",
        "title": phrases.get(status, "Error"),
        "status": status,
        "detail": detail or phrases.get(status, "Error"),
        "code": code,
        "request_id": context.get("request_id", ""),
        "timestamp": datetime.now(UTC).isoformat(),
        **members,
    }
    defaults = {"Cache-Control": "no-store"} | ({"Retry-After": "5"} if status == 503 else {})
    # Not orjson: the name of an unknown field may hold half a surrogate pair.
    return Response(json.dumps(body), status, {**defaults, **(headers or {})}, MEDIA_TYPE)


async def handle_error(request: Request, error: AppError | HTTPException) -> Response:
    """Return the answer to an error that our code, the framework or a route raised."""
    headers = dict(error.headers or {})
    if error.status_code < 400:
        return Response(None, error.status_code, headers)
    if error.status_code == 405 and (methods := find_allowed_methods(request)):
        headers["Allow"] = ", ".join(sorted(methods))
    detail, code = str(getattr(error, "detail", error)), getattr(error, "code", "")
    members = getattr(error, "members", {})
    return problem_response(error.status_code, detail, code, headers, **members)


async def handle_validation_error(_request: Request, error: RequestValidationError) -> Response:
    """Return 422 with place, type and message of each finding, and no submitted value."""
    findings = [
        {
            "loc": [step[:100] if isinstance(step, str) else step for step in finding["loc"]],
            "type": finding["type"],
            "message": finding["msg"],
        }
        for finding in error.errors()[:MAX_FIELD_ERRORS]
    ]
    return problem_response(422, "The request is not valid.", errors=findings)


ERROR_HANDLERS: dict[type[Exception] | int, Any] = {
    AppError: handle_error,
    HTTPException: handle_error,
    RequestValidationError: handle_validation_error,
}


def find_allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes of this path, HEAD with GET (RFC 9110 section 10.2.1)."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods


def declare_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the errors any input can cause, as problems."""
    schemas, problem = document["components"]["schemas"], {"schema": {"$ref": PROBLEM}}
    schemas["Problem"]["properties"]["code"]["examples"] = list_codes()
    for operation in (item for path in document["paths"].values() for item in path.values()):
        statuses = {"413", "422"} if "requestBody" in operation else set()
        statuses |= {"422"} if "parameters" in operation else set()
        for status in sorted(statuses):
            operation["responses"].setdefault(status, {"description": "A problem."})["content"] = {
                "application/json": problem
            }
        for answer in operation["responses"].values():
            if answer.get("content", {}).get("application/json") == problem:
                answer["content"] = {MEDIA_TYPE: problem}
    return document

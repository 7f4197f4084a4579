"""Errors as RFC 9457 problem documents: one shape for everything that goes wrong on an HTTP interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from courseyard.errors import (
    CourseyardError,
    ForbiddenError,
    MalformedBodyError,
    MethodNotAllowedError,
    NotFoundError,
    RequestError,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_BY_STATUS: dict[int, type[CourseyardError]] = {
    400: MalformedBodyError,
    403: ForbiddenError,
    404: NotFoundError,
    405: MethodNotAllowedError,
}


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = MEDIA_TYPE


def problem_body(error: CourseyardError) -> dict[str, Any]:
    """The document: RFC 9457's members, our stable code, what to do, and the error's own facts."""
    return {
        "type": f"urn:courseyard:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "hint": error.advice,
        **error.extra,
    }


def problem(error: CourseyardError, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """The response for an error of the catalogue."""
    more = {"Cache-Control": "no-store", **(headers or {})}
    if error.status == 401:
        more["WWW-Authenticate"] = 'Bearer realm="courseyard"'
    return ProblemResponse(problem_body(error), error.status, headers=more)


def from_http(error: HTTPException) -> CourseyardError:
    """The catalogue's error for one that the framework raised."""
    if isinstance(error.__cause__, CourseyardError):
        return error.__cause__  # the framework wraps what goes wrong while a body is read
    kind = _BY_STATUS.get(error.status_code)
    if kind is not None:
        return kind()
    return CourseyardError() if error.status_code >= 500 else RequestError(error.detail)


def allow_header(request: Request, error: HTTPException) -> dict[str, str]:
    """The ``Allow`` header of a 405: the methods of every route with this path, not of the first one alone."""
    if error.status_code != 405:
        return {}
    known = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return {"Allow": ", ".join(known)} if known else dict(error.headers or {})


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Validation errors as ``{field, message}``: where, and what is wrong there; never the value itself."""
    return [{"field": ".".join(str(part) for part in e["loc"]), "message": plain_words(e)} for e in errors]


# What pydantic finds wrong, as a person would say it behind the field's name.
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "less_than_equal": "must be {le} or less",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "string_too_long": "must not be longer than {max_length} characters",
    "string_too_short": "must have {min_length} characters or more",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "uuid_parsing": "must be an identifier (UUID)",
    "uuid_type": "must be an identifier (UUID)",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}


def plain_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, to follow its name in a sentence."""
    words = _WORDS.get(str(error["type"]))
    if words is None:
        said = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
        return f"is not valid: {said[:1].lower()}{said[1:]}"
    return words.format(**error.get("ctx", {}))


async def on_courseyard_error(_request: Request, error: Exception) -> Response:
    """Exception handler for the catalogue."""
    if not isinstance(error, CourseyardError):
        raise error
    if error.status >= 500:
        log.error("request failed", code=error.code, detail=error.detail)
    return problem(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Exception handler for what the framework raises: unknown address, wrong method, unreadable body."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(from_http(error), allow_header(request, error))


async def on_unexpected_error(_request: Request, _error: Exception) -> Response:
    """Exception handler for faults of ours: told without any detail; the log has it in full."""
    return problem(CourseyardError())

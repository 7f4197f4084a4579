"""The REST interface: FastAPI for what it documents, problem documents for whatever goes wrong."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from courseyard import __version__
from courseyard.errors import CourseyardError, InvalidInputError, MalformedBodyError
from courseyard.web.api import enrollments, packages, partner_enrollments, providers, tokens, webhooks
from courseyard.web.context import Services
from courseyard.web.problems import (
    invalid_fields,
    on_courseyard_error,
    on_http_error,
    on_unexpected_error,
    problem,
)

DESCRIPTION = """
Send `Authorization: Bearer …` with the service key, a local access token (`POST /api/token`) or a Supabase
access token.
Errors are problem documents (RFC 9457) with a stable `code` and a `hint`.
"""


def create_api(services: Services) -> FastAPI:
    """The application below ``/api``."""
    api = FastAPI(
        title="Courseyard",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        exception_handlers={
            CourseyardError: on_courseyard_error,
            HTTPException: on_http_error,
            RequestValidationError: _on_invalid,
            Exception: on_unexpected_error,
        },
    )
    api.state.services = services
    for router in (
        packages.router,
        enrollments.router,
        partner_enrollments.mappings,
        partner_enrollments.enrollments,
        providers.kinds_router,
        providers.providers,
        providers.runs,
        webhooks.webhooks,
        webhooks.credentials,
        tokens.router,
    ):
        api.include_router(router)
    return api


async def _on_invalid(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return problem(MalformedBodyError("The body is not valid JSON."))
    fields = invalid_fields(error.errors())
    said = "; ".join(f"{f['field']} {f['message']}" for f in fields[:5])
    return problem(InvalidInputError(f"{said}.", errors=fields))

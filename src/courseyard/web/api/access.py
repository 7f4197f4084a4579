"""Who may call: dependencies of the REST routes, and what the OpenAPI document says about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from courseyard.people import Caller
from courseyard.web.api.schemas import Problem
from courseyard.web.context import Services, require_caller, services


async def _any_caller(request: Request) -> Caller:
    return await require_caller(request)


async def _staff(request: Request) -> Caller:
    caller = await require_caller(request)
    caller.require_staff()
    return caller


async def _admin(request: Request) -> Caller:
    caller = await require_caller(request)
    caller.require_admin()
    return caller


def _services(request: Request) -> Services:
    return services(request)


AnyCaller = Annotated[Caller, Depends(_any_caller)]
Staff = Annotated[Caller, Depends(_staff)]
Admin = Annotated[Caller, Depends(_admin)]
Svc = Annotated[Services, Depends(_services)]

# For the OpenAPI document alone: who is calling is found out above, from the header or the session cookie.
BEARER = Security(HTTPBearer(scheme_name="Bearer", description="Service key or access token.", auto_error=False))

_MEANINGS = {
    400: "The request cannot be read.",
    401: "No valid key, token or session.",
    403: "Not allowed for this caller.",
    404: "No such thing, or not visible to this caller.",
    409: "Contradicts what stands in the database.",
    413: "Larger than the server accepts.",
    422: "Not valid; `errors` or `findings` name what is wrong.",
    429: "Too many tries.",
    502: "The partner's system did not do what it was asked.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for the OpenAPI document."""
    return {
        status: {
            "description": _MEANINGS[status],
            "model": Problem,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in (400, 401, 403, *statuses)
    }

"""Where partners push to: no sign-in, the provider's connector decides whether a delivery is the partner's.

Plain webhooks go to the provider's address itself; who sends to a learning record store puts ``/statements`` behind it
and asks ``/about`` first (xAPI 1.0.3, part three). A stranger learns nothing of the providers: one that takes no
deliveries answers as one that does not exist, and what goes wrong at the partner is told to the log alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from courseyard.errors import (
    CourseyardError,
    InvalidInputError,
    MalformedBodyError,
    NotFoundError,
    PartnerCannotError,
    PartnerError,
    PartnerUnreachableError,
    TooLargeError,
)
from courseyard.limits import MAX_DELIVERY_BYTES
from courseyard.partners.connector import Delivery
from courseyard.web.context import Services, services
from courseyard.web.pages import forms
from courseyard.web.problems import log, on_courseyard_error, on_http_error, on_unexpected_error

_XAPI_VERSIONS = ["1.0.3", "2.0.0"]


async def receive(request: Request) -> Response:
    """Take a delivery; answered only when it is kept.

    Raises:
        NotFoundError: there is no such provider, or it takes no deliveries.
        BadDeliveryError: it is not the partner's.
        MalformedBodyError: a statement that is put without its identifier (xAPI 1.0.3, part three, section 2.1.1).
        PartnerUnreachableError: it cannot be checked now.
        TooLargeError: it is larger than a delivery may be.
    """
    if request.method == "PUT" and "statementId" not in request.query_params:
        raise MalformedBodyError(
            "The address of a statement that is put names no statementId.", hint="Add it, or POST."
        )
    delivery = Delivery(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await _body(request),
        received_at=datetime.now(UTC),
        content_type=request.headers.get("content-type", ""),
        query=dict(request.query_params),
    )
    answer = await _kept(request, delivery)
    headers = {"X-Experience-API-Version": _XAPI_VERSIONS[0]} if request.url.path.endswith("/statements") else None
    if answer is None:
        return Response(status_code=204, headers=headers)
    return JSONResponse(answer, headers=headers)


async def about(request: Request) -> Response:
    """What a sender of statements asks first: the versions that are understood."""
    if not await _receives(request):
        raise _nothing_here()
    return JSONResponse({"version": _XAPI_VERSIONS}, headers={"X-Experience-API-Version": _XAPI_VERSIONS[0]})


async def _kept(request: Request, delivery: Delivery) -> Any:
    try:
        return await services(request).hub.inbox.receive(forms.path_id(request), delivery)
    except (InvalidInputError, NotFoundError, PartnerCannotError) as error:
        raise _nothing_here() from error
    except PartnerError as error:
        log.warning("partners: a delivery cannot be checked", provider_id=forms.path_id(request), reason=error.detail)
        raise PartnerUnreachableError("This delivery cannot be checked now.", hint="Send it again later.") from error


async def _receives(request: Request) -> bool:
    try:
        provider = await services(request).hub.providers.get(forms.path_id(request))
        return provider.connector.capabilities.receives
    except (InvalidInputError, NotFoundError):
        return False


def _nothing_here() -> NotFoundError:
    return NotFoundError("Nothing is received at this address.", hint="Copy the address from the provider's page.")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_DELIVERY_BYTES:
            raise TooLargeError(f"A delivery may have {MAX_DELIVERY_BYTES // 2**20} MiB at most.")
    return bytes(body)


def create_inbound(services: Services) -> Starlette:
    """The application below ``INBOUND``: its errors are problem documents, since programs read them."""
    app = Starlette(
        routes=[
            Route("/{id}", receive, methods=["POST", "PUT"]),
            Route("/{id}/statements", receive, methods=["POST", "PUT"]),
            Route("/{id}/about", about, methods=["GET"]),
        ],
        exception_handlers={
            CourseyardError: on_courseyard_error,
            HTTPException: on_http_error,
            Exception: on_unexpected_error,
        },
    )
    app.state.services = services
    return app

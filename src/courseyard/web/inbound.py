"""Where partners push to: no sign-in, the provider's connector decides whether a delivery is the partner's.

Plain webhooks go to the provider's address itself; who sends to a learning record store puts ``/statements`` behind it
and asks ``/about`` first (xAPI 1.0.3, part three).
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, TooLargeError
from courseyard.limits import MAX_DELIVERY_BYTES
from courseyard.partners.connector import Delivery
from courseyard.web.context import Services, services
from courseyard.web.pages import forms
from courseyard.web.problems import on_courseyard_error, on_http_error, on_unexpected_error

_XAPI_VERSIONS = ["1.0.3", "2.0.0"]


async def receive(request: Request) -> Response:
    """Take a delivery; answered only when it is kept.

    Raises:
        NotFoundError: there is no such provider.
        BadDeliveryError: it is not the partner's.
        TooLargeError: it is larger than a delivery may be.
    """
    delivery = Delivery(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await _body(request),
        received_at=datetime.now(UTC),
        content_type=request.headers.get("content-type", ""),
        query=dict(request.query_params),
    )
    answer = await services(request).hub.inbox.receive(forms.path_id(request), delivery)
    headers = {"X-Experience-API-Version": _XAPI_VERSIONS[0]} if request.url.path.endswith("/statements") else None
    if answer is None:
        return Response(status_code=204, headers=headers)
    return JSONResponse(answer, headers=headers)


async def about(request: Request) -> Response:
    """What a sender of statements asks first: the versions that are understood."""
    forms.path_id(request)
    return JSONResponse({"version": _XAPI_VERSIONS}, headers={"X-Experience-API-Version": _XAPI_VERSIONS[0]})


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

"""The app origin: pages for people, REST for programs, static files."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from courseyard.errors import CourseyardError
from courseyard.web import metrics
from courseyard.web.api.app import create_api
from courseyard.web.context import Services
from courseyard.web.headers import DefaultHeaders, app_headers
from courseyard.web.inbound import create_inbound
from courseyard.web.pages import rendering
from courseyard.web.pages import routes as page_routes
from courseyard.web.pages.reference import reference_route
from courseyard.web.problems import on_http_error, problem
from courseyard.web.security import INBOUND, RequestGuard


def create_app(services: Services) -> Starlette:
    """The application of the app origin."""
    origin = services.origins.app
    api = create_api(services)
    app = Starlette(
        routes=[
            reference_route(api),
            Mount(INBOUND, create_inbound(services)),
            Mount("/api", api),
            Mount("/static", _Static(directory=rendering.STATIC)),
            metrics.route,
            *page_routes.all_routes(),
        ],
        middleware=[
            Middleware(DefaultHeaders, headers_of=app_headers(services.origins)),
            Middleware(RequestGuard, origin=origin, refuse=_refuse),
        ],
        exception_handlers={
            CourseyardError: rendering.on_courseyard_error,
            HTTPException: _on_http_error,
            Exception: rendering.on_unexpected_error,
        },
    )
    app.state.services = services
    return app


async def _refuse(connection: HTTPConnection, error: CourseyardError) -> Response:
    if connection.url.path.startswith("/api/"):
        return problem(error)
    return rendering.page(Request(connection.scope), "error.html", error.status, error=error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """A path with odd characters in it may pass the interface's mount by; its callers still expect a problem."""
    if request.url.path.startswith("/api/"):
        return await on_http_error(request, error)
    return await rendering.on_http_error(request, error)


class _Static(StaticFiles):
    """Files that never change under their address, because a digest is part of it."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = response.status_code == 200 and b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if versioned else "public, max-age=300"
        )
        return response

"""Signing in and out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError
from courseyard.people import Caller
from courseyard.web.context import client_address, find_caller, require_person, services, session_token
from courseyard.web.pages.rendering import back, page
from courseyard.web.security import clear_session_cookie, set_session_cookie


async def start(request: Request) -> Response:
    """The start page leads everybody to their work."""
    caller = await require_person(request)
    return RedirectResponse(home(caller), 303)


def home(caller: Caller) -> str:
    """Where somebody's work begins."""
    return "/packages" if caller.is_staff else "/courses"


async def show(request: Request) -> Response:
    """The sign-in form."""
    if await find_caller(request):
        return RedirectResponse(safe_path(request.query_params.get("next")), 303)
    return page(request, "sign_in.html", error=None, email=None, next=request.query_params.get("next"))


async def submit(request: Request) -> Response:
    """Sign in with e-mail and password."""
    form = await request.form()
    email, target = str(form.get("email", "")), str(form.get("next", ""))
    try:
        profile_id = await services(request).accounts.check_password(
            email, str(form.get("password", "")), client_address(request)
        )
    except CourseyardError as error:
        if error.status >= 500:
            raise
        return page(request, "sign_in.html", error.status, error=error, email=email, next=target)
    return await _signed_in(request, profile_id, safe_path(target))


async def show_link(request: Request) -> Response:
    """Open a sign-in link.

    A browser that a person steers signs in at once. What fetches links unasked (chat previews, mail scanners,
    prefetching) and who is signed in as somebody gets a page with a button, so that the link is not spent.
    """
    token = request.path_params["token"]
    accounts = services(request).accounts
    caller = await find_caller(request)
    try:
        if caller is None and _is_visit(request):
            return await _signed_in(request, await accounts.spend_link(token), "/")
        owner = await accounts.link_owner(token)
    except CourseyardError as error:
        return page(request, "sign_in_link.html", error.status, owner=None, error=error)
    return page(request, "sign_in_link.html", owner=owner, error=None)


async def submit_link(request: Request) -> Response:
    """Use a sign-in link by its button."""
    try:
        profile_id = await services(request).accounts.spend_link(request.path_params["token"])
    except CourseyardError as error:
        return page(request, "sign_in_link.html", error.status, owner=None, error=error)
    return await _signed_in(request, profile_id, "/")


async def sign_out(request: Request) -> Response:
    """End the session here and in the database."""
    await services(request).accounts.close_session(session_token(request))
    response = back("/sign-in", "signed-out")
    clear_session_cookie(response, services(request).origins.app)
    return response


def safe_path(target: str | None) -> str:
    """A path of this app to lead to after signing in; never another site."""
    if not target or not target.startswith("/") or target[:2] in {"//", "/\\"}:
        return "/"
    return "/" if any(ord(c) < 0x21 for c in target) or "\\" in target else target


async def _signed_in(request: Request, profile_id: str, target: str) -> Response:
    accounts = services(request).accounts
    await accounts.close_session(session_token(request))
    token = await accounts.open_session(profile_id)
    response = RedirectResponse(target, 303)
    set_session_cookie(response, services(request).origins.app, token)
    return response


def _is_visit(request: Request) -> bool:
    headers = request.headers
    return (
        headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and "sec-purpose" not in headers
    )


routes = [
    Route("/", start),
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", submit, methods=["POST"]),
    Route("/sign-in/link/{token}", show_link, methods=["GET"]),
    Route("/sign-in/link/{token}", submit_link, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]

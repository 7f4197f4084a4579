"""The administrator's pages of people: who is here, roles, sign-in links; and everybody's own account."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import CourseyardError
from courseyard.limits import PAGE_SIZE
from courseyard.people import ROLES, Caller
from courseyard.web.api.schemas import Learner
from courseyard.web.context import client_address, require_person, services, session_token
from courseyard.web.pages import forms
from courseyard.web.pages.rendering import back, page

_NOTHING_ENTERED = {"email": None, "name": None, "role": None}


async def show_list(request: Request) -> Response:
    """Everybody who is known."""
    return await _list(request, await _admin(request))


async def add(request: Request) -> Response:
    """Make a person with an account; the answer shows the sign-in link, once."""
    caller = await _admin(request)
    svc, form = services(request), await request.form()
    values: dict[str, object] = {"email": forms.text(form, "email"), "name": forms.optional(form, "name")}
    role = forms.text(form, "role")
    try:
        person = forms.checked(Learner, values)
        profile_id = await svc.directory.make_person(person.email, person.name, role)
    except CourseyardError as error:
        return await _list(request, caller, error=error, entered=values | {"role": role})
    return await _link(request, caller, profile_id)


async def set_role(request: Request) -> Response:
    """Change what a person may do."""
    caller = await _admin(request)
    form = await request.form()
    try:
        await services(request).directory.set_role(caller, forms.path_id(request), forms.text(form, "role"))
    except CourseyardError as error:
        return await _list(request, caller, error=error)
    return back("/people", "role")


async def make_link(request: Request) -> Response:
    """Make a sign-in link and show it, once."""
    caller = await _admin(request)
    profile_id = forms.path_id(request)
    await services(request).directory.ensure_account(profile_id)
    return await _link(request, caller, profile_id)


async def show_account(request: Request) -> Response:
    """My account."""
    return await _account(request, await require_person(request))


async def change_password(request: Request) -> Response:
    """Set my password."""
    caller = await require_person(request)
    svc, form = services(request), await request.form()
    try:
        await svc.directory.ensure_account(str(caller.profile_id))
        await svc.accounts.change_password(
            caller,
            str(form.get("current", "")),
            str(form.get("new", "")),
            session_token(request),
            client_address(request),
        )
    except CourseyardError as error:
        return await _account(request, caller, error)
    return back("/account", "password")


async def _admin(request: Request) -> Caller:
    caller = await require_person(request)
    caller.require_admin()
    return caller


async def _link(request: Request, caller: Caller, profile_id: str) -> Response:
    svc = services(request)
    token = await svc.accounts.make_link(profile_id)
    link = f"{svc.origins.app}/sign-in/link/{token}"
    return await _list(request, caller, link=link, link_for=await svc.directory.person(profile_id))


async def _list(request: Request, _caller: Caller, **more: Any) -> Response:
    search = forms.search_of(request)
    rows = await services(request).directory.people(search, PAGE_SIZE, forms.offset_of(request))
    values = {"error": None, "entered": _NOTHING_ENTERED, "link": None, "link_for": None} | more
    error = values["error"]
    return page(
        request,
        "people.html",
        error.status if error else 200,
        people=rows,
        total=rows[0]["total"] if rows else 0,
        roles=ROLES,
        search=search,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        **values,
    )


async def _account(request: Request, caller: Caller, error: CourseyardError | None = None) -> Response:
    has_password = await services(request).accounts.has_password(str(caller.profile_id))
    return page(request, "account.html", error.status if error else 200, has_password=has_password, error=error)


routes = [
    Route("/people", show_list, methods=["GET"]),
    Route("/people", add, methods=["POST"]),
    Route("/people/{id}/role", set_role, methods=["POST"]),
    Route("/people/{id}/link", make_link, methods=["POST"]),
    Route("/account", show_account, methods=["GET"]),
    Route("/account/password", change_password, methods=["POST"]),
]

"""Pages of credentials: a person's own, and for staff everybody's, entered by hand and with their files."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError
from courseyard.limits import MAX_PAGE_SIZE, PAGE_SIZE
from courseyard.partners.credentials import STATES, Entry, Wanted
from courseyard.people import Caller
from courseyard.web.context import require_person, services
from courseyard.web.pages import forms
from courseyard.web.pages.rendering import back, page
from courseyard.web.rights import like_pattern, rights_of
from courseyard.web.uploads import receive_file

_TEXTS = ("credential_name", "credential_type", "credential_number", "verification_url", "certificate_url")


async def admin(request: Request) -> Caller:
    """The caller, if an administrator.

    Raises:
        ForbiddenError: it is somebody else.
    """
    caller = await require_person(request)
    caller.require_admin()
    return caller


async def show_own(request: Request) -> Response:
    """What I earned."""
    caller = await require_person(request)
    svc = services(request)
    async with rights_of(svc.db, caller) as own:
        rows = await svc.hub.credentials.find(own, Wanted(user_id=caller.profile_id), MAX_PAGE_SIZE, 0)
    return page(request, "earned.html", credentials=rows)


async def show_list(request: Request) -> Response:
    """Everybody's, with filters."""
    return await _list(request)


async def show(request: Request) -> Response:
    """One credential, with what can be done about it."""
    return await _show(request)


async def add(request: Request) -> Response:
    """Enter one by hand."""
    caller = await admin(request)
    form = await request.form()
    svc = services(request)
    try:
        person = await svc.db.one("people.person_by_email", email=forms.text(form, "email"))
        if person is None:
            raise InvalidInputError(
                f"Nobody here has the e-mail address '{forms.text(form, 'email')[:100]}'.",
                hint="Add the person on the page People first, or check the address.",
            )
        entry = _entry(form, str(person["profile_id"]), forms.text(form, "provider_id"))
        credential_id = await svc.hub.credentials.enter(entry, caller.profile_id)
    except CourseyardError as error:
        entered = {name: form.get(name) for name in form}
        return await _list(request, error=error, entered=entered)
    return back(f"/partners/credentials/{credential_id}", "credential-added")


async def change(request: Request) -> Response:
    """Change what was entered."""
    caller = await admin(request)
    svc, credential_id = services(request), forms.path_id(request)
    async with rights_of(svc.db, caller) as own:
        found = await svc.hub.credentials.get(own, credential_id)
    try:
        entry = _entry(await request.form(), found["user_id"], found["provider_id"])
        await svc.hub.credentials.change(credential_id, entry)
    except CourseyardError as error:
        return await _show(request, error)
    return back(f"/partners/credentials/{credential_id}", "saved")


async def upload(request: Request) -> Response:
    """Keep the certificate as a PDF."""
    caller = await admin(request)
    svc, credential_id = services(request), forms.path_id(request)
    async with rights_of(svc.db, caller) as own:
        await svc.hub.credentials.get(own, credential_id)
    try:
        async with receive_file(request, svc.upload_folder) as received:
            await svc.hub.credentials.keep_file(credential_id, received.path, received.file_name)
    except CourseyardError as error:
        return await _show(request, error)
    return back(f"/partners/credentials/{credential_id}", "file-kept")


async def check(request: Request) -> Response:
    """Look now whether the verification address answers."""
    caller = await admin(request)
    svc, credential_id = services(request), forms.path_id(request)
    async with rights_of(svc.db, caller) as own:
        found = await svc.hub.credentials.get(own, credential_id)
    if not found["verification_url"]:
        raise InvalidInputError("This credential has no verification address.", hint="Enter one first.")
    await svc.hub.credentials.check(credential_id, found["provider_id"], found["verification_url"])
    return back(f"/partners/credentials/{credential_id}", "address-checked")


async def delete(request: Request) -> Response:
    """Delete a credential."""
    await admin(request)
    await services(request).hub.credentials.delete(forms.path_id(request))
    return back("/partners/credentials", "credential-deleted")


async def download(request: Request) -> Response:
    """The uploaded certificate, for its person and for staff."""
    caller = await require_person(request)
    svc, credential_id = services(request), forms.path_id(request)
    async with rights_of(svc.db, caller) as own:
        await svc.hub.credentials.get(own, credential_id)
    name, content = await svc.hub.credentials.file(credential_id)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Cache-Control": "private"}
    return Response(content, media_type="application/pdf", headers=headers)


def _entry(form: Any, user_id: str, provider_id: str) -> Entry:
    texts = {name: forms.optional(form, name) for name in _TEXTS}
    return Entry(
        user_id=user_id,
        provider_id=provider_id,
        credential_name=texts.pop("credential_name") or "",
        issued_date=_day(form, "issued_date", "Issued"),
        expiration_date=_day(form, "expiration_date", "Expires"),
        **texts,
    )


def _day(form: Any, name: str, label: str) -> date | None:
    value = forms.text(form, name)
    if not value:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInputError(f"{label}: '{value[:30]}' is no date.", hint="Write it as 2026-11-25.") from error


async def _list(request: Request, error: CourseyardError | None = None, entered: Any = None) -> Response:
    caller = await require_person(request)
    caller.require_staff()
    svc = services(request)
    state = request.query_params.get("state") or None
    wanted = Wanted(
        provider_id=forms.query_id(request, "provider"),
        state=state if state in STATES else None,
        pattern=like_pattern(forms.search_of(request)),
    )
    async with rights_of(svc.db, caller) as own:
        rows = await svc.hub.credentials.find(own, wanted, PAGE_SIZE, forms.offset_of(request))
    return page(
        request,
        "credentials.html",
        error.status if error else 200,
        credentials=rows,
        total=rows[0]["total"] if rows else 0,
        providers=await svc.hub.providers.all(),
        wanted=wanted,
        states=STATES,
        search=forms.search_of(request),
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        error=error,
        entered=dict.fromkeys((*_TEXTS, "email", "provider_id", "issued_date", "expiration_date"))
        | dict(entered or {}),
    )


async def _show(request: Request, error: CourseyardError | None = None) -> Response:
    caller = await require_person(request)
    caller.require_staff()
    svc, credential_id = services(request), forms.path_id(request)
    async with rights_of(svc.db, caller) as own:
        found = await svc.hub.credentials.get(own, credential_id)
    return page(
        request, "credential.html", error.status if error else 200, credential=found, states=STATES, error=error
    )


routes = [
    Route("/earned", show_own, methods=["GET"]),
    Route("/credentials/{id}/file", download, methods=["GET"]),
    Route("/partners/credentials", show_list, methods=["GET"]),
    Route("/partners/credentials", add, methods=["POST"]),
    Route("/partners/credentials/{id}", show, methods=["GET"]),
    Route("/partners/credentials/{id}", change, methods=["POST"]),
    Route("/partners/credentials/{id}/file", upload, methods=["POST"]),
    Route("/partners/credentials/{id}/check", check, methods=["POST"]),
    Route("/partners/credentials/{id}/delete", delete, methods=["POST"]),
]

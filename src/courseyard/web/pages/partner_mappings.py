"""Pages of mappings: the list, adding by hand and in bulk, and suggestions that a person confirms."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError
from courseyard.limits import MAX_JSON_BYTES, PAGE_SIZE, SUGGESTED_COURSES
from courseyard.partners.mappings import TARGETS, TYPES, Filter, Link, Pasted
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.packages import staff
from courseyard.web.pages.rendering import back, page
from courseyard.web.rights import like_pattern
from courseyard.web.uploads import receive_file

_PATH = "/partners/mappings"
_STATES = {"on": True, "off": False}


async def show_list(request: Request) -> Response:
    """All mappings, with filters."""
    return await _list(request)


async def add(request: Request) -> Response:
    """Map one course of a partner to one or several of ours."""
    caller = await admin(request)
    form = await request.form()
    try:
        course = forms.form_id(form, "course", "Partner's course")
        links = [_target(course, value) for value in form.getlist("target") if isinstance(value, str)]
        if not links:
            raise InvalidInputError("No target is chosen.", hint="Choose what the course counts as.")
        await services(request).hub.mappings.add(links, forms.text(form, "type"), caller.profile_id)
    except CourseyardError as error:
        return await _list(request, add_error=error, entered=form)
    return back(_PATH, "mapped")


async def paste(request: Request) -> Response:
    """Map by pasted lines; what is not understood stays in the box, with the reasons."""
    caller = await admin(request)
    form = await request.form()
    text = form.get("lines")
    try:
        pasted = await services(request).hub.mappings.paste(
            text if isinstance(text, str) else "",
            forms.text(form, "type"),
            forms.optional_form_id(form, "provider", "Partner"),
            caller.profile_id,
        )
    except CourseyardError as error:
        return await _list(request, paste_error=error, entered=form)
    return await _list(request, pasted=pasted)


async def upload(request: Request) -> Response:
    """Map by the lines of a file."""
    caller = await admin(request)
    svc = services(request)
    try:
        async with receive_file(request, svc.upload_folder) as received:
            received.check_size(MAX_JSON_BYTES, "Split it into several.")
            text = (await asyncio.to_thread(received.path.read_bytes)).decode("utf-8-sig", "replace")
        pasted = await svc.hub.mappings.paste(text, "equivalent", None, caller.profile_id)
    except CourseyardError as error:
        return await _list(request, paste_error=error)
    return await _list(request, pasted=pasted)


async def change(request: Request) -> Response:
    """Switch on, switch off or delete those that are ticked."""
    await admin(request)
    form = await request.form()
    ids = forms.ids(form, "mapping")
    mappings = services(request).hub.mappings
    match forms.text(form, "action"):
        case "on" | "off" as state:
            await mappings.change(ids, active=_STATES[state])
        case "delete":
            await mappings.delete(ids)
        case other:
            raise InvalidInputError(f"There is no action '{other[:50]}'.")
    return back(_PATH, "saved")


async def show_suggestions(request: Request) -> Response:
    """Courses without a mapping beside what they are called alike."""
    return await _suggestions(request)


async def decide(request: Request) -> Response:
    """Map what is ticked, or let it go."""
    caller = await admin(request)
    form = await request.form(max_fields=2 * SUGGESTED_COURSES * 3)
    mappings = services(request).hub.mappings
    try:
        chosen = [str(value).partition("|") for value in form.getlist("suggestion")]
        links = [_target(forms.an_id(course, "Partner's course"), target) for course, _, target in chosen]
        if forms.text(form, "action") == "dismiss":
            await mappings.dismiss(links, caller.profile_id)
        else:
            await mappings.add(links, forms.text(form, "type"), caller.profile_id)
    except CourseyardError as error:
        return await _suggestions(request, error)
    return back(f"{_PATH}/suggestions?done=saved{forms.query_of(request, 'provider', 'page')}")


async def _list(
    request: Request,
    *,
    add_error: CourseyardError | None = None,
    paste_error: CourseyardError | None = None,
    pasted: Pasted | None = None,
    entered: FormData | None = None,
) -> Response:
    await staff(request)
    svc = services(request)
    query = request.query_params
    chosen = Filter(
        provider_id=forms.query_id(request, "provider"),
        mapping_type=query.get("type") if query.get("type") in TYPES else None,
        active=_STATES.get(query.get("state", "")),
        pattern=like_pattern(forms.search_of(request)),
    )
    rows = await svc.hub.mappings.find(chosen, PAGE_SIZE, forms.offset_of(request))
    error = add_error or paste_error
    return page(
        request,
        "partner_mappings.html",
        error.status if error else 200,
        mappings=rows,
        total=rows[0]["total"] if rows else 0,
        chosen=chosen,
        search=forms.search_of(request),
        filters=_filters(request),
        types=TYPES,
        targets=TARGETS,
        providers=await svc.hub.providers.all(),
        courses=await svc.hub.mappings.courses(),
        choices=await svc.hub.mappings.choices(),
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        add_error=add_error,
        paste_error=paste_error,
        pasted=pasted,
        entered=_entered(entered, pasted),
    )


async def _suggestions(request: Request, error: CourseyardError | None = None) -> Response:
    await staff(request)
    svc, provider_id = services(request), forms.query_id(request, "provider")
    number = forms.page_of(request)
    found, total = await svc.hub.mappings.suggestions(provider_id, (number - 1) * SUGGESTED_COURSES)
    return page(
        request,
        "partner_suggestions.html",
        error.status if error else 200,
        found=found,
        total=total,
        providers=await svc.hub.providers.all(),
        provider_id=provider_id,
        types=TYPES,
        targets=TARGETS,
        page_number=number,
        page_size=SUGGESTED_COURSES,
        error=error,
    )


def _target(course: str, value: str) -> Link:
    kind, _, identifier = value.partition(":")
    return Link(course, kind, forms.an_id(identifier, "Target"))


def _entered(form: FormData | None, pasted: Pasted | None) -> dict[str, Any]:
    known = form or FormData()
    wrong = "\n".join(line for line, _ in pasted.wrong) if pasted else ""
    return {
        "course": forms.text(known, "course"),
        "target": [str(value) for value in known.getlist("target")],
        "type": forms.text(known, "type") or "equivalent",
        "lines": wrong or str(known.get("lines") or ""),
        "provider": forms.text(known, "provider"),
    }


def _filters(request: Request) -> str:
    return forms.query_of(request, "q", "provider", "type", "state")


routes = [
    Route(_PATH, show_list, methods=["GET"]),
    Route(_PATH, add, methods=["POST"]),
    Route(f"{_PATH}/paste", paste, methods=["POST"]),
    Route(f"{_PATH}/upload", upload, methods=["POST"]),
    Route(f"{_PATH}/change", change, methods=["POST"]),
    Route(f"{_PATH}/suggestions", show_suggestions, methods=["GET"]),
    Route(f"{_PATH}/suggestions", decide, methods=["POST"]),
]

"""Pages of a partner's catalogue: what it offers, beside what was imported of it; and bringing courses in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError, RunStandsError
from courseyard.limits import PAGE_SIZE
from courseyard.partners import kinds, reading
from courseyard.partners.catalogue import STATES, Filter
from courseyard.partners.connector import Stream
from courseyard.partners.providers import Provider
from courseyard.partners.records import Course
from courseyard.web.context import services
from courseyard.web.pages import forms, standing_runs
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import back, page
from courseyard.web.rights import like_pattern

_COMPARED = {
    "title": "Title",
    "code": "Code",
    "category": "Category",
    "duration_hours": "Hours",
    "url": "Address",
    "active": "Active",
    "description": "Description",
}


async def show(request: Request) -> Response:
    """The courses, by how they stand."""
    await admin(request)
    return await _show(request)


async def show_run(request: Request) -> Response:
    """The part of the page that changes while a run is on."""
    await admin(request)
    provider = await services(request).hub.providers.get(forms.path_id(request))
    return page(request, "catalogue_run.html", provider=provider, asked_again=True, **await _run(request, provider))


async def look(request: Request) -> Response:
    """Ask the partner what it offers; nothing is written but what this page shows."""
    caller = await admin(request)
    provider_id, runs = forms.path_id(request), services(request).hub.runs
    path = f"/partners/providers/{provider_id}/catalogue"
    try:
        await runs.start(provider_id, [Stream.CATALOGUE], dry_run=True, requested_by=caller.profile_id)
    except RunStandsError as standing:
        # A run that is on and asks for the courses too is as good.
        looks = Stream.CATALOGUE.value in (await runs.run(standing.extra["run_id"]))["streams"]
        return back(path) if looks else standing_runs.led_to(path, standing, "look")
    except CourseyardError as error:
        return await _show(request, error)
    return back(path)


async def bring_in(request: Request) -> Response:
    """Import the chosen courses, or all that match; mark those that are gone."""
    caller = await admin(request)
    provider_id, form = forms.path_id(request), await request.form()
    state, category, search = (forms.text(form, name) for name in ("state", "category", "q"))
    everything = forms.ticked(form, "all")
    chosen = Filter(state=_state(state), category=category or None, pattern=like_pattern(search))
    keys = [str(key) for key in form.getlist("keys")]
    if not keys and not everything:
        error = InvalidInputError("No course is chosen.", hint="Tick the courses that you want, or take all.")
        return await _show(request, error)
    await services(request).hub.catalogue.bring_in(
        provider_id, None if everything else keys, chosen if everything else Filter(), caller.profile_id
    )
    query = urlencode({"category": category, "q": search, "done": "courses-imported"})
    return back(f"/partners/providers/{provider_id}/catalogue?{query}")


async def enter(request: Request) -> Response:
    """Enter a course of a partner that is kept by hand."""
    caller = await admin(request)
    provider_id, form = forms.path_id(request), await request.form()
    title = forms.text(form, "title")
    try:
        if not title:
            raise InvalidInputError("The course has no title.", hint="Type what the partner calls it.")
        hours = reading.number(forms.optional(form, "duration_hours"))
        if forms.text(form, "duration_hours") and (hours is None or hours < 0):
            raise InvalidInputError("The hours are no number.", hint="Type a number such as 1.5, or nothing.")
        url = forms.optional(form, "url")
        if url and not url.startswith(("https://", "http://")):
            raise InvalidInputError("The address is no web address.", hint="Begin it with https://.")
        course = Course(
            external_id=forms.optional(form, "external_id") or f"by-hand-{uuid4().hex[:12]}",
            title=title,
            code=forms.optional(form, "code"),
            category=forms.optional(form, "category"),
            description=forms.optional(form, "description"),
            duration_hours=hours,
            url=url,
        )
        await services(request).hub.catalogue.enter(provider_id, course, caller.profile_id)
    except CourseyardError as error:
        return await _show(request, error)
    return back(f"/partners/providers/{provider_id}/catalogue", "course-entered")


async def _show(request: Request, error: CourseyardError | None = None) -> Response:
    svc = services(request)
    provider = await svc.hub.providers.get(forms.path_id(request))
    kind = kinds.kinds().get(provider.kind or "")
    counts = await svc.hub.catalogue.counts(provider.id)
    # Where nothing else is asked for, what waits for a decision.
    state = _state(request.query_params.get("state")) or next((s for s in STATES if counts[s]), STATES[0])
    search, category = forms.search_of(request), request.query_params.get("category", "").replace("\0", "") or None
    courses = await svc.hub.catalogue.courses(
        provider.id, Filter(state, category, like_pattern(search)), PAGE_SIZE, forms.offset_of(request)
    )
    return page(
        request,
        "catalogue.html",
        error.status if error else 200,
        provider=provider,
        can_look=kind is not None and Stream.CATALOGUE in kind.capabilities.streams,
        by_hand=kind is not None and not kind.capabilities.streams and not kind.capabilities.receives,
        counts=counts,
        state=state,
        courses=[course | {"changes": _changes(course)} for course in courses],
        total=courses[0]["total"] if courses else 0,
        categories=await svc.hub.catalogue.categories(provider.id),
        category=category,
        search=search,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        error=error,
        asked_again=False,
        standing=await standing_runs.told(request, provider.id),
        **await _run(request, provider),
    )


async def _run(request: Request, provider: Provider) -> dict[str, Any]:
    """The run that is on, and the last one that looked at the catalogue alone."""
    svc = services(request)
    looked = await svc.db.all(
        "sync.log", provider_id=provider.id, status=None, sync_type=Stream.CATALOGUE.value, limit=1, offset=0
    )
    return {"running": await svc.hub.runs.working(provider.id), "looked": looked[0] if looked else None}


def _state(asked: str | None) -> str | None:
    return asked if asked in STATES else None


def _changes(course: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What an import would change: label, what stands, what the partner says now."""
    if course["state"] != "changed":
        return []
    standing = course["standing"]
    return [
        (label, standing[name], course[name])
        for name, label in _COMPARED.items()
        if course[name] is not None and course[name] != standing[name]
    ]


routes = [
    Route("/partners/providers/{id}/catalogue", show, methods=["GET"]),
    Route("/partners/providers/{id}/catalogue/run", show_run, methods=["GET"]),
    Route("/partners/providers/{id}/catalogue/enter", enter, methods=["POST"]),
    Route("/partners/providers/{id}/catalogue/look", look, methods=["POST"]),
    Route("/partners/providers/{id}/catalogue/import", bring_in, methods=["POST"]),
]

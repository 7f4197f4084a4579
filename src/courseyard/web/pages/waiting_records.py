"""Records of a partner that could not be written: why, what to do, trying them again or letting them go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError, NotFoundError
from courseyard.limits import PAGE_SIZE
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import back, page

# Why a record waits: what people call it, and what to do.
REASONS = {
    "person-unknown": ("Person not known", "Say on the page Accounts who it is; the records follow by themselves."),
    "person-ambiguous": ("Several people could be meant", "Choose the right one on the page Accounts."),
    "course-unknown": ("Course not in the catalogue", "Fetch the partner's courses; the records follow by themselves."),
    "course-not-imported": ("Course not imported", "Import the course from the partner's catalogue, or drop these."),
    "enrolment-unknown": ("Enrolment not known", "Fetch the partner's enrolments; the records follow by themselves."),
    "refused": ("Refused by the database", "A rule of your own tables refuses it: mend the cause, then replay."),
    "not-understood": ("Not understood", "The partner sent something unreadable; tell the partner, then drop it."),
}
_RECORD_ID = re.compile(r"[0-9]{1,18}")
# A field of a record is shown so far, and so many fields of one; the whole of it is in the REST interface.
_VALUE_SHOWN = 500
_FIELDS_SHOWN = 100


async def show(request: Request) -> Response:
    """What waits, by reason."""
    await admin(request)
    return await _show(request)


async def show_replay(request: Request) -> Response:
    """What became of the records that are tried again: the part of a page that changes while that is on."""
    await admin(request)
    provider = await services(request).hub.providers.get(forms.path_id(request))
    run = await _replay(request, forms.path_id(request, "run"))
    if run is None:
        raise NotFoundError("There is no such run.")
    return page(request, "replay_state.html", provider=provider, replay=run)


async def replay_asked(request: Request) -> dict[str, Any] | None:
    """The run that the page was led to by a decision or by trying again."""
    run_id = forms.query_id(request, "run")
    return await _replay(request, run_id) if run_id else None


async def _replay(request: Request, run_id: str) -> dict[str, Any] | None:
    try:
        run = await services(request).hub.runs.run(run_id)
    except NotFoundError:
        return None
    if run["provider_id"] != forms.path_id(request) or run["mode"] != "replay":
        return None
    counts = (run["counts"] or {}).values()
    aside = sum(of_kind.get("skipped", 0) for of_kind in counts)
    return run | {"aside": aside, "written": (run["records_processed"] or 0) - (run["records_failed"] or 0) - aside}


async def _show(request: Request, error: CourseyardError | None = None) -> Response:
    svc, provider_id = services(request), forms.path_id(request)
    provider = await svc.hub.providers.get(provider_id)
    code = request.query_params.get("code") or None
    rows = await svc.db.all(
        "partners.failures", provider_id=provider_id, open=True, code=code if code in REASONS else None, run_id=None,
        limit=PAGE_SIZE, offset=forms.offset_of(request),
    )  # fmt: skip
    return page(
        request,
        "waiting_records.html",
        error.status if error else 200,
        provider=provider,
        records=[row | {"fields": fields_of(row["record"])} for row in rows],
        total=rows[0]["total"] if rows else 0,
        counts=await svc.db.all("partners.failure_counts", provider_id=provider_id),
        code=code if code in REASONS else None,
        reasons=REASONS,
        replay=await replay_asked(request),
        error=error,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
    )


async def replay(request: Request) -> Response:
    """Try everything again."""
    caller = await admin(request)
    provider_id = forms.path_id(request)
    run_id = await services(request).hub.runs.replay(provider_id, caller.profile_id)
    return RedirectResponse(f"/partners/providers/{provider_id}/waiting?run={run_id}", 303)


async def drop(request: Request) -> Response:
    """Let records go: those that were ticked, or all of one reason. Asks first, with how many they are."""
    await admin(request)
    svc, provider_id, form = services(request), forms.path_id(request), await request.form()
    provider = await svc.hub.providers.get(provider_id)
    code = forms.optional(form, "code")
    ids = [int(value) for value in form.getlist("record") if isinstance(value, str) and _RECORD_ID.fullmatch(value)]
    if code is None and not ids:
        return await _show(request, InvalidInputError("No records are chosen.", hint="Tick those that may go."))
    chosen: dict[str, Any] = {"provider_id": provider_id, "ids": None if code else ids, "code": code}
    if not forms.ticked(form, "sure"):
        counts = await svc.db.all("partners.droppable", **chosen)
        return page(request, "waiting_drop.html", provider=provider, counts=counts, code=code, ids=ids, reasons=REASONS)
    await svc.db.run("partners.drop_failures", **chosen)
    return back(f"/partners/providers/{provider_id}/waiting", "dropped")


def fields_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """A record as people read it: each of its fields with the way to it, empty ones left out."""
    found = [(way, value) for way, value in _flat(record, "") if way != "record"]
    shown = [(way, value if len(value) <= _VALUE_SHOWN else f"{value[:_VALUE_SHOWN]}…") for way, value in found]
    more = len(shown) - _FIELDS_SHOWN
    return shown if more <= 0 else [*shown[:_FIELDS_SHOWN], ("…", f"and {more} more")]


def _flat(value: Any, way: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{way} › {name}" if way else str(name))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{way} {number}")
    elif isinstance(value, list):
        if value:
            yield way, ", ".join(str(inner) for inner in value)
    elif isinstance(value, bool):
        yield way, "yes" if value else "no"
    elif value not in (None, ""):
        yield way, str(value)


routes = [
    Route("/partners/providers/{id}/waiting", show, methods=["GET"]),
    Route("/partners/providers/{id}/replays/{run}", show_replay, methods=["GET"]),
    Route("/partners/providers/{id}/waiting/replay", replay, methods=["POST"]),
    Route("/partners/providers/{id}/waiting/drop", drop, methods=["POST"]),
]

"""Records of a partner that could not be written: why, what to do, trying them again or letting them go."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import InvalidInputError
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


async def show(request: Request) -> Response:
    """What waits, by reason."""
    await admin(request)
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
        provider=provider,
        records=[row | {"text": json.dumps(row["record"], indent=2, ensure_ascii=False)} for row in rows],
        total=rows[0]["total"] if rows else 0,
        counts=await svc.db.all("partners.failure_counts", provider_id=provider_id),
        code=code if code in REASONS else None,
        reasons=REASONS,
        run_id=forms.query_id(request, "run"),
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
    """Let records go: those that were ticked, or all of one reason."""
    await admin(request)
    provider_id, form = forms.path_id(request), await request.form()
    code = forms.optional(form, "code")
    ids = [int(value) for value in form.getlist("record") if isinstance(value, str) and value.isdecimal()]
    if code is None and not ids:
        raise InvalidInputError("No records are chosen.", hint="Tick those that may go.")
    await services(request).db.run(
        "partners.drop_failures", provider_id=provider_id, ids=None if code else ids, code=code
    )
    return back(f"/partners/providers/{provider_id}/waiting", "dropped")


routes = [
    Route("/partners/providers/{id}/waiting", show, methods=["GET"]),
    Route("/partners/providers/{id}/waiting/replay", replay, methods=["POST"]),
    Route("/partners/providers/{id}/waiting/drop", drop, methods=["POST"]),
]

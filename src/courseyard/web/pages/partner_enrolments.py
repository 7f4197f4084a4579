"""Pages of enrolments at partners: the list, one in full, enrolling people, and what is done for it at the partners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError
from courseyard.limits import PAGE_SIZE
from courseyard.partners.enrolling import Course
from courseyard.partners.outbox import STATES
from courseyard.web import partner_enrollments
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.packages import staff
from courseyard.web.pages.rendering import back, page

# People whose names the preview shows one by one; the rest is counted.
_SHOWN = 200


async def show_list(request: Request) -> Response:
    """All enrolments at partners, with filters."""
    return await _list(request, "partner_enrolments.html")


async def show_rows(request: Request) -> Response:
    """The rows alone, for the list that keeps itself up to date."""
    return await _list(request, "parts/partner_enrolment_rows.html")


async def show(request: Request) -> Response:
    """One enrolment in full."""
    caller = await staff(request)
    found = await partner_enrollments.in_full(services(request), caller, forms.path_id(request))
    return page(request, "partner_enrolment.html", enrolment=found, states=STATES)


async def withdraw(request: Request) -> Response:
    """End an enrolment, at the partner too."""
    caller = await admin(request)
    enrolment_id = forms.path_id(request)
    await services(request).hub.enrolling.withdraw(enrolment_id, caller.profile_id)
    return back(f"/partners/enrolments/{enrolment_id}", "partner-withdrawn")


async def show_enrol(request: Request) -> Response:
    """Choose course and people."""
    return await _enrol(request, forms.query_id(request, "course"), [])


async def gather(request: Request) -> Response:
    """Add people to those who are to be enrolled, or take one away; nothing is enrolled yet."""
    await admin(request)
    form = await request.form()
    course, chosen, told = await _gathered(request, form)
    return await _enrol(request, course, chosen, form=form, **told)


async def enrol(request: Request) -> Response:
    """Enrol those who were gathered."""
    caller = await admin(request)
    form = await request.form()
    course, chosen, told = await _gathered(request, form)
    try:
        if told.get("error") or told.get("unknown"):
            return await _enrol(request, course, chosen, form=form, **told)
        if course is None or not chosen:
            raise InvalidInputError(
                "Nobody is chosen yet." if course else "No course is chosen yet.", hint="Choose first."
            )
        await services(request).hub.enrolling.enrol(course, chosen, caller.profile_id)
    except CourseyardError as error:
        return await _enrol(request, course, chosen, form=form, error=error)
    return back(f"/partners/enrolments?course={course}&done=partner-enrolled")


async def show_outbox(request: Request) -> Response:
    """What is to be done at partners."""
    return await _outbox(request, "partner_outbox.html")


async def show_outbox_rows(request: Request) -> Response:
    """The rows alone, for the list that keeps itself up to date."""
    return await _outbox(request, "parts/partner_outbox_rows.html")


async def act(request: Request) -> Response:
    """Try an entry again, cancel it, or choose the account that it waits for."""
    await admin(request)
    outbox, entry_id, form = services(request).hub.outbox, forms.path_id(request), await request.form()
    match forms.text(form, "action"):
        case "retry":
            await outbox.retry(entry_id)
        case "cancel":
            await outbox.cancel(entry_id)
        case "choose":
            await outbox.choose(entry_id, forms.text(form, "account"))
        case other:
            raise InvalidInputError(f"There is no action '{other[:50]}'.")
    return back("/partners/outbox", "saved")


async def _list(request: Request, template: str) -> Response:
    caller = await staff(request)
    svc, query = services(request), request.query_params
    wanted = partner_enrollments.Wanted(
        provider_id=forms.query_id(request, "provider"),
        course_id=forms.query_id(request, "course"),
        profile_id=forms.query_id(request, "person"),
        status=query.get("status") if query.get("status") in partner_enrollments.STATUSES else None,
        search=forms.search_of(request),
    )
    rows, total = await partner_enrollments.find(svc, caller, wanted, PAGE_SIZE, forms.offset_of(request))
    return page(
        request,
        template,
        enrolments=rows,
        total=total,
        wanted=wanted,
        filters=forms.query_of(request, "q", "provider", "course", "person", "status"),
        statuses=list(partner_enrollments.STATUSES),
        providers=await svc.hub.providers.all(),
        courses=await svc.hub.mappings.courses(wanted.provider_id),
        waiting=await svc.hub.outbox.counts(),
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
    )


async def _gathered(request: Request, form: FormData) -> tuple[str | None, list[str], dict[str, Any]]:
    """The course, everybody chosen so far, and what there is to tell of it."""
    enrolling = services(request).hub.enrolling
    course = forms.optional_form_id(form, "course", "Partner's course")
    taken_away = forms.text(form, "remove")
    told: dict[str, Any] = {}
    chosen = [forms.an_id(value, "Person") for value in forms.text(form, "chosen").split()]
    try:
        chosen += forms.ids(form, "person")
        if forms.text(form, "names"):
            named = await enrolling.named(forms.text(form, "names"))
            chosen += named.people
            told["unknown"] = named.unknown
        kind, mark, target = forms.text(form, "group").partition(":")
        if mark:
            chosen += await enrolling.enrolled_here(kind, forms.an_id(target, "Group"))
    except CourseyardError as error:
        told["error"] = error
    return course, [person for person in dict.fromkeys(chosen) if person != taken_away], told


async def _enrol(
    request: Request,
    course_id: str | None,
    chosen: Sequence[str],
    *,
    form: FormData | None = None,
    unknown: Sequence[str] = (),
    error: CourseyardError | None = None,
) -> Response:
    await admin(request)
    svc = services(request)
    course: Course | None = None
    people: list[dict[str, Any]] = []
    try:
        course = await svc.hub.enrolling.course(course_id) if course_id else None
        people = await svc.hub.enrolling.preview(course_id, chosen) if course_id else []
    except CourseyardError as problem:
        error = error or problem
    search = (forms.text(form, "q").replace("\0", "")[:200] or None) if form else None
    found = await svc.directory.people(search, PAGE_SIZE, 0) if search else []
    return page(
        request,
        "partner_enrol.html",
        error.status if error else 200,
        course=course,
        course_id=course_id,
        courses=await svc.hub.mappings.courses(),
        groups=[choice for choice in await svc.hub.mappings.choices() if choice["kind"] != "package"],
        chosen=list(chosen),
        people=people[:_SHOWN],
        more=max(len(people) - _SHOWN, 0),
        fresh=sum(1 for person in people if person["enrolment_id"] is None or person["ended"]),
        search=search,
        found=[person for person in found if person["profile_id"] not in chosen],
        unknown=unknown,
        error=error,
    )


async def _outbox(request: Request, template: str) -> Response:
    await admin(request)
    svc = services(request)
    state = request.query_params.get("state")
    rows = await svc.hub.outbox.entries(
        provider_id=forms.query_id(request, "provider"),
        state=state if state in STATES else None,
        limit=PAGE_SIZE,
        offset=forms.offset_of(request),
    )
    return page(
        request,
        template,
        entries=rows,
        total=rows[0]["total"] if rows else 0,
        state=state if state in STATES else None,
        states=STATES,
        counts=await svc.hub.outbox.counts(),
        providers=await svc.hub.providers.all(),
        provider_id=forms.query_id(request, "provider"),
        filters=forms.query_of(request, "state", "provider"),
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
    )


routes = [
    Route("/partners/enrolments", show_list, methods=["GET"]),
    Route("/partners/enrolments/rows", show_rows, methods=["GET"]),
    Route("/partners/enrolments/{id}", show, methods=["GET"]),
    Route("/partners/enrolments/{id}/withdraw", withdraw, methods=["POST"]),
    Route("/partners/enrol", show_enrol, methods=["GET"]),
    Route("/partners/enrol", gather, methods=["POST"]),
    Route("/partners/enrol/confirm", enrol, methods=["POST"]),
    Route("/partners/outbox", show_outbox, methods=["GET"]),
    Route("/partners/outbox/rows", show_outbox_rows, methods=["GET"]),
    Route("/partners/outbox/{id}", act, methods=["POST"]),
]

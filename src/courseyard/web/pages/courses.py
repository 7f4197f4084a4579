"""The learner's pages: my courses, and the way into the player."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, ForbiddenError, InvalidInputError, PrerequisiteOpenError
from courseyard.limits import MAX_PAGE_SIZE
from courseyard.web import enrollments, partner_enrollments
from courseyard.web.context import require_person, services
from courseyard.web.pages import forms
from courseyard.web.pages.rendering import page
from courseyard.web.ports import LAUNCH_MODES


async def show(request: Request) -> Response:
    """My courses: how they stand, and what can be done with each."""
    return await _show(request, "courses.html")


async def show_cards(request: Request) -> Response:
    """The courses alone, for the page that keeps itself up to date."""
    return await _show(request, "parts/course_cards.html")


async def launch(request: Request) -> Response:
    """Open the player in this tab; leaving it leads back here."""
    caller = await require_person(request)
    svc, form = services(request), await request.form()
    mode = LAUNCH_MODES.get(forms.text(form, "mode") or "normal")
    if mode is None:
        raise InvalidInputError("A course cannot be opened in that mode.")
    found = await enrollments.detail(svc, caller, forms.path_id(request))
    if found["profile_id"] != caller.profile_id:
        raise ForbiddenError("This course belongs to somebody else.")
    try:
        url = await svc.courses.launch(found["id"], mode, f"{svc.origins.app}/courses")
    except PrerequisiteOpenError as error:
        # The page names what comes first, with the way there.
        return await _show(request, "courses.html", error)
    return RedirectResponse(url, 303)


async def launch_at_partner(request: Request) -> Response:
    """Open a course at its partner in this tab. By a link and not a form: a form may lead to our own player only."""
    caller = await require_person(request)
    svc = services(request)
    url = await partner_enrollments.launch(svc, caller, forms.path_id(request), f"{svc.origins.app}/courses")
    return RedirectResponse(url, 303)


async def _show(request: Request, template: str, error: CourseyardError | None = None) -> Response:
    caller = await require_person(request)
    svc = services(request)
    rows, _ = await enrollments.find(svc, caller, profile_id=caller.profile_id, limit=MAX_PAGE_SIZE, offset=0)
    at_partners = await partner_enrollments.own_courses(svc, caller, MAX_PAGE_SIZE)
    return page(request, template, error.status if error else 200, courses=rows, at_partners=at_partners, error=error)


routes = [
    Route("/courses", show, methods=["GET"]),
    Route("/courses/cards", show_cards, methods=["GET"]),
    Route("/courses/{id}/launch", launch, methods=["POST"]),
    Route("/courses/partners/{id}/launch", launch_at_partner, methods=["GET"]),
]

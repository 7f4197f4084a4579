"""Pages of enrolments: the list that follows learners as they work, and one enrolment in full."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.limits import PAGE_SIZE
from courseyard.web import attempts, enrollments
from courseyard.web.context import require_person, services
from courseyard.web.pages import forms
from courseyard.web.pages.packages import staff
from courseyard.web.pages.rendering import page


async def show_list(request: Request) -> Response:
    """All enrolments."""
    return await _list(request, "enrollments.html")


async def show_rows(request: Request) -> Response:
    """The rows alone, for the list that keeps itself up to date."""
    return await _list(request, "parts/enrollment_rows.html")


async def show(request: Request) -> Response:
    """One enrolment; a learner sees the own ones."""
    return await _show(request, "enrollment.html")


async def show_state(request: Request) -> Response:
    """How it stands, for the page that keeps itself up to date."""
    return await _show(request, "parts/enrollment_state.html")


async def show_attempt(request: Request) -> Response:
    """One attempt in full."""
    caller = await require_person(request)
    svc, enrollment_id = services(request), forms.path_id(request)
    found = await enrollments.attempt(svc, caller, enrollment_id, request.path_params["number"])
    return page(
        request,
        "attempt.html",
        enrollment=await enrollments.detail(svc, caller, enrollment_id),
        attempt=found,
        activities=attempts.activities(found),
    )


async def _list(request: Request, template: str) -> Response:
    caller = await staff(request)
    search = forms.search_of(request)
    status = request.query_params.get("status", "").replace("\0", "")[:50] or None
    package_id = forms.query_id(request, "package")
    rows, total = await enrollments.find(
        services(request),
        caller,
        search=search,
        status=status,
        package_id=package_id,
        limit=PAGE_SIZE,
        offset=forms.offset_of(request),
    )
    return page(
        request,
        template,
        enrollments=rows,
        total=total,
        search=search,
        status=status,
        show_course=package_id is None,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
    )


async def _show(request: Request, template: str) -> Response:
    caller = await require_person(request)
    svc, enrollment_id = services(request), forms.path_id(request)
    found = await enrollments.detail(svc, caller, enrollment_id)
    return page(
        request,
        template,
        enrollment=found,
        attempts=await enrollments.attempts(svc, caller, enrollment_id),
    )


routes = [
    Route("/enrollments", show_list, methods=["GET"]),
    Route("/enrollments/rows", show_rows, methods=["GET"]),
    Route("/enrollments/{id}", show, methods=["GET"]),
    Route("/enrollments/{id}/state", show_state, methods=["GET"]),
    Route("/enrollments/{id}/attempts/{number:int}", show_attempt, methods=["GET"]),
]

"""Pages of a package: the list, what was found in it, its settings, enrolling, previewing, deleting."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import ContentError, CourseyardError
from courseyard.limits import PAGE_SIZE
from courseyard.people import Caller, NewLearner
from courseyard.web import enrollments, packages
from courseyard.web.api.schemas import Learner, PackageChange
from courseyard.web.context import require_person, services
from courseyard.web.pages import forms
from courseyard.web.pages.rendering import back, page
from courseyard.web.uploads import receive_file


async def staff(request: Request) -> Caller:
    """The caller, if staff.

    Raises:
        ForbiddenError: the caller is a learner.
    """
    caller = await require_person(request)
    caller.require_staff()
    return caller


async def show_list(request: Request) -> Response:
    """All packages, with a search and the upload."""
    return await _list(request, await staff(request))


async def upload(request: Request) -> Response:
    """Upload without scripts: the browser's own progress, then the package's page."""
    caller = await staff(request)
    svc = services(request)
    try:
        async with receive_file(request, svc.upload_folder) as received:
            package_id = await svc.packages.import_package(
                received.path, received.file_name, package_id=None, created_by=caller.profile_id
            )
    except ContentError as error:
        return await _list(request, caller, error)
    return back(f"/packages/{package_id}", "uploaded")


async def show(request: Request) -> Response:
    """One package."""
    return await _show(request, await staff(request))


async def add_version(request: Request) -> Response:
    """Upload a new version without scripts."""
    caller = await staff(request)
    svc, package_id = services(request), forms.path_id(request)
    await packages.require_change(svc, caller, package_id)
    try:
        async with receive_file(request, svc.upload_folder) as received:
            await svc.packages.import_package(
                received.path, received.file_name, package_id=package_id, created_by=caller.profile_id
            )
    except ContentError as error:
        return await _show(request, caller, version_error=error)
    return back(f"/packages/{package_id}", "version")


async def save(request: Request) -> Response:
    """Save the settings."""
    caller = await staff(request)
    form = await request.form()
    try:
        values: dict[str, object] = {
            "title": forms.text(form, "title"),
            "description": forms.optional(form, "description"),
            "passing_score": forms.whole_number(form, "passing_score", "Passing score"),
            "max_attempts": forms.whole_number(form, "max_attempts", "Attempts"),
            "launch_window": forms.text(form, "launch_window"),
            "strict": forms.ticked(form, "strict"),
            "is_active": forms.ticked(form, "is_active"),
        }
        change = forms.checked(PackageChange, values)
    except CourseyardError as error:
        return await _show(request, caller, settings_error=error)
    package_id = forms.path_id(request)
    await packages.change(services(request), caller, package_id, change.model_dump(exclude_unset=True))
    return back(f"/packages/{package_id}", "saved")


async def enroll(request: Request) -> Response:
    """Enrol a learner by e-mail and name."""
    caller = await staff(request)
    svc, package_id = services(request), forms.path_id(request)
    await packages.require_change(svc, caller, package_id)
    form = await request.form()
    values: dict[str, object] = {"email": forms.text(form, "email"), "name": forms.optional(form, "name")}
    try:
        learner = forms.checked(Learner, values)
        profile_id = await svc.directory.learner(NewLearner(email=learner.email, name=learner.name))
        await svc.courses.enroll(package_id, profile_id)
    except CourseyardError as error:
        return await _show(request, caller, enroll_error=error, enroll=values)
    return back(f"/packages/{package_id}", "enrolled")


async def preview(request: Request) -> Response:
    """Open the player for an author; nothing of it counts."""
    caller = await staff(request)
    svc, package_id = services(request), forms.path_id(request)
    found = await packages.row(svc, caller, package_id)
    home = f"{svc.origins.app}/packages/{found['id']}"
    return RedirectResponse(await svc.courses.preview(package_id, str(caller.profile_id), home), 303)


async def show_delete(request: Request) -> Response:
    """Say what deleting would lose, and ask."""
    caller = await staff(request)
    found = await packages.detail(services(request), caller, forms.path_id(request))
    return page(request, "package_delete.html", package=found)


async def delete(request: Request) -> Response:
    """Delete a package with everything recorded for it."""
    caller = await staff(request)
    svc, package_id = services(request), forms.path_id(request)
    await packages.require_change(svc, caller, package_id)
    await svc.packages.delete_package(package_id)
    return back("/packages", "deleted")


async def _list(request: Request, caller: Caller, error: CourseyardError | None = None) -> Response:
    search = forms.search_of(request)
    rows, total = await packages.find(
        services(request), caller, search=search, limit=PAGE_SIZE, offset=forms.offset_of(request)
    )
    return page(
        request,
        "packages.html",
        error.status if error else 200,
        packages=rows,
        total=total,
        search=search,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        error=error,
    )


async def _show(request: Request, caller: Caller, **problems: Any) -> Response:
    svc, package_id = services(request), forms.path_id(request)
    found = await packages.detail(svc, caller, package_id)
    learners, total = await enrollments.find(svc, caller, package_id=package_id, limit=PAGE_SIZE, offset=0)
    errors = [value for value in problems.values() if isinstance(value, CourseyardError)]
    values = {
        "version_error": None,
        "settings_error": None,
        "enroll_error": None,
        "enroll": {"email": None, "name": None},
    } | problems
    return page(
        request,
        "package.html",
        errors[0].status if errors else 200,
        package=found,
        enrollments=learners,
        show_course=False,
        total=total,
        **values,
    )


routes = [
    Route("/packages", show_list, methods=["GET"]),
    Route("/packages", upload, methods=["POST"]),
    Route("/packages/{id}", show, methods=["GET"]),
    Route("/packages/{id}/versions", add_version, methods=["POST"]),
    Route("/packages/{id}/settings", save, methods=["POST"]),
    Route("/packages/{id}/enrollments", enroll, methods=["POST"]),
    Route("/packages/{id}/preview", preview, methods=["POST"]),
    Route("/packages/{id}/delete", show_delete, methods=["GET"]),
    Route("/packages/{id}/delete", delete, methods=["POST"]),
]

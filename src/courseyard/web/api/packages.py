"""REST: packages."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from courseyard.people import Caller
from courseyard.web import packages
from courseyard.web.api.access import BEARER, AnyCaller, Staff, Svc, problems
from courseyard.web.api.paging import Limit, Offset, Search, add_page_headers
from courseyard.web.api.schemas import (
    Id,
    PackageAnswer,
    PackageChange,
    PackageDetail,
    PackageImported,
    Version,
)
from courseyard.web.context import Services
from courseyard.web.uploads import receive_file

router = APIRouter(prefix="/packages", tags=["Packages"], dependencies=[BEARER])

_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "The SCORM package, a zip.",
                        }
                    },
                }
            }
        },
    }
}


@router.post("", status_code=201, openapi_extra=_UPLOAD, responses=problems(413, 422))
async def import_package(request: Request, svc: Svc, caller: Staff) -> PackageImported:
    """Import a SCORM package. A package that cannot be used is refused with its findings."""
    return await _import(request, svc, caller, None)


@router.get("", responses=problems(422))
async def list_packages(
    request: Request,
    response: Response,
    svc: Svc,
    caller: AnyCaller,
    search: Search = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[PackageAnswer]:
    """The packages that the caller may see, newest first; `X-Total-Count` and `Link` lead through pages."""
    rows, total = await packages.find(svc, caller, search=search, limit=limit, offset=offset)
    add_page_headers(request, response, total, limit, offset)
    return [PackageAnswer.model_validate(_with_version(row)) for row in rows]


@router.get("/{package_id}", responses=problems(404, 422))
async def get_package(svc: Svc, caller: AnyCaller, package_id: Id) -> PackageDetail:
    """One package. Findings, settings and versions are for staff."""
    return _detail(await packages.detail(svc, caller, str(package_id)), caller)


@router.patch("/{package_id}", responses=problems(404, 422))
async def change_package(svc: Svc, caller: Staff, package_id: Id, body: PackageChange) -> PackageDetail:
    """Change fields; those that are not named stay."""
    await packages.change(svc, caller, str(package_id), body.model_dump(exclude_unset=True))
    return _detail(await packages.detail(svc, caller, str(package_id)), caller)


@router.delete("/{package_id}", status_code=204, responses=problems(404, 422))
async def delete_package(svc: Svc, caller: Staff, package_id: Id) -> None:
    """Delete a package, its files, its enrolments and everything recorded for them.

    To keep the records and only stop new work, set `is_active` to false instead.
    """
    await packages.require_change(svc, caller, str(package_id))
    await svc.packages.delete_package(str(package_id))


@router.post("/{package_id}/versions", status_code=201, openapi_extra=_UPLOAD, responses=problems(404, 413, 422))
async def add_version(request: Request, svc: Svc, caller: Staff, package_id: Id) -> PackageImported:
    """Import a new version. Attempts that are running stay on the old one; new ones start on this."""
    await packages.require_change(svc, caller, str(package_id))
    return await _import(request, svc, caller, str(package_id))


async def _import(request: Request, svc: Services, caller: Caller, package_id: str | None) -> PackageImported:
    async with receive_file(request, svc.upload_folder) as upload:
        imported = await svc.packages.import_package(
            upload.path, upload.file_name, package_id=package_id, created_by=caller.profile_id
        )
    found = await packages.detail(svc, caller, imported)
    return PackageImported(
        id=found["id"],
        title=found["title"],
        version=found["standard"],
        edition=found["edition"],
        activities=found["activities"],
        findings=found["current"]["findings"],
    )


def _with_version(row: dict[str, Any]) -> dict[str, Any]:
    # A row written by hand has no files here; what its author wrote into it is then all that is known.
    return row | {"version": row["standard"] or row["version"]}


def _detail(found: dict[str, Any], caller: Caller) -> PackageDetail:
    current = found["current"] or {}
    values = _with_version(found) | {
        "findings": current.get("findings", []),
        "launch_window": current.get("launch_window", "frame"),
        "strict": current.get("strict", False),
        "versions": [Version.model_validate(version) for version in found["versions"]],
    }
    if not caller.is_staff:
        values |= {"findings": [], "versions": [], "enrollments": 0, "completed": 0}
    return PackageDetail.model_validate(values)

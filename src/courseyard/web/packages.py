"""Packages as the pages and the REST interface see them: what is visible, what is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from courseyard.errors import NotFoundError
from courseyard.people import Caller
from courseyard.web.context import Services
from courseyard.web.rights import like_pattern, rights_of

# Columns of scorm_packages that may be changed; the rest are settings of the engine.
FIELDS = ("title", "description", "passing_score", "max_attempts", "duration_minutes", "is_active")
ENGINE_FIELDS = ("launch_window", "strict")


async def find(
    svc: Services, caller: Caller, *, search: str | None, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of the packages that the caller may see, newest first, and how many there are."""
    async with rights_of(svc.db, caller) as own:
        rows = await own.all("web.list_packages", search=like_pattern(search), limit=limit, offset=offset)
    facts = await svc.db.all("web.packages_facts", ids=[row["id"] for row in rows])
    by_id = {row["id"]: row for row in facts}
    total = rows[0]["total"] if rows else 0
    return [row | by_id.get(row["id"], _NO_FACTS) for row in rows], total


_NOT_YOURS = "There is no such package, or it is not yours to change."
_NO_FACTS = {
    "standard": None,
    "edition": "",
    "activities": 0,
    "version_number": 0,
    "enrollments": 0,
    "completed": 0,
}


async def row(svc: Services, caller: Caller, package_id: str) -> dict[str, Any]:
    """The public row of a package.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
    """
    async with rights_of(svc.db, caller) as own:
        found = await own.one("web.package", package_id=package_id)
    if found is None:
        raise NotFoundError("There is no such package.")
    return found


async def detail(svc: Services, caller: Caller, package_id: str) -> dict[str, Any]:
    """A package with its current version (document, findings, files), its settings and all versions.

    ``current`` is None for a package whose row was written by hand: it has no files here.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
    """
    found = await row(svc, caller, package_id)
    current = await svc.db.one("web.package_detail", package_id=package_id)
    versions = await svc.db.all("web.package_versions", package_id=package_id)
    facts = await svc.db.one("web.packages_facts", ids=[package_id])
    return found | (facts or _NO_FACTS) | {"current": current, "versions": versions}


async def change(svc: Services, caller: Caller, package_id: str, changes: Mapping[str, Any]) -> None:
    """Change fields of a package; fields that are not named stay.

    Raises:
        NotFoundError: there is none, or the caller may not change it.
    """
    named = [field for field in FIELDS if field in changes]
    values = {field: changes.get(field) for field in FIELDS}
    async with rights_of(svc.db, caller) as own:
        changed = await own.one("web.change_package", package_id=package_id, fields=named, **values)
    if changed is None:
        raise NotFoundError(_NOT_YOURS)
    if any(field in changes for field in ENGINE_FIELDS):
        engine = {field: changes.get(field) for field in ENGINE_FIELDS}
        await svc.db.run("web.change_package_settings", package_id=package_id, **engine)


async def require_change(svc: Services, caller: Caller, package_id: str) -> None:
    """Make sure that the caller may change a package: deleting and new versions ask for no less.

    Raises:
        NotFoundError: there is none, or the caller may not change it.
    """
    async with rights_of(svc.db, caller) as own:
        if await own.one("web.changeable_package", package_id=package_id) is None:
            raise NotFoundError(_NOT_YOURS)
